"""Pools and fallbacks, one rule at a time; test_routes_model.py tries them all together."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core import lane as lanes
from brimline.core.breaker import THRESHOLD
from brimline.core.dispatcher import Dispatcher
from brimline.core.faults import FALLS_ON
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Final, LeftToRival, NeedRequests, NextTurn, Start, Stopped, TryAgain, Wait
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.types import Fault, FaultKind, Request, Response, Success, Usage

OK = Response(text="yes", usage=Usage(10, 5))
FILTERED = Fault(FaultKind.CONTENT_FILTER, "not this", http_status=400)
NO_KEY = Fault(FaultKind.AUTH, "no such key", http_status=401)
DOWN = Fault(FaultKind.CONNECTION, "refused")
REFUSED = Fault(FaultKind.RATE_LIMITED, "slow down", http_status=429, retry_after=10 * SECOND)


class Desk:
    """A dispatcher with one lane over a pool and its fallbacks, driven by hand."""

    def __init__(self, *stages, count=0, turns=1, hedge=False, falls_on=FALLS_ON, size=0, room=1000):
        self.dispatcher = Dispatcher(policy=RetryPolicy(max_tries=2), rng=random.Random(1))
        self.now = 0
        ways = [[self.way(*spec) for spec in stage] for stage in stages]
        self.lane = self.dispatcher.open(
            "run",
            "team/x",
            ways[0],
            room=room,
            hedge=hedge,
            fallbacks=[(f"fallback{n}/x", others) for n, others in enumerate(ways[1:])],
            falls_on=falls_on,
        )
        self.verdicts = self.offer(count, turns=turns, size=size) if count else []

    def way(self, endpoint, quota="", weight=1, concurrency=None):
        quotas = parse_quotas(quota) if quota else ()
        scope = LimitScope(endpoint, f"{endpoint}/x")
        return Way(f"{endpoint}/x", scope, lambda: LimitSet(quotas, concurrency), weight)

    def offer(self, count, *, turns=1, size=0, first=0):
        message = {"role": "user", "content": "x" * 4 * size}
        rest = ("and?",) * (turns - 1)
        requests = [
            Request(id=n, model="team/x", messages=(message,), follow_ups=rest)
            for n in range(first, first + count)
        ]
        return self.dispatcher.offer(self.lane, requests)

    def starts(self):
        attempts = []
        while isinstance(step := self.dispatcher.next(self.now), Start | NeedRequests):
            if isinstance(step, Start):
                attempts.append(step.attempt)
                step.attempt.departed = True
                self.dispatcher.depart(self.now, step.attempt)
        self.step = step
        return attempts

    def where(self):
        return Counter(attempt.route.scope.key.endpoint for attempt in self.starts())

    def end(self, attempt, result=OK):
        verdict = self.dispatcher.settle(self.now, attempt, result)
        if isinstance(verdict, Final):
            self.dispatcher.conclude(verdict.ticket)
        if isinstance(verdict, Stopped):
            self.dispatcher.conclude(*verdict.tickets)
        if isinstance(verdict, NextTurn):
            assert self.dispatcher.proceed(verdict.ticket) is None
        self.dispatcher.release(attempt)
        return verdict


@given(st.lists(st.integers(1, 9), min_size=2, max_size=3), st.integers(1, 60))
def test_members_that_are_free_keep_their_weights_within_one(weights, count):
    desk = Desk([(f"e{n}", "", weight) for n, weight in enumerate(weights)], count=60)
    started = Counter()
    for number, attempt in enumerate(desk.starts()[:count], 1):
        started[attempt.route.weight, attempt.route.model] += 1
        for n, weight in enumerate(weights):
            share = number * weight / sum(weights)
            assert abs(started[weight, f"e{n}/x"] - share) < 1 + 1e-9


def test_whichever_has_allowance_takes_the_next_ticket():
    desk = Desk([("a", "60/min burst 1"), ("b", "600/min burst 1")], count=100)
    total = Counter()
    while desk.now <= 6 * SECOND:
        total += desk.where()
        desk.now = desk.step.until
    assert total == {"a": 7, "b": 61}


def test_a_member_that_was_held_up_does_not_catch_up():
    desk = Desk([("a", "", 1, 1), ("b",)], count=40, room=1000)
    first = desk.starts()
    assert Counter(attempt.route.model for attempt in first) == {"a/x": 1, "b/x": 39}
    for attempt in first:
        desk.end(attempt)
    desk.lane.stages[0].members[0].scope.limits.concurrency = None
    desk.offer(20, first=40)
    assert desk.where() == {"a": 11, "b": 9}


def test_a_refusal_by_one_starts_elsewhere_at_once():
    desk = Desk([("a", "5/min burst 5"), ("b", "5/min burst 5")], count=1)
    (attempt,) = desk.starts()
    assert isinstance(desk.end(attempt, REFUSED), TryAgain)
    (again,) = desk.starts()
    assert (attempt.route.model, again.route.model, again.number) == ("a/x", "b/x", 2)
    verdict = desk.end(again)
    assert verdict.outcome.served_by == "b/x"
    assert verdict.outcome.request.model == "team/x"
    assert again.exchange[0].model == "b/x"


def test_a_member_that_stops_leaves_the_pool_and_the_last_one_closes_the_lane():
    desk = Desk([("a", "", 1, 2), ("b", "", 1, 2)], count=10)
    first = desk.starts()
    for attempt in first[:2]:
        here = attempt.route.model == "a/x"
        verdict = desk.end(attempt, NO_KEY if here else OK)
        if here:
            assert (verdict.what, verdict.tickets, verdict.lanes) == ("a", (), ())
            assert verdict.spared == (desk.lane,)
    late = next(attempt for attempt in first[2:] if attempt.route.model == "a/x")
    assert isinstance(desk.end(late, NO_KEY), TryAgain), "what it had in flight goes on elsewhere"
    second = desk.starts()
    assert {attempt.route.model for attempt in second} == {"b/x"}
    verdict = desk.end(second[0], NO_KEY)
    assert verdict.lanes == (desk.lane,)
    assert len(verdict.tickets) == 10 - 1 - len([*first[2:], *second]) + 2
    assert desk.lane.closed is NO_KEY


def test_a_pool_goes_on_while_the_breaker_of_one_is_open():
    desk = Desk([("a",), ("b", "600/min burst 1")], count=200)
    for attempt in [attempt for attempt in desk.starts() if attempt.route.model == "a/x"][:THRESHOLD]:
        desk.end(attempt, DOWN)
    desk.now = 20 * SECOND
    assert desk.where()["b"] == 1


def test_only_a_member_whose_limits_can_hold_a_request_gets_it():
    desk = Desk([("a", "1k tokens/min"), ("b", "100k tokens/min")], count=7, size=3000)
    assert desk.verdicts == []
    assert desk.where() == {"b": 5}
    desk.offer(3, first=10, size=10)
    assert desk.where()["a"] == 1, "what is small enough passes what waits for others"
    desk = Desk([("a", "1k tokens/min"), ("b", "2k tokens/min")], count=1, size=3000)
    (final,) = desk.verdicts
    assert final.outcome.fault.kind is FaultKind.TOO_LONG


def test_a_member_looks_again_when_its_sibling_has_taken_what_it_waited_for():
    desk = Desk([("a", "600 tokens/min burst 600"), ("b", "6k tokens/min burst 800")])
    desk.offer(1, size=300, first=0)  # takes most of one bucket
    (one,) = desk.starts()
    assert one.route.model == "a/x"
    desk.offer(1, size=450, first=1)
    (two,) = desk.starts()
    assert two.route.model == "b/x"
    desk.offer(1, size=400, first=2)
    desk.offer(1, size=200, first=3)
    assert desk.starts() == []
    assert isinstance(desk.step, Wait)
    desk.now = desk.step.until
    assert desk.starts(), "the moment that is named is the right one"


def test_a_fault_of_the_requests_own_goes_to_the_fallback_with_tries_anew():
    desk = Desk([("a",)], [("b",)], [("c",)], count=1, turns=2)
    (attempt,) = desk.starts()
    assert isinstance(desk.end(attempt), NextTurn)
    for endpoint in "ab":
        (attempt,) = desk.starts()
        assert attempt.route.scope.key.endpoint == endpoint
        assert isinstance(desk.end(attempt, FILTERED), TryAgain)
    (attempt,) = desk.starts()
    assert isinstance(desk.end(attempt, DOWN), TryAgain), "it has all its tries there"
    desk.now = MINUTE
    (attempt,) = desk.starts()
    final = desk.end(attempt)
    assert isinstance(final.outcome, Success)
    assert (final.outcome.served_by, final.outcome.attempts) == ("c/x", 5)
    assert len(final.outcome.responses) == 2, "the turn that was answered before stays"


def test_what_fails_everywhere_has_the_last_fault_and_names_the_others():
    desk = Desk([("a",)], [("b",)], count=1)
    (attempt,) = desk.starts()
    desk.end(attempt, FILTERED)
    (attempt,) = desk.starts()
    final = desk.end(attempt, Fault(FaultKind.TOO_LONG, "far too long", http_status=400))
    assert final.outcome.fault.kind is FaultKind.TOO_LONG
    assert final.outcome.fault.detail == "far too long (before that a/x: content_filter: not this)"
    assert final.outcome.served_by == "b/x"


@pytest.mark.parametrize("kind", [FaultKind.INVALID_REQUEST, FaultKind.CONTENT_FILTER])
def test_faults_that_are_not_named_do_not_fall_back(kind):
    desk = Desk([("a",)], [("b",)], count=1, falls_on=FALLS_ON - {FaultKind.CONTENT_FILTER})
    (attempt,) = desk.starts()
    assert isinstance(desk.end(attempt, Fault(kind, "no", http_status=400)), Final)


def test_an_endpoint_that_stops_hands_everything_to_the_fallback():
    desk = Desk([("a", "", 1, 2)], [("b", "", 1, 4)], count=10)
    first, second = desk.starts()
    verdict = desk.end(first, NO_KEY)
    assert (verdict.tickets, verdict.lanes, verdict.spared) == ((), (), (desk.lane,))
    assert isinstance(desk.end(second, NO_KEY), TryAgain)
    order = []
    while attempts := desk.starts():
        assert {attempt.route.model for attempt in attempts} == {"b/x"}
        order += [attempt.ticket.request.id for attempt in attempts]
        for attempt in attempts:
            desk.end(attempt)
    assert sorted(order) == [*range(10)]
    assert order[1:] == sorted(order[1:]), "in the order in which they came, but for what came back late"
    assert desk.lane.entry.model == "fallback0/x", "what waits there is what the lane holds ready"
    desk.offer(3, first=10)
    assert desk.where() == {"b": 3}, "new ones begin there"
    assert desk.lane.closed is None


def test_what_waits_for_its_next_try_goes_to_the_fallback_too_and_keeps_no_old_moment():
    desk = Desk([("a", "", 1, 2)], [("b",)], count=2)
    first, second = desk.starts()
    assert desk.end(first, Fault(FaultKind.OVERLOADED, "", retry_after=30 * SECOND)).when == 30 * SECOND
    desk.end(second, NO_KEY)
    attempts = desk.starts()
    assert {attempt.route.model for attempt in attempts} == {"b/x"}
    (again,) = [attempt for attempt in attempts if attempt.ticket is first.ticket]
    slow = Fault(FaultKind.OVERLOADED, "", retry_after=60 * SECOND)
    assert desk.end(again, slow).when == 60 * SECOND
    desk.now = 59 * SECOND
    assert desk.starts() == []
    desk.now = 60 * SECOND
    assert len(desk.starts()) == 1


def test_a_stop_that_is_not_fallen_back_for_closes_the_lane():
    desk = Desk([("a",)], [("b",)], count=4, falls_on=frozenset({FaultKind.CONTENT_FILTER}))
    first, *_ = desk.starts()
    verdict = desk.end(first, NO_KEY)
    assert verdict.lanes == (desk.lane,)
    assert verdict.tickets == (first.ticket,)


def test_a_ticket_whose_fallback_has_stopped_gets_no_outcome():
    desk = Desk([("a",)], [("b",)], count=3)
    attempts = desk.starts()
    desk.end(attempts[0], FILTERED)
    (there,) = desk.starts()
    verdict = desk.end(there, NO_KEY)
    assert (verdict.what, verdict.tickets, verdict.spared) == ("b", (there.ticket,), (desk.lane,))
    verdict = desk.end(attempts[1], FILTERED)
    assert (verdict.what, verdict.fault, verdict.tickets) == ("b", NO_KEY, (attempts[1].ticket,))
    assert desk.end(attempts[2]).outcome.ok
    assert desk.lane.closed is None


def test_a_pool_can_be_a_fallback():
    desk = Desk([("a",)], [("b",), ("c",)], count=6)
    for attempt in desk.starts():
        desk.end(attempt, FILTERED)
    assert desk.where() == {"b": 3, "c": 3}


def test_many_that_have_fallen_back_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(lanes, "FALLEN", 20)
    desk = Desk([("a",)], [("b", "1/min")], room=10)
    number = 0
    while number < 200 and (room := desk.lane.wants):
        desk.offer(room, first=number)
        number += room
        for attempt in desk.starts():
            desk.end(attempt, FILTERED)
        desk.dispatcher.offer(desk.lane, ())
    assert 20 <= number < 60, "it asks for more while few wait, and not for ever"


def test_pausing_and_closing_reach_every_stage():
    desk = Desk([("a", "2/s"), ("b", "2/s")], [("c", "1/s")], count=20)
    for attempt in desk.starts():
        desk.end(attempt, FILTERED)
    assert len(desk.starts()) == 1
    desk.dispatcher.pause(desk.lane)
    desk.now = 10 * SECOND
    assert desk.starts() == []
    desk.dispatcher.resume(desk.now, desk.lane)
    assert desk.where() == {"a": 2, "b": 2, "c": 1}
    waiting = len([*desk.lane.waiting()])
    assert len(desk.dispatcher.close(desk.lane, Fault(FaultKind.CANCELLED))) == waiting == 20 - 4 - 1 - 5 + 4
    desk.now = HOUR
    assert desk.starts() == []


def test_a_hedge_goes_to_another_member():
    desk = Desk([("a",), ("b",)], count=60, hedge=True)
    desk.dispatcher.exhaust(desk.lane)
    attempts = desk.starts()
    desk.now = SECOND
    for attempt in attempts[1:]:
        desk.end(attempt)
    assert desk.starts() == []
    desk.now = desk.step.until
    (hedge,) = desk.starts()
    assert (attempts[0].route.model, hedge.route.model) == ("a/x", "b/x")
    final = desk.end(hedge)
    assert final.outcome.served_by == "b/x"
    assert isinstance(desk.end(attempts[0]), LeftToRival)


def test_what_a_member_left_to_its_sibling_is_its_own_when_that_stops():
    desk = Desk([("a", "1k tokens/min"), ("b", "100k tokens/min", 1, 1)], count=2, size=3000)
    (first,) = desk.starts()
    assert first.route.model == "b/x"
    verdict = desk.end(first, NO_KEY)
    assert verdict.tickets == (first.ticket,), "nobody is left who can hold it"
    (second,) = desk.starts()
    assert second.route.model == "a/x"


def test_a_lane_asks_for_more_when_what_it_held_is_given_up():
    desk = Desk([("a", "", 1, 1)], [("b", "1k tokens/min")], count=6, size=3000, room=10)
    (first,) = desk.starts()
    verdict = desk.end(first, NO_KEY)
    assert (len(verdict.tickets), verdict.spared) == (6, (desk.lane,))
    assert desk.dispatcher.next(desk.now) == NeedRequests(desk.lane, 10)
