"""One decision for everything an attempt needs: all or nothing, settled once, refunded exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil, Permit, Reason
from brimline.core.quota import Dimension, parse_quotas
from brimline.core.time import MINUTE, SECOND
from brimline.types import Usage
from tests.thorough import examples


def limit_set(text, concurrency=None):
    return LimitSet(parse_quotas(text), concurrency)


def state(limits, now):
    used = [limiter.used(now) for limiter in limits.limiters]
    return (
        limits.in_flight,
        used,
        [(limiter._full, dict(limiter._log._amounts)) for limiter in limits.limiters],
    )


@examples(400)
@given(
    st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 500), st.booleans()), max_size=40),
    st.integers(1, 5),
)
def test_all_or_nothing(steps, concurrency):
    """A refusal changes no member; its moment lies in the future; and at that moment it is granted."""
    limits = limit_set("30/min, 1000 tokens/min, 4/s", concurrency)
    now, held = 0, []
    for wait, tokens, release in steps:
        now += wait
        if release and held:
            limits.release(held.pop())
        demand = Demand(tokens=tokens)
        before = state(limits, now)
        answer = limits.acquire(now, demand)
        if isinstance(answer, Permit):
            held.append(answer)
            continue
        assert state(limits, now) == before
        if answer.when is None:
            assert len(held) == concurrency
            continue
        assert answer.when > now
        assert isinstance(limits.acquire(answer.when - 1, demand), NotUntil)
        held.append(limits.acquire(answer.when, demand))
        now = answer.when
        assert isinstance(held[-1], Permit)


def test_a_refusal_names_what_binds():
    limits = limit_set("2/s, 100 tokens/min burst 100", concurrency=3)
    assert isinstance(limits.acquire(0, Demand(tokens=1)), Permit)
    assert isinstance(limits.acquire(0, Demand(tokens=90)), Permit)
    assert limits.acquire(0, Demand(tokens=1)).by.words == "limit 2/s"
    assert limits.acquire(0, Demand(tokens=50)).by.words == "limit 100 tokens/min"
    assert isinstance(limits.acquire(MINUTE, Demand(tokens=1)), Permit)
    assert limits.acquire(MINUTE, Demand(tokens=1)) == NotUntil(None, Reason("concurrency 3"), is_slot=True)


def test_a_permit_is_settled_exactly_once_and_released_exactly_once():
    limits = limit_set("10/min")
    permit = limits.acquire(0, Demand())
    limits.settle(permit, None)
    with pytest.raises(RuntimeError, match="settled exactly once"):
        limits.refund(permit)
    limits.release(permit)
    with pytest.raises(RuntimeError, match="released exactly once"):
        limits.release(permit)
    assert limits.in_flight == 0


def test_a_refund_is_as_if_it_had_never_been_taken():
    limits = limit_set("10/min, 500 tokens/min")
    before = limits.acquire(0, Demand(tokens=300))
    limits.refund(before)
    limits.release(before)
    assert isinstance(limits.acquire(0, Demand(tokens=500)), Permit)


def test_settling_books_what_was_used():
    """An estimate that was too high gives tokens back, one that was too low is paid back by later requests."""
    limits = limit_set("1000 tokens/min burst 1000")
    permit = limits.acquire(0, Demand(tokens=900))
    assert limits.acquire(0, Demand(tokens=200)).when > 0
    assert limits.settle(permit, Usage(input_tokens=60, output_tokens=40)) is True
    second = limits.acquire(0, Demand(tokens=200))
    assert isinstance(second, Permit)
    assert limits.settle(second, Usage(input_tokens=900, output_tokens=100)) is False
    assert limits.acquire(0, Demand(tokens=1)).when == MINUTE, "1100 were used in this window"


def test_input_and_output_are_counted_apart():
    limits = limit_set("100 input tokens/min, 50 output tokens/min")
    limits.settle(limits.acquire(0, Demand(1, 20, 10, 10)), Usage(input_tokens=10, output_tokens=50))
    assert limits.acquire(0, Demand(1, 10, 10, 0)).by.words == "limit 50 output tokens/min"


def test_a_demand_beyond_the_amount_is_impossible_and_says_by_which_quota():
    limits = limit_set("500/min, 1000 tokens/min")
    assert limits.impossible(Demand(tokens=1000)) is None
    assert str(limits.impossible(Demand(tokens=1001))) == "1k tokens/min"


def test_a_hold_closes_everything_until_the_named_moment():
    limits = limit_set("600/min")
    limits.hold(3 * SECOND, Demand(), why="the provider says so")
    refused = limits.acquire(3 * SECOND - 1, Demand())
    assert refused.when == 3 * SECOND
    assert isinstance(limits.acquire(3 * SECOND, Demand()), Permit)
    assert limits.acquire(3 * SECOND, Demand()).when == 3 * SECOND + SECOND // 10, "no stampede after it"


def test_a_hold_for_one_dimension_leaves_the_others_as_they_are():
    limits = limit_set("600/min, 60k tokens/min")
    limits.hold(SECOND, Demand(tokens=10), why="tokens ran out", dimension=Dimension.TOKENS)
    granted = [limits.acquire(SECOND, Demand(tokens=0)) for _ in range(9)]
    assert all(isinstance(permit, Permit) for permit in granted), "the burst of requests is still there"


def test_departure_moves_the_booking():
    limits = limit_set("2/s")
    permits = [limits.acquire(0, Demand()) for _ in range(2)]
    for permit in permits:
        limits.depart(SECOND // 2, permit)
    assert limits.acquire(SECOND + SECOND // 10, Demand()).when >= SECOND + SECOND // 2


def test_what_an_earlier_process_used_still_counts():
    limits = limit_set("60/min")
    for second in range(60):
        limits.restore(second * SECOND // 2, Demand())
    assert limits.acquire(31 * SECOND, Demand()).when >= MINUTE
