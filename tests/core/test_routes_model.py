"""Pools and fallbacks against everything at once: a machine that offers, answers, refuses, stops, pauses and closes.

Three lanes share four endpoints: a pool with fallbacks, a plain lane on one of its members, and another pool whose
fallback is a member of the first. What must hold is checked against the test's own books. As in
test_dispatcher_model.py only two things are asked of the code under test: when a limiter would let an amount go, and
what an estimator says now.
"""

import random
import sys
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from brimline.core.breaker import THRESHOLD
from brimline.core.dispatcher import Dispatcher
from brimline.core.faults import CONSEQUENCES, FALLS_ON, Reach
from brimline.core.lane import Attempt
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Final, NeedRequests, NextTurn, Start, Stopped, TryAgain, Wait
from brimline.core.time import MINUTE, SECOND
from brimline.testing import strategies
from brimline.types import Failure, Fault, FaultKind, Request, Response, Usage

REACHED = Counter()
LANES = {
    "team/x": [{"a": 1, "b": 2}, {"c": 1}, {"d": 1, "b": 1}],
    "a/x": [{"a": 1}],
    "pool/x": [{"b": 1, "c": 1, "d": 3}, {"a": 1}],
}
"""For each lane its stages: the endpoints that may answer, with their weights."""

PASSING = [kind for kind in FaultKind if not CONSEQUENCES[kind].stops]
NEVER = 1 << 80


@dataclass(eq=False)
class Flight:
    attempt: Attempt
    endpoint: str
    used: Demand
    left_at: int


