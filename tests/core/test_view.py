"""What limits a scope is said as it is."""

import pytest

from brimline.core.learned import Learned
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, Permit
from brimline.core.quota import parse_quotas
from brimline.core.time import MINUTE, SECOND
from brimline.core.view import LimitView, Source, overstated, views
from brimline.types import Advert


def limit_set(quota="", concurrency=None):
    quotas = parse_quotas(quota) if quota else ()
    return LimitSet(quotas, concurrency, learned=Learned(concurrency, is_paced=bool(quotas)))


def test_nothing_but_a_crowd_is_known_at_first():
    assert views(limit_set(), 0) == (
        LimitView(source=Source.LEARNED, limit="concurrency 8", used=0, amount=8),
    )


def test_all_three_sources_are_named():
    limits = limit_set("1200/min, 90k tokens/min", concurrency=5)
    permit = limits.acquire(0, Demand(1, 100, 60, 40))
    assert isinstance(permit, Permit)
    limits.hear(SECOND, permit, [Advert("requests", 600, 540, 6 * SECOND, None)])
    assert views(limits, SECOND) == (
        LimitView(source=Source.DECLARED, limit="1200/min", used=1, amount=1200),
        LimitView(source=Source.DECLARED, limit="90k tokens/min", used=100, amount=90_000),
        LimitView(source=Source.DECLARED, limit="concurrency 5", used=1, amount=5),
        LimitView(source=Source.ADVERTISED, limit="600 requests/min", used=60, amount=600),
    )


@pytest.mark.parametrize(
    ("quota", "advert", "said"),
    [
        ("1200/min", Advert("requests", 600, 500, None, MINUTE), "600 requests/min are advertised, less than the 1200/min that are declared"),
        ("20/s", Advert("requests", 600, 500, None, MINUTE), "600 requests/min are advertised, less than the 20/s that are declared"),
        ("600/min", Advert("requests", 600, 500, None, MINUTE), ""),
        ("9k input tokens/min", Advert("input_tokens", 8000, 500, None, MINUTE), "8,000 input tokens/min are advertised, less than the 9k input tokens/min that are declared"),
        ("9k output tokens/min", Advert("input_tokens", 8000, 500, None, MINUTE), ""),
    ],
)  # fmt: skip
def test_more_declared_than_is_advertised_is_said(quota, advert, said):
    limits = limit_set(quota)
    assert overstated(limits) == ""
    limits.hear(SECOND, limits.acquire(0, Demand()), [advert])
    assert overstated(limits) == said
