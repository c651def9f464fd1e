"""An answer that is not valid is asked for again: one more exchange, with all that an exchange costs."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.estimate import measure
from brimline.core.repair import following, hopeless
from brimline.core.steps import Final, LeftToRival, NextTurn, Stopped, TryAgain
from brimline.core.time import SECOND
from brimline.types import Fault, FaultKind, Rejection, Request, Response, Usage
from tests.core.test_dispatcher import Bench

GOOD = Response(text="{}", document="{}", usage=Usage(10, 5))
BAD = Response(text="hm", rejection=Rejection("hm", "it is no JSON"), usage=Usage(10, 5))
CUT = Response(
    text='{"a', finish_reason="length", rejection=Rejection('{"a', "it is no JSON"), usage=Usage(10, 5)
)
DOWN = Fault(FaultKind.CONNECTION, "refused")


@pytest.fixture
def bench():
    return Bench()


def conversation(turns):
    return Request(
        id=1,
        model="lab/a",
        messages=({"role": "user", "content": "0"},),
        follow_ups=tuple(str(n) for n in range(1, turns)),
        schema={},
    )


def settled(bench, attempt, result):
    """End an attempt, and send what follows."""
    verdict = bench.dispatcher.settle(bench.now, attempt, result)
    if isinstance(verdict, NextTurn):
        assert bench.dispatcher.proceed(verdict.ticket) is None
    bench.conclude(verdict)
    bench.dispatcher.release(attempt)
    return verdict


def test_each_exchange_has_its_permit_and_counts(bench):
    lane = bench.lane(quota="60/min burst 1", concurrency=1, count=2, schema={})
    first = bench.start()
    assert isinstance(settled(bench, first, BAD), NextTurn)
    assert bench.starts() == [], "it waits for the limit like any other"
    second = bench.at(SECOND).start()
    assert second.ticket is first.ticket, "and goes before what has not begun"
    assert second.number == 2
    verdict = settled(bench, second, GOOD)
    assert isinstance(verdict, Final)
    assert verdict.outcome.ok
    assert (verdict.outcome.attempts, verdict.outcome.usage) == (2, Usage(20, 10))
    assert lane.scope.limits.in_flight == 0
    assert lane.open == 1


def test_twice_not_valid_fails_and_the_permits_are_settled(bench):
    lane = bench.lane(quota="600 tokens/min", count=1, schema={})
    for _ in range(2):
        bench.now += 60 * SECOND
        verdict = settled(bench, bench.start(), BAD)
    assert verdict.outcome.fault.kind is FaultKind.INVALID_OUTPUT
    assert verdict.outcome.usage == Usage(20, 10)
    assert (lane.open, lane.scope.limits.in_flight) == (0, 0)


def test_what_was_cut_off_fails_at_once(bench):
    bench.lane(count=1, schema={})
    verdict = settled(bench, bench.start(), CUT)
    assert (verdict.outcome.fault.kind, verdict.outcome.attempts) == (FaultKind.TRUNCATED, 1)


def test_faults_in_between_are_tried_again_as_ever(bench):
    bench.lane(count=1, schema={})
    settled(bench, bench.start(), BAD)
    verdict = settled(bench, bench.start(), DOWN)
    assert isinstance(verdict, TryAgain)
    verdict = settled(bench, bench.at(verdict.when).start(), GOOD)
    assert verdict.outcome.attempts == 3


def test_a_lane_that_closed_in_between_gives_the_request_up_without_an_outcome(bench):
    lane = bench.lane(count=1, schema={})
    attempt = bench.start()
    bench.dispatcher.close(lane, DOWN)
    verdict = bench.dispatcher.settle(0, attempt, BAD)
    assert isinstance(verdict, NextTurn)
    stopped = bench.dispatcher.proceed(verdict.ticket)
    assert isinstance(stopped, Stopped)
    assert stopped.tickets == (verdict.ticket,)
    bench.conclude(stopped)
    bench.dispatcher.release(attempt)
    assert lane.is_done


def test_what_has_become_too_long_is_not_sent(bench):
    bench.lane(quota="300 tokens/min", count=1, schema={}, params={"max_tokens": 200})
    long = Response(text="a" * 4000, rejection=Rejection("a" * 4000, "no"), usage=Usage(10, 5))
    attempt = bench.start()
    verdict = bench.dispatcher.settle(0, attempt, long)
    final = bench.dispatcher.proceed(verdict.ticket)
    assert final.outcome.fault.kind is FaultKind.TOO_LONG
    assert final.outcome.responses == (long,)


@pytest.mark.parametrize("first", [BAD, CUT])
def test_the_first_of_two_rivals_decides(bench, first):
    lane = bench.lane(count=30, hedge=True, schema={})
    attempts = bench.starts()
    for attempt in attempts:
        bench.dispatcher.depart(0, attempt)
    bench.now = SECOND // 10
    for attempt in attempts[1:]:
        settled(bench, attempt, GOOD)
    hedge = bench.at(10 * SECOND).start()
    bench.dispatcher.depart(bench.now, hedge)
    verdict = bench.dispatcher.settle(bench.now, hedge, first)
    assert verdict.loser is attempts[0]
    assert isinstance(verdict, NextTurn if first is BAD else Final)
    assert isinstance(bench.dispatcher.settle(bench.now, attempts[0], GOOD), LeftToRival)
    assert lane.scope.limits.in_flight == 2, "both are settled, neither is released"


@given(st.lists(st.sampled_from([GOOD, BAD, CUT]), max_size=8), st.integers(1, 4))
def test_every_exchange_is_a_conversation_that_ends_with_what_is_asked_now(answers, turns):
    request, responses = conversation(turns), ()
    for answer in answers:
        sent, history = following(request, responses)
        assert len(sent.follow_ups[: len(history)]) == len(history), "the user has the last word"
        assert [turn.rejection is None for turn in history[:-1]] == [True] * len(history[:-1])
        assert measure(sent, history).text >= measure(request).text
        responses = (*responses, answer)
        valid = [response for response in responses if response.rejection is None]
        if hopeless(responses) or len(valid) == turns:
            break
    pairs = list(pairwise(responses))
    assert all(
        one.rejection is None or other.rejection is None or other is responses[-1] for one, other in pairs
    )
    assert CUT not in responses[:-1]


def test_requests_without_a_schema_are_sent_as_they_are():
    request = Request(id=1, model="lab/a", messages=(), follow_ups=("b",))
    assert following(request, (GOOD,)) == (request, (GOOD,))
