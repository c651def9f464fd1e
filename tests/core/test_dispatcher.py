"""The scheduler's rules, one at a time; test_dispatcher_model.py tries them all together."""

import random

import pytest

from brimline.core.dispatcher import Dispatcher
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import IDLE, Final, NeedRequests, NextTurn, Start, Stopped, TryAgain, Wait
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.types import Failure, Fault, FaultKind, Request, Response, Success, Usage

OK = Response(text="yes", usage=Usage(10, 5))
DOWN = Fault(FaultKind.CONNECTION, "refused")


class Bench:
    """A dispatcher with lanes by model name, driven by hand."""

    def __init__(self, **options):
        self.dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(1), **options)
        self.now = 0

    def lane(
        self,
        model="lab/a",
        quota="",
        *,
        concurrency=None,
        count=0,
        scope=None,
        room=1000,
        run="run",
        hedge=False,
        **kind,
    ):
        quotas = parse_quotas(quota) if quota else ()
        key = LimitScope(model.partition("/")[0], scope or model)
        lane = self.dispatcher.open(
            run, model, [Way(model, key, lambda: LimitSet(quotas, concurrency))], room=room, hedge=hedge
        )
        self.dispatcher.offer(lane, [Request(id=n, model=model, messages=(), **kind) for n in range(count)])
        if count:
            self.dispatcher.exhaust(lane)
        return lane

    def starts(self):
        """Everything that may start now."""
        attempts = []
        while isinstance(step := self.dispatcher.next(self.now), Start | NeedRequests):
            if isinstance(step, Start):
                attempts.append(step.attempt)
        self.step = step
        return attempts

    def start(self):
        (attempt,) = self.starts()
        return attempt

    def end(self, attempt, result=OK):
        verdict = self.dispatcher.settle(self.now, attempt, result)
        self.conclude(verdict)
        self.dispatcher.release(attempt)
        return verdict

    def conclude(self, verdict):
        if isinstance(verdict, Final):
            self.dispatcher.conclude(verdict.ticket)
        if isinstance(verdict, Stopped):
            self.dispatcher.conclude(*verdict.tickets)

    def at(self, now):
        self.now = now
        return self


@pytest.fixture
def bench():
    return Bench()


