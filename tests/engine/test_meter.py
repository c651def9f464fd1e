"""What is counted is what happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.time import MINUTE, SECOND
from brimline.engine.meter import Flow, Latencies, Meter
from brimline.types import Fault, FaultKind, Response, Usage


@given(st.lists(st.floats(0.002, 10_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 1.0]))
def test_quantiles_are_right_to_five_percent(latencies, share):
    counted = Latencies()
    for latency in latencies:
        counted.add(latency)
    exact = sorted(latencies)[-(-int(share * 100) * len(latencies) // 100) - 1]
    assert counted.quantile(share) == pytest.approx(exact, rel=0.051)


def test_no_latency_has_no_quantile():
    assert Latencies().quantile(0.5) is None


@given(st.lists(st.integers(0, 20 * SECOND), max_size=100))
def test_the_last_minute_is_sixty_whole_seconds(gaps):
    flow, now, moments = Flow(), 0, []
    for gap in gaps:
        now += gap
        flow.at(now).requests += 1
        moments.append(now)
    since = now // SECOND - 60
    assert flow.last_minute(now).requests == sum(moment // SECOND > since for moment in moments)
    assert flow.last_minute(now + 2 * MINUTE).requests == 0
    assert len(flow._seconds) <= 60


def test_attempts_are_counted_by_how_they_end():
    meter = Meter()
    for _ in range(4):
        meter.started(SECOND)
    meter.ended(3 * SECOND, SECOND, Response(text="yes", usage=Usage(10, 5)))
    meter.finished(3 * SECOND, ok=True)
    meter.ended(3 * SECOND, SECOND, Fault(FaultKind.RATE_LIMITED))
    meter.tried_again(Fault(FaultKind.RATE_LIMITED))
    meter.ended(3 * SECOND, SECOND, Fault(FaultKind.SERVER_ERROR))
    meter.tried_again(Fault(FaultKind.SERVER_ERROR))
    meter.finished(3 * SECOND, ok=False)
    assert (meter.attempts, meter.in_flight, meter.ok, meter.failed) == (4, 1, 1, 1)
    assert (meter.refused, meter.retried, meter.usage) == (1, 1, Usage(10, 5))
    assert meter.flow.last_minute(3 * SECOND).tokens == 15
    assert meter.latencies.quantile(0.5) == pytest.approx(2.0, rel=0.05)