class Routing(RuleBasedStateMachine):
    """Times are ns. Attempts leave when they start, and none uses more than was estimated."""

    @initialize(
        quotas=st.fixed_dictionaries({name: strategies.limits() for name in "abcd"}),
        concurrency=st.fixed_dictionaries({name: st.sampled_from([1, 2, 5, 30]) for name in "abcd"}),
        supply=st.integers(5, 40),
        kinds=st.lists(strategies.requests(), min_size=2, max_size=5),
        room=st.sampled_from([2, 10, 30]),
    )
    def begin(self, quotas, concurrency, supply, kinds, room):
        self.quotas, self.concurrency, self.kinds = quotas, concurrency, kinds
        self.now = self.number = self.stops = 0
        self.dispatcher = Dispatcher(policy=RetryPolicy(max_tries=3), rng=random.Random(supply))
        self.asked, self.left, self.offered, self.finals, self.lost = {}, {}, set(), {}, set()
        self.flights: dict[Attempt, Flight] = {}
        self.history: list[Flight] = []
        self.permits, self.streak, self.gone, self.stage_of = [], Counter(), set(), {}
        self.lanes = {}
        for model, (first, *others) in LANES.items():
            lane = self.dispatcher.open(
                model,
                model,
                self.ways(first),
                room=room,
                fallbacks=[(f"stage{n}/x", self.ways(stage)) for n, stage in enumerate(others)],
                falls_on=FALLS_ON,
            )
            self.lanes[model], self.left[lane] = lane, supply
        self.pump()

    def ways(self, members):
        return [
            Way(
                f"{name}/x",
                LimitScope(name, f"{name}/x"),
                lambda name=name: LimitSet(self.quotas[name], self.concurrency[name]),
                weight,
            )
            for name, weight in members.items()
        ]

    # What may happen.

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def feed(self, data):
        lane = data.draw(st.sampled_from([*self.asked]))
        self.give(lane, min(self.asked.pop(lane), self.left[lane]))
        self.pump()

    def give(self, lane, number):
        if not number:
            self.dispatcher.exhaust(lane)
            return
        requests = []
        for _ in range(number):
            kind = self.kinds[self.number % len(self.kinds)]
            fields = {name: getattr(kind, name) for name in ("messages", "follow_ups", "params", "priority")}
            requests.append(Request(id=self.number, model=lane.model, **fields))
            self.number += 1
        self.left[lane] -= number
        self.offered |= {request.id for request in requests}
        for verdict in self.dispatcher.offer(lane, requests):
            self.conclude(verdict)

    @precondition(lambda self: isinstance(self.step, Wait))
    @rule()
    def jump(self):
        self.now = self.step.until
        self.pump()

    @precondition(lambda self: isinstance(self.step, Wait) and self.step.until > self.now + 1)
    @rule()
    def almost(self):
        """One nanosecond before the promised moment nothing starts."""
        promised = self.step.until
        self.now = promised - 1
        assert not self.pump()
        assert self.step == Wait(promised)
        REACHED["looks too early"] += 1

    @rule(span=st.sampled_from([SECOND // 3, 3 * SECOND, 20 * SECOND, 2 * MINUTE]))
    def drift(self, span):
        self.now += span
        self.pump()

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), response=strategies.responses(), most=st.sampled_from([1, 5]))
    def answer(self, data, response, most):
        for flight in self.some(data, most):
            demand = flight.attempt.permit.demand
            usage = response.usage and Usage(
                min(response.usage.input_tokens, demand.input_tokens),
                min(response.usage.output_tokens, demand.output_tokens),
            )
            self.end(flight, Response(text="yes", usage=usage))
            self.pump()

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), fault=strategies.faults(st.sampled_from(PASSING)), most=st.sampled_from([1, 1, 4]))
    def fail(self, data, fault, most):
        for flight in self.some(data, most):
            self.end(flight, fault)
        self.pump()

    @precondition(lambda self: self.flights and self.number > 10 and self.stops < 3)
    @rule(data=st.data(), kind=st.sampled_from([FaultKind.AUTH, FaultKind.NOT_FOUND]))
    def stop(self, data, kind):
        """An endpoint goes, and whatever else is in flight there finds out, too."""
        self.stops += 1
        (first,) = self.some(data, 1)
        others = [flight for flight in self.flights.values() if flight.endpoint == first.endpoint]
        for flight in (first, *others[: data.draw(st.integers(0, 3))]):
            if flight.attempt in self.flights:
                self.end(flight, Fault(kind, "gone", http_status=401))
        self.pump()

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def cancel(self, data):
        (flight,) = self.some(data, 1)
        del self.flights[flight.attempt]
        assert self.dispatcher.cancel(flight.attempt)
        self.lose([flight.attempt.ticket])
        self.pump()

    @rule(model=st.sampled_from([*LANES]))
    def pause(self, model):
        lane = self.lanes[model]
        if lane.paused:
            self.dispatcher.resume(self.now, lane)
        else:
            self.dispatcher.pause(lane)
            REACHED["paused with requests waiting"] += any(stage.queue for stage in lane.stages)
        self.pump()

    @precondition(lambda self: self.number > 40)
    @rule(model=st.sampled_from([*LANES]))
    def close(self, model):
        self.lose(self.dispatcher.close(self.lanes[model], Fault(FaultKind.CANCELLED, "closed")))
        self.asked.pop(self.lanes[model], None)
        self.pump()

    # What follows, in the test's own books.

    def some(self, data, most):
        flights = [*self.flights.values()]
        first = data.draw(st.integers(0, len(flights) - 1))
        return [*flights[first:], *flights[:first]][:most]

    def pump(self):
        started = 0
        while True:
            match self.dispatcher.next(self.now):
                case Start(attempt):
                    self.started(attempt)
                    started += 1
                case NeedRequests(lane, room):
                    self.asked[lane] = room
                case step:
                    self.step = step
                    self.check()
                    return started

    def started(self, attempt):
        ticket, endpoint = attempt.ticket, attempt.route.scope.key.endpoint
        lane = ticket.lane
        members = LANES[lane.model][lane.stages.index(ticket.stage)]
        assert not lane.closed
        assert not lane.paused
        assert endpoint in members
        assert (lane, endpoint) not in self.gone, "it has stopped"
        assert all(other.ticket is not ticket for other in self.flights), "it is in flight already"
        assert ticket.request.id not in self.finals.keys() | self.lost
        assert attempt.exchange[0].model == f"{endpoint}/x"
        assert self.stage(ticket) >= self.stage_of.get(ticket, 0), "never back"
        REACHED["fell back"] += self.stage(ticket) > self.stage_of.get(ticket, 0)
        self.stage_of[ticket] = self.stage(ticket)
        attempt.departed = True
        self.dispatcher.depart(self.now, attempt)
        flight = Flight(attempt, endpoint, attempt.permit.demand, self.now)
        self.flights[attempt] = flight
        self.history.append(flight)
        self.permits.append(attempt.permit)
        here = sum(other.endpoint == endpoint for other in self.flights.values())
        assert here <= self.concurrency[endpoint]
        REACHED["starts"] += 1
        REACHED["by others than the first of a pool"] += len(members) > 1 and endpoint != next(iter(members))
        for quota in self.quotas[endpoint]:
            window = [
                flight.used[quota.dimension]
                for flight in self.history
                if flight.endpoint == endpoint and flight.left_at > self.now - quota.window
            ]
            assert sum(window) <= quota.amount, f"more than {quota}"
            REACHED["full windows"] += sum(window) == quota.amount

    def stage(self, ticket):
        return ticket.lane.stages.index(ticket.stage)

    def end(self, flight, result):
        del self.flights[flight.attempt]
        ticket, lane, before = flight.attempt.ticket, flight.attempt.ticket.lane, None
        before, was_closed = self.stage(ticket), lane.closed is not None
        verdict = self.dispatcher.settle(self.now, flight.attempt, result)
        self.book(flight, result)
        if isinstance(verdict, Stopped) and (verdict.lanes or verdict.spared):
            self.stopped(flight, result, verdict)
        elif isinstance(verdict, Stopped):
            is_hopeless = all((lane, name) in self.gone for name in self.later_members(lane, before))
            assert was_closed or is_hopeless, "given up although something could answer it"
        elif isinstance(verdict, Final) and isinstance(verdict.outcome, Failure):
            assert result.kind not in FALLS_ON or self.stage(ticket) == len(lane.stages) - 1, (
                "it has a fallback"
            )
            assert verdict.outcome.fault.kind in {result.kind, FaultKind.TOO_LONG}
        elif isinstance(verdict, TryAgain) and self.stage(ticket) > before:
            REACHED["moved on"] += 1
            assert ticket.tries == 0
        self.conclude(verdict)
        self.dispatcher.release(flight.attempt)

    def later_members(self, lane, stage):
        return [name for members in LANES[lane.model][stage + 1 :] for name in members]

    def stopped(self, flight, result, verdict):
        """A stop concerns every lane that may use the endpoint, and closes those that nobody else can begin in."""
        assert CONSEQUENCES[result.kind].reach is not Reach.REQUEST
        for lane in (*verdict.lanes, *verdict.spared):
            assert any(flight.endpoint in stage for stage in LANES[lane.model])
            self.gone.add((lane, flight.endpoint))
            able = [name for name in self.later_members(lane, -1) if (lane, name) not in self.gone]
            assert (lane in verdict.lanes) == (not able), "closed exactly when nobody is left"
            if lane in verdict.lanes:
                self.asked.pop(lane, None)
        REACHED["lanes spared"] += len(verdict.spared)
        REACHED["lanes stopped"] += len(verdict.lanes)

    def book(self, flight, result):
        usage = result.usage if not isinstance(result, Fault) else Usage()
        if isinstance(result, Fault) and CONSEQUENCES[result.kind].billed:
            usage = None
        if usage is not None:
            flight.used = Demand(
                1, usage.input_tokens + usage.output_tokens, usage.input_tokens, usage.output_tokens
            )
        if isinstance(result, Fault) and CONSEQUENCES[result.kind].reach is Reach.ENDPOINT:
            self.streak[flight.endpoint] += 1
        elif not isinstance(result, Fault) or result.http_status is not None:
            self.streak[flight.endpoint] = 0

    def conclude(self, verdict):
        match verdict:
            case Final(ticket, outcome):
                assert ticket.request.id not in self.finals.keys() | self.lost, "one outcome"
                self.finals[ticket.request.id] = outcome
                assert not outcome.ok or len(outcome.responses) == ticket.request.turns
                REACHED["answered by a fallback"] += outcome.ok and self.stage(ticket) > 0
                self.dispatcher.conclude(ticket)
            case NextTurn(ticket):
                following = self.dispatcher.proceed(ticket)
                if following is not None:
                    self.conclude(following)
            case Stopped(tickets=tickets):
                self.lose(tickets)

    def lose(self, tickets):
        for ticket in tickets:
            assert ticket.request.id not in self.finals.keys() | self.lost
            assert all(other.ticket is not ticket for other in self.flights), "it is in flight"
            self.lost.add(ticket.request.id)
        self.dispatcher.conclude(*tickets)

    # What must hold after every rule.

    def check(self):
        held = Counter()
        for lane in self.lanes.values():
            waiting = [*lane.waiting()]
            flying = {attempt.ticket for attempt in self.flights if attempt.ticket.lane is lane}
            assert len({*waiting}) == len(waiting), "waits twice"
            assert not flying & {*waiting}, "waits and is in flight"
            assert lane.open == len(waiting) + len(flying)
            held.update(ticket.request.id for ticket in (*waiting, *flying))
            for stage in lane.stages:
                for route in stage.members:
                    is_served = route in route.scope.routes
                    is_open = route in stage.routes and not lane.closed
                    assert is_served == bool(is_open and stage.queue and not lane.paused)
        assert held.keys() | self.finals.keys() | self.lost == self.offered, "nothing is lost"
        until = self.step.until if isinstance(self.step, Wait) else NEVER
        for scope in self.dispatcher._scopes.values():
            when = self.possible(scope)
            assert when > self.now, f"{scope} could start now"
            assert until <= when, f"too late for {scope}"

    def possible(self, scope):
        """When the next ticket of a scope could start, as things are."""
        name, route = scope.key.endpoint, scope.pick(self.now)
        busy = sum(flight.endpoint == name for flight in self.flights.values())
        if route is None or busy >= self.concurrency[name] or self.streak[name] >= THRESHOLD:
            return NEVER
        head = route.stage.queue.peek()
        demand = self.dispatcher._demand(route, head)
        if scope.limits.impossible(demand) and self.dispatcher._fits_elsewhere(route, head):
            REACHED["only others can"] += 1
            return NEVER
        demand = scope.limits.fitted(demand)
        moments = [
            limiter.earliest(self.now, demand[limiter.quota.dimension]) for limiter in scope.limits.limiters
        ]
        return max([scope.limits._books.closed_until, *moments])

    # And in the end everything is through.

    def teardown(self):
        if sys.exc_info()[0] is not None or not hasattr(self, "lanes"):
            return
        for lane in self.lanes.values():
            self.dispatcher.resume(self.now, lane)
        self.pump()
        for _ in range(3000):
            for lane in [*self.asked]:
                self.asked.pop(lane)
                self.give(lane, 0)
            for flight in [*self.flights.values()]:
                self.end(flight, Response(text="late", usage=None))
            self.pump()
            if all(lane.is_done for lane in self.lanes.values()):
                break
            if isinstance(self.step, Wait) and not self.flights:
                self.now = self.step.until
                self.pump()
        assert all(lane.is_done for lane in self.lanes.values()), "something is starved"
        assert self.finals.keys() | self.lost == self.offered
        assert all(permit._settled and permit._released for permit in self.permits)
        REACHED["examples"] += 1


ENOUGH = {
    "starts": 1000,
    "looks too early": 30,
    "by others than the first of a pool": 300,
    "fell back": 30,
    "moved on": 15,
    "answered by a fallback": 20,
    "full windows": 60,
    "lanes spared": 30,
    "lanes stopped": 4,
    "paused with requests waiting": 40,
    "only others can": 10,
}
"""How often each thing has to happen for the test to mean anything: far less than is usual."""


@pytest.mark.timeout(240)  # a failure is made small before it is shown
def test_pools_and_fallbacks_keep_every_promise():
    REACHED.clear()
    run_state_machine_as_test(
        Routing,
        settings=settings(
            max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    missed = {what: REACHED[what] for what, number in ENOUGH.items() if REACHED[what] < number}
    assert not missed, "the machine must get there to find anything"