def test_starts_what_the_limit_allows_and_names_the_moment_of_the_next(bench):
    bench.lane(quota="600/min", count=20)
    assert len(bench.starts()) == 9
    assert bench.step == Wait(SECOND // 10)
    assert bench.at(SECOND // 10 - 1).starts() == []
    assert len(bench.at(SECOND // 10).starts()) == 1


def test_waits_for_a_slot_when_concurrency_binds(bench):
    lane = bench.lane(concurrency=2, count=3)
    first, _ = bench.starts()
    assert bench.step == IDLE
    assert lane.scope.blocked.words == "concurrency 2"
    bench.conclude(bench.dispatcher.settle(0, first, OK))
    assert bench.starts() == [], "the slot is taken until it is released"
    bench.dispatcher.release(first)
    assert len(bench.starts()) == 1


def test_asks_for_requests_early_and_once(bench):
    lane = bench.lane(room=10)
    assert bench.dispatcher.next(0) == NeedRequests(lane, 10)
    assert bench.dispatcher.next(0) == IDLE, "asked once"
    bench.dispatcher.offer(lane, [Request(id=n, model="lab/a", messages=()) for n in range(10)])
    steps = [bench.dispatcher.next(0) for _ in range(8)]
    assert [type(step) for step in steps] == [Start] * 6 + [NeedRequests, Start]
    assert steps[6].room == 8, "with 6 in flight it likes to hold 12"


def test_a_slow_model_never_holds_up_a_fast_one(bench):
    bench.lane("lab/slow", "60/min", count=100)
    bench.lane("lab/fast", "6000/min", count=100)
    models = [attempt.ticket.lane.model for attempt in bench.starts()]
    assert models.count("lab/slow") == 1
    assert models.count("lab/fast") == 99


def test_lanes_of_one_scope_take_turns(bench):
    bench.lane("lab/a", "60/min burst 6", count=10, scope="team")
    bench.lane("lab/b", "60/min burst 6", count=10, scope="team")
    assert [attempt.ticket.lane.model for attempt in bench.starts()] == ["lab/a", "lab/b"] * 3


def test_a_higher_priority_goes_first_in_and_between_lanes(bench):
    low = bench.lane(concurrency=0, count=2, scope="s")
    bench.dispatcher.offer(low, [Request(id="high", model="lab/a", messages=(), priority=5)])
    other = bench.lane("lab/b", scope="s")
    bench.dispatcher.offer(other, [Request(id="higher", model="lab/b", messages=(), priority=7)])
    low.scope.limits.concurrency = 4
    bench.dispatcher._ready(low.scope)
    assert [attempt.ticket.request.id for attempt in bench.starts()] == ["higher", "high", 0, 1]


def test_a_success_is_final_with_its_times(bench):
    bench.dispatcher._epoch = 10**18
    bench.lane(count=1)
    attempt = bench.at(2 * SECOND).start()
    verdict = bench.at(5 * SECOND).end(attempt)
    assert isinstance(verdict.outcome, Success)
    assert (verdict.outcome.sent_at, verdict.outcome.latency) == (10**18 + 2 * SECOND, 3.0)
    assert verdict.outcome.usage == Usage(10, 5)


def test_a_failing_request_is_tried_again_and_then_given_up(bench):
    bench.lane(count=1)
    verdicts = []
    for _ in range(5):
        attempt = bench.start()
        verdicts.append(bench.end(attempt, Fault(FaultKind.BAD_REPLY)))
        bench.starts()
        if isinstance(bench.step, Wait):
            bench.at(bench.step.until)
    assert [type(verdict) for verdict in verdicts] == [TryAgain] * 4 + [Final]
    assert isinstance(verdicts[-1].outcome, Failure)
    assert verdicts[-1].outcome.attempts == 5
    assert verdicts[-1].outcome.fault.kind is FaultKind.BAD_REPLY


def test_a_hopeless_request_fails_by_itself(bench):
    bench.lane(count=2)
    first, second = bench.starts()
    assert bench.end(first, Fault(FaultKind.INVALID_REQUEST)).outcome.attempts == 1
    assert bench.end(second).outcome.ok


def test_a_refusal_uses_no_try_and_holds_the_scope_until_the_named_moment(bench):
    bench.lane(quota="600/min", count=12)
    attempts = bench.starts()
    for _ in range(20):
        bench.end(attempts[0], Fault(FaultKind.RATE_LIMITED, retry_after=3 * SECOND, http_status=429))
        assert bench.at(bench.now + 3 * SECOND - 1).starts() == []
        attempts = bench.at(bench.now + 1).starts()
        assert len(attempts) == 1, "then flow resumes at the rate"
    assert attempts[0].ticket.tries == 0


def test_a_refusal_without_a_moment_backs_off_once_for_a_burst(bench):
    lane = bench.lane(concurrency=8, count=30)
    for attempt in bench.starts():
        bench.end(attempt, Fault(FaultKind.RATE_LIMITED, http_status=429))
    assert lane.scope._refusals == 1
    bench.starts()
    assert bench.step.until <= SECOND // 2


def test_a_scope_that_is_only_refused_is_given_up_after_15_minutes(bench):
    bench.lane(count=1)
    for _ in range(15 * 60):
        verdict = bench.end(bench.start(), Fault(FaultKind.RATE_LIMITED, retry_after=SECOND, http_status=429))
        assert isinstance(verdict, TryAgain)
        bench.at(bench.now + SECOND)
    verdict = bench.end(bench.start(), Fault(FaultKind.RATE_LIMITED, retry_after=SECOND, http_status=429))
    assert isinstance(verdict, Stopped)
    assert verdict.fault.kind is FaultKind.RATE_LIMITED


def test_a_wait_beyond_the_longest_stops_the_model_at_once(bench):
    bench.lane("lab/a", count=3, concurrency=1)
    bench.lane("lab/b", count=1)
    a, b = bench.starts()
    verdict = bench.end(a, Fault(FaultKind.RATE_LIMITED, retry_after=2 * HOUR, http_status=429))
    assert (verdict.what, len(verdict.tickets)) == ("lab/a", 3)
    assert bench.end(b).outcome.ok, "other models go on"


def test_a_refused_credential_stops_the_endpoint_and_leaves_the_others(bench):
    bench.lane("lab/a", count=3, concurrency=1)
    bench.lane("lab/b", count=3, concurrency=1)
    bench.lane("other/a", count=1)
    a, b, other = bench.starts()
    verdict = bench.end(a, Fault(FaultKind.AUTH, "bad key", http_status=401))
    assert (verdict.what, len(verdict.tickets)) == ("lab", 5)
    assert isinstance(bench.end(b), Final), "what is in flight still counts"
    assert isinstance(bench.end(other), Final)
    assert bench.starts() == []


def test_an_unknown_model_stops_itself_only(bench):
    bench.lane("lab/a", count=2, concurrency=1)
    bench.lane("lab/b", count=1)
    a, b = bench.starts()
    assert len(bench.end(a, Fault(FaultKind.NOT_FOUND, http_status=404)).tickets) == 2
    assert isinstance(bench.end(b), Final)


def test_an_outage_opens_the_breaker_and_uses_no_tries(bench):
    bench.lane(concurrency=32, count=100)
    for attempt in bench.starts():
        bench.end(attempt, DOWN)
    assert bench.starts() == []
    probes = []
    while len(probes) < 20:
        for probe in bench.at(bench.step.until).starts():
            probes.append(bench.now)
            bench.end(probe, DOWN)
            assert bench.starts() == [], "one probe at a time"
    assert [round(t / SECOND) for t in probes[:18]] == [*range(1, 19)]
    assert probes[19] - probes[18] == pytest.approx(probes[18] / 16)
    probe = bench.at(bench.step.until).start()
    assert probe.ticket.tries <= 1
    assert bench.end(probe).outcome.ok
    assert len(bench.starts()) == 32, "full speed at once"


def test_an_endpoint_that_stays_down_is_given_up(bench):
    bench.lane(concurrency=32, count=40)
    for attempt in bench.starts():
        bench.end(attempt, DOWN)
    bench.starts()
    while isinstance(bench.step, Wait):
        attempts = bench.at(bench.step.until).starts()
        for attempt in attempts:
            verdict = bench.end(attempt, DOWN)
        bench.starts()
    assert isinstance(verdict, Stopped)
    assert len(verdict.tickets) == 40
    assert 30 * MINUTE <= bench.now < 32 * MINUTE


def test_a_conversation_goes_turn_by_turn_and_each_is_a_request(bench):
    bench.lane(quota="60/min", count=1, follow_ups=("and?", "so?"))
    verdict = bench.end(bench.start())
    assert isinstance(verdict, NextTurn)
    bench.dispatcher.proceed(verdict.ticket)
    assert bench.starts() == [], "each turn needs a permit"
    verdict = bench.at(SECOND).end(bench.start())
    bench.dispatcher.proceed(verdict.ticket)
    verdict = bench.at(2 * SECOND).end(bench.start())
    assert verdict.outcome.attempts == 3
    assert len(verdict.outcome.responses) == 3


def test_only_the_failed_turn_is_tried_again(bench):
    bench.lane(count=1, follow_ups=("and?",))
    bench.dispatcher.proceed(bench.end(bench.start()).ticket)
    bench.end(bench.start(), Fault(FaultKind.BAD_REPLY))
    bench.starts()
    verdict = bench.at(bench.step.until).end(bench.start())
    assert len(verdict.outcome.responses) == 2
    assert verdict.outcome.attempts == 3


def test_turns_that_an_earlier_run_kept_are_not_asked_again(bench):
    lane = bench.lane()
    request = Request(id=0, model="lab/a", messages=(), follow_ups=("and?", "so?"))
    bench.dispatcher.offer(lane, [request], answered=[(OK, OK)])
    assert len(bench.end(bench.start()).outcome.responses) == 3


def test_a_request_beyond_a_quota_fails_as_too_long_before_it_is_sent(bench):
    lane = bench.lane(quota="1000 tokens/min")
    long = Request(id="long", model="lab/a", messages=({"role": "user", "content": "word " * 2000},))
    (verdict,) = bench.dispatcher.offer(lane, [long])
    assert verdict.outcome.fault.kind is FaultKind.TOO_LONG
    assert verdict.outcome.attempts == 0
    bench.conclude(verdict)
    assert lane.open == 0


def test_a_closed_lane_gives_up_what_waits_and_keeps_what_is_in_flight(bench):
    lane = bench.lane(concurrency=1, count=3)
    attempt = bench.start()
    tickets = bench.dispatcher.close(lane, Fault(FaultKind.CANCELLED))
    assert len(tickets) == 2
    bench.dispatcher.conclude(*tickets)
    assert not lane.is_done
    assert isinstance(bench.end(attempt), Final)
    assert lane.is_done
    assert bench.starts() == []


def test_what_fails_in_a_closed_lane_is_given_up(bench):
    lane = bench.lane(count=1)
    attempt = bench.start()
    bench.dispatcher.close(lane, Fault(FaultKind.CANCELLED))
    verdict = bench.end(attempt, Fault(FaultKind.RATE_LIMITED, http_status=429))
    assert isinstance(verdict, Stopped)
    assert lane.is_done


def test_a_cancelled_attempt_gives_its_slot_back(bench):
    lane = bench.lane(concurrency=1, count=2)
    attempt = bench.start()
    bench.dispatcher.cancel(attempt)
    bench.dispatcher.conclude(attempt.ticket)
    assert lane.open == 1
    assert len(bench.starts()) == 1
