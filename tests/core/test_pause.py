"""Pausing lanes and changing limits in the scheduler, one rule at a time."""

import pytest

from brimline.core.breaker import PATIENCE, THRESHOLD
from brimline.core.quota import parse_quotas
from brimline.core.scope import STARVED
from brimline.core.steps import Final, NextTurn, Start, Stopped, TryAgain, Wait
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind, Request
from tests.core.test_dispatcher import DOWN, Bench

REFUSED = Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=SECOND, http_status=429)
CLOSED = Fault(FaultKind.CANCELLED, "closed")


@pytest.fixture
def bench():
    return Bench()


def test_a_paused_lane_starts_nothing_and_goes_on_at_once(bench):
    lane = bench.lane(concurrency=3, count=10)
    flying = bench.starts()
    bench.dispatcher.pause(lane)
    for attempt in flying:
        assert isinstance(bench.end(attempt), Final)
    assert bench.starts() == []
    bench.dispatcher.resume(bench.now, lane)
    assert len(bench.starts()) == 3


def test_pausing_twice_and_resuming_twice_is_harmless(bench):
    lane = bench.lane(count=2)
    for _ in range(2):
        bench.dispatcher.pause(lane)
    assert bench.starts() == []
    for _ in range(2):
        bench.dispatcher.resume(bench.now, lane)
    assert len(bench.starts()) == 2


def test_others_that_share_its_limits_go_on(bench):
    one = bench.lane("lab/a", "2/s", scope="team", count=5)
    bench.lane("lab/b", "2/s", scope="team", count=5, run="other")
    bench.dispatcher.pause(one)
    assert [attempt.ticket.lane.model for attempt in bench.starts()] == ["lab/b"] * 2


def test_what_comes_while_it_is_paused_waits(bench):
    """New requests, the next turn of a conversation, and what is tried again."""
    lane = bench.lane(count=0)
    bench.dispatcher.offer(
        lane, [Request(id=n, model="lab/a", messages=(), follow_ups=("more",)) for n in (0, 1)]
    )
    one, other = bench.starts()
    bench.dispatcher.pause(lane)
    bench.dispatcher.offer(lane, [Request(id=2, model="lab/a", messages=())])
    verdict = bench.end(one)
    assert isinstance(verdict, NextTurn)
    bench.dispatcher.proceed(verdict.ticket)
    assert isinstance(bench.end(other, DOWN), TryAgain)
    assert bench.starts() == []
    bench.now = MINUTE
    assert bench.starts() == []
    bench.dispatcher.resume(bench.now, lane)
    assert [attempt.ticket.request.id for attempt in bench.starts()] == [1, 0, 2]


def test_a_paused_lane_can_be_closed(bench):
    lane = bench.lane(count=4)
    bench.dispatcher.pause(lane)
    tickets = bench.dispatcher.close(lane, CLOSED)
    assert len(tickets) == 4
    bench.dispatcher.conclude(*tickets)
    assert lane.is_done
    bench.dispatcher.resume(bench.now, lane)
    assert bench.starts() == []


def test_a_pause_is_no_starvation(bench):
    """Whoever was refused before a long pause is not given up for the first refusal after it."""
    lane = bench.lane(count=2, concurrency=1)
    assert isinstance(bench.end(bench.start(), REFUSED), TryAgain)
    bench.dispatcher.pause(lane)
    bench.now += STARVED + MINUTE
    bench.dispatcher.resume(bench.now, lane)
    assert isinstance(bench.end(bench.start(), REFUSED), TryAgain)


def test_an_outage_is_not_counted_while_paused(bench):
    lane = bench.lane(count=THRESHOLD)
    for attempt in bench.starts():
        bench.end(attempt, DOWN)
    bench.dispatcher.pause(lane)
    bench.now += PATIENCE + MINUTE
    bench.dispatcher.resume(bench.now, lane)
    assert isinstance(bench.end(bench.start(), DOWN), TryAgain)
    bench.now += PATIENCE
    assert isinstance(bench.end(bench.start(), DOWN), Stopped), "but from then on it is"


def test_a_changed_limit_is_looked_at_at_once(bench):
    lane = bench.lane(quota="1/min", count=10)
    assert len(bench.starts()) == 1
    assert isinstance(bench.step, Wait)
    bench.dispatcher.declare(bench.now, lane.scope, parse_quotas("5/s"), None)
    assert len(bench.starts()) == 4


def test_a_lower_concurrency_takes_no_slot_away_and_gives_none(bench):
    lane = bench.lane(count=10, concurrency=4)
    flying = bench.starts()
    bench.dispatcher.declare(bench.now, lane.scope, (), 2)
    for attempt in flying[:2]:
        bench.end(attempt)
        assert bench.starts() == []
    bench.end(flying[2])
    assert len(bench.starts()) == 1


def test_a_limit_that_a_waiting_request_can_never_meet_is_named(bench):
    lane = bench.lane(count=0)
    text = {"role": "user", "content": "word " * 4000}
    bench.dispatcher.offer(lane, [Request(id="long", model="lab/a", messages=(text,))])
    assert "'long' needs about" in bench.dispatcher.misfit(lane.scope, parse_quotas("1k tokens/min"))
    assert bench.dispatcher.misfit(lane.scope, parse_quotas("100k tokens/min, 1/min")) == ""


def test_requests_that_wait_are_measured_when_tokens_begin_to_count(bench):
    lane = bench.lane(count=0)
    text = {"role": "user", "content": "word " * 400}
    bench.dispatcher.offer(
        lane, [Request(id=n, model="lab/a", messages=(text,), params={"max_tokens": 1}) for n in range(9)]
    )
    bench.dispatcher.declare(0, lane.scope, parse_quotas("1200 tokens/min burst 1200"), None)
    assert len(bench.starts()) == 2, "about 500 each"


def test_what_no_longer_fits_after_it_has_failed_in_flight_fails_by_itself(bench):
    lane = bench.lane(quota="100k tokens/min", count=0)
    text = {"role": "user", "content": "word " * 4000}
    bench.dispatcher.offer(lane, [Request(id="long", model="lab/a", messages=(text,))])
    attempt = bench.start()
    bench.dispatcher.declare(0, lane.scope, parse_quotas("1k tokens/min"), None)
    verdict = bench.end(attempt, REFUSED)
    assert verdict.outcome.fault.kind is FaultKind.TOO_LONG
    bench.now = MINUTE
    assert not isinstance(bench.dispatcher.next(bench.now), Start)
