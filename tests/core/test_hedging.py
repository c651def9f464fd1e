"""Hedges in the scheduler, one rule at a time; test_hedging_model.py tries them all together."""

import pytest

from brimline.core.breaker import THRESHOLD
from brimline.core.learned import Learned
from brimline.core.quota import parse_quotas
from brimline.core.steps import IDLE, Final, LeftToRival, Stopped, TryAgain, Wait
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind, Request, Response, Usage
from tests.core.test_dispatcher import DOWN, Bench

CLOSED = Fault(FaultKind.CANCELLED, "closed")
BROKEN = Fault(FaultKind.BAD_REPLY, "no JSON", http_status=200)


class Tail(Bench):
    """A lane at its end: so many answers after so long each, and what is left in flight."""

    def __init__(self, *, answers=20, after=SECOND // 10, left=1, **kind):
        super().__init__()
        self.hedged = self.lane(count=answers + left, hedge=True, **kind)
        flying = self.fly()
        self.now += after
        for attempt in flying[:answers]:
            self.end(attempt)
        self.flying = flying[answers:]

    def fly(self):
        """Let everything leave that may start."""
        attempts = self.starts()
        for attempt in attempts:
            attempt.departed = True
            self.dispatcher.depart(self.now, attempt)
        return attempts

    def hedge(self):
        """Sleep until the next hedge is due, and send it."""
        assert self.fly() == []
        self.now = self.step.until
        (attempt,) = self.fly()
        assert attempt.is_hedge
        return attempt


@pytest.mark.parametrize(
    ("after", "late"), [(SECOND // 10, SECOND), (SECOND // 2, SECOND), (3 * SECOND, 6 * SECOND)]
)
def test_the_moment_is_named_exactly(after, late):
    tail = Tail(after=after)
    assert tail.starts() == []
    assert tail.step == Wait(late)
    tail.now = late - 1
    assert tail.starts() == []
    assert tail.step == Wait(late)
    tail.now = late
    assert [attempt.ticket for attempt in tail.starts()] == [tail.flying[0].ticket]
    assert tail.step == IDLE, "there is one hedge beside it, and no more"


def test_what_is_usual_is_the_95th_percentile_of_the_latest_64():
    tail = Tail(answers=100, left=65, after=9 * SECOND)
    for _ in range(60):
        tail.end(tail.flying.pop(0))
    tail.now += 10 * SECOND
    for _ in range(4):
        tail.end(tail.flying.pop(0))
    assert tail.starts() == []
    assert tail.step == Wait(38 * SECOND), "4 of 64 took 19 s"

    tail = Tail(answers=100, left=65, after=9 * SECOND)
    for _ in range(61):
        tail.end(tail.flying.pop(0))
    tail.now += 10 * SECOND
    for _ in range(3):
        tail.end(tail.flying.pop(0))
    assert tail.fly() == [tail.flying[0].rival], "3 of 64 are less than 5%"


def test_nothing_is_hedged_before_20_answers():
    tail = Tail(answers=19, left=2)
    assert (tail.starts(), tail.step) == ([], IDLE)
    tail.end(tail.flying.pop())
    assert (tail.starts(), tail.step) == ([], Wait(SECOND))


@pytest.mark.parametrize(("answers", "most"), [(20, 2), (39, 2), (40, 3), (100, 6)])
def test_no_more_than_five_in_a_hundred_and_one(answers, most):
    tail = Tail(answers=answers, left=20)
    tail.now += MINUTE
    assert [attempt.is_hedge for attempt in tail.fly()] == [True] * most
    assert tail.step == IDLE


def test_the_oldest_is_first():
    tail = Tail(answers=40, left=3, concurrency=44)
    tail.now = MINUTE
    first = tail.fly()
    assert [attempt.rival for attempt in first] == tail.flying


def test_nothing_is_hedged_while_something_waits_or_may_come():
    bench = Tail(answers=30, left=1, concurrency=31)
    other = bench.lane("lab/b", scope="lab/a", count=60, run="other")
    bench.now = MINUTE
    started = bench.fly()
    assert len(started) == 30
    assert not any(attempt.is_hedge for attempt in started)
    bench.end(started[0])
    assert [attempt.ticket.lane for attempt in bench.fly()] == [other]

    bench = Tail(answers=30)
    bench.hedged.exhausted = False
    bench.now = MINUTE
    assert bench.fly() == [], "its source may have more"


def test_a_try_that_is_due_later_goes_first():
    tail = Tail(answers=30, left=2)
    assert isinstance(tail.end(tail.flying.pop(), BROKEN), TryAgain)
    tail.now = MINUTE
    assert [attempt.is_hedge for attempt in tail.fly()] == [False, True]


def test_nothing_is_hedged_while_the_endpoint_is_down():
    tail = Tail(answers=30)
    other = tail.lane("lab/b", count=THRESHOLD + 1)
    down = tail.fly()
    for attempt in down[:THRESHOLD]:
        tail.end(attempt, DOWN)
    tail.dispatcher.close(other, CLOSED)
    tail.now = MINUTE
    assert tail.fly() == []
    tail.end(down[-1])
    assert [attempt.is_hedge for attempt in tail.fly()] == [True], "at once when it answers again"


def test_a_hedge_waits_for_what_it_needs():
    tail = Tail(answers=29, left=1, quota="30/min window")
    tail.now = 2 * SECOND
    assert tail.fly() == []
    assert MINUTE <= tail.step.until < MINUTE + SECOND
    tail.now = tail.step.until
    assert [attempt.is_hedge for attempt in tail.fly()] == [True]


def test_a_hedge_waits_for_a_slot():
    tail = Tail(answers=20, left=20, concurrency=20)
    first = tail.fly()
    tail.now += MINUTE
    assert (tail.fly(), tail.step) == ([], IDLE)
    tail.end(first[3])
    assert [attempt.rival for attempt in tail.fly()] == [first[0]]


def test_a_slot_of_another_lane_will_do():
    tail = Tail(answers=30, left=4)
    tail.lane("lab/b", scope="lab/a", count=4, run="other")
    others = tail.fly()
    tail.now = MINUTE
    learned = tail.hedged.scope.limits.learned = Learned()
    learned.crowd.start(tail.now, 8)
    assert tail.fly() == []
    assert isinstance(tail.step, Wait), "one more may be tried a little later"
    tail.end(others[0])
    assert tail.fly()[0].rival is tail.flying[0]


def test_limits_that_are_lowered_meanwhile_hold_for_hedges():
    tail = Tail(answers=29, left=1)
    tail.dispatcher.declare(tail.now, tail.hedged.scope, parse_quotas("30/min window"), None)
    tail.now = 2 * SECOND
    assert tail.fly() == []
    tail.now = tail.step.until
    assert tail.now >= MINUTE
    assert [attempt.is_hedge for attempt in tail.fly()] == [True]


def test_a_paused_lane_hedges_nothing_and_goes_on_at_once():
    tail = Tail()
    tail.dispatcher.pause(tail.hedged)
    assert (tail.starts(), tail.step) == ([], IDLE), "nothing is promised"
    tail.now = MINUTE
    assert tail.fly() == []
    tail.dispatcher.resume(tail.now, tail.hedged)
    assert [attempt.is_hedge for attempt in tail.fly()] == [True]


def test_a_closed_lane_hedges_nothing():
    tail = Tail()
    assert tail.starts() == []
    tail.dispatcher.close(tail.hedged, CLOSED)
    assert (tail.starts(), tail.step) == ([], IDLE)
    tail.now = MINUTE
    assert tail.fly() == []


def test_the_loser_is_named_and_billed_if_it_is_answered_all_the_same():
    tail = Tail(quota="10k tokens/min window", answers=20)
    hedge, first = tail.hedge(), tail.flying[0]
    before = tail.hedged.scope.limits.limiters[0].used(tail.now)
    verdict = tail.end(hedge)
    assert isinstance(verdict, Final)
    assert verdict.loser is first
    assert verdict.outcome.attempts == 2
    late = Response(text="late", usage=Usage(1000, 500))
    verdict = tail.end(first, late)
    assert isinstance(verdict, LeftToRival)
    assert verdict.result is late
    assert tail.hedged.open == 0
    assert tail.hedged.scope.limits.in_flight == 0
    used = tail.hedged.scope.limits.limiters[0].used(tail.now)
    assert used == before - hedge.permit.demand.tokens - first.permit.demand.tokens + 15 + 1500


def test_the_estimate_of_a_loser_that_is_cancelled_stands():
    tail = Tail(quota="10k tokens/min window", answers=20)
    hedge, first = tail.hedge(), tail.flying[0]
    before = tail.hedged.scope.limits.limiters[0].used(tail.now)
    tail.end(hedge)
    assert tail.dispatcher.cancel(first) is False, "its request has its outcome"
    used = tail.hedged.scope.limits.limiters[0].used(tail.now)
    assert used == before - hedge.permit.demand.tokens + 15


def test_both_failing_is_one_try():
    tail = Tail()
    hedge, first = tail.hedge(), tail.flying[0]
    assert isinstance(tail.end(first, BROKEN), LeftToRival)
    assert isinstance(tail.end(hedge, BROKEN), TryAgain)
    assert first.ticket.tries == 1


def test_the_one_that_is_left_is_late_anew_from_then_on():
    tail = Tail()
    hedge, first = tail.hedge(), tail.flying[0]
    tail.now += SECOND // 4
    tail.end(hedge, BROKEN)
    assert (tail.starts(), tail.step) == ([], Wait(tail.now + SECOND))
    assert tail.hedge().rival is first


def test_a_hedge_that_is_hopeless_stops_the_rest_and_leaves_its_request_to_the_first():
    tail = Tail()
    waiting = tail.lane("lab/b", count=3, concurrency=1)
    flying = tail.fly()
    hedge, first = tail.hedge(), tail.flying[0]
    verdict = tail.end(hedge, Fault(FaultKind.AUTH, "bad key", http_status=401))
    assert isinstance(verdict, Stopped)
    assert {ticket.lane for ticket in verdict.tickets} == {waiting}
    assert tail.hedged.open == 1
    assert isinstance(tail.end(first), Final)
    assert isinstance(tail.end(flying[0]), Final)
    assert tail.hedged.open == waiting.open == 0


def test_each_turn_has_its_own_rivals():
    tail = Tail(answers=20, left=0)
    lane = tail.lane("lab/b", hedge=True)
    tail.dispatcher.offer(
        lane, [Request(id=n, model="lab/b", messages=(), follow_ups=("more",)) for n in range(21)]
    )
    tail.dispatcher.exhaust(lane)
    *flying, first = tail.fly()
    for attempt in flying:
        tail.dispatcher.proceed(tail.end(attempt).ticket)
    for attempt in tail.fly():
        tail.end(attempt)
    hedge = tail.hedge()
    tail.dispatcher.proceed(tail.end(hedge).ticket)
    (second,) = tail.fly()
    assert (second.ticket, second.is_hedge, second.number) == (first.ticket, False, 3)
    assert tail.hedge().rival is second
    assert isinstance(tail.end(first, BROKEN), LeftToRival), "the first turn's loser has no say in the second"
    assert isinstance(tail.end(second), Final)
