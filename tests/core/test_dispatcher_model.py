"""The dispatcher against everything at once: a machine that offers, starts, ends, cancels, closes and crashes.

The pump runs after every rule, as in the engine. What must hold is checked against books of the test's own: who
waits where, what left when, which endpoint is down. Only two things are asked of the code under test, and both have
tests of their own: when a limiter would let an amount go, and what an estimator would say now.
"""

import random
import sys
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from brimline.core import hedging
from brimline.core.breaker import THRESHOLD
from brimline.core.dispatcher import Dispatcher
from brimline.core.estimate import measure
from brimline.core.faults import CONSEQUENCES, Reach
from brimline.core.lane import Attempt, Lane
from brimline.core.limiter import GUARD, SLOTS
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand
from brimline.core.quota import Dimension
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Final, LeftToRival, NeedRequests, NextTurn, Start, Stopped, TryAgain, Wait
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.testing import strategies
from brimline.types import Failure, Fault, FaultKind, Rejection, Request, Response, Success, Usage

REACHED = Counter()
"""What the machine got to, over all examples; the test fails if that is not enough to mean anything."""

SCOPES = {
    "lab/a": LimitScope("lab", "team"),
    "lab/b": LimitScope("lab", "team"),
    "lab/c": LimitScope("lab", "lab/c"),
    "far/d": LimitScope("far", "far/d"),
}
LANES = [(run, model) for model in SCOPES for run in ("one", "two")]
MAX_WAIT = HOUR // 2
NEVER = 1 << 80
POLICY = RetryPolicy(max_tries=4)
CLOSED = Fault(FaultKind.CANCELLED, "closed")
DOWN = Fault(FaultKind.CONNECTION, "down")
WRONG = Response(text="late", rejection=Rejection("late", "not valid"))
STOPPING = {kind for kind, row in CONSEQUENCES.items() if row.stops}
PASSING = [kind for kind in FaultKind if kind not in STOPPING]


@dataclass(eq=False)
class Flight:
    """An attempt in flight as the test sees it; `rival`: the other one for the same exchange."""

    attempt: Attempt
    scope: LimitScope
    used: Demand
    left_at: int | None = None
    is_probe: bool = False
    keeping: object = None
    rival: "Flight | None" = None
    is_beaten: bool = False

    @property
    def holds(self):
        """Whether its ticket is in flight with it."""
        return not self.is_beaten and not isinstance(self.keeping, LeftToRival)


@dataclass(eq=False)
class Place:
    """An endpoint as the test sees it: down after so many faults in a row, until it answers."""

    streak: int = 0
    probes: set = field(default_factory=set)

    @property
    def is_down(self):
        return self.streak >= THRESHOLD


@dataclass(eq=False)
class Line:
    """A lane, what its source still has, and where its tickets are."""

    lane: Lane
    left: int
    again: deque = field(default_factory=deque)
    asked: int = 0
    waiting: set = field(default_factory=set)
    later: dict = field(default_factory=dict)
    passed: int = 0
    alone: dict = field(default_factory=dict)
    latencies: list = field(default_factory=list)
    hedges: int = 0

    @property
    def is_ending(self):
        return self.lane.exhausted and not self.lane.closed and not self.waiting and not self.later

    def late(self):
        """The flight that is hedged next, and when; None as things are."""
        if not self.alone or len(self.latencies) < hedging.ENOUGH:
            return None
        if self.hedges + 1 > len(self.latencies) / hedging.ANSWERS + 1:
            return None
        flight, since = min(self.alone.items(), key=lambda item: item[1])
        latest = sorted(self.latencies[-hedging.LATEST :])
        usual = next(x for x in latest if 100 * sum(y <= x for y in latest) >= 95 * len(latest))
        return since + max(hedging.LEAST, hedging.TIMES * usual), flight


class Scheduling(RuleBasedStateMachine):
    """Times are ns. A ticket is in exactly one of: waiting, later, flights, or it is through."""

    hedge = False

    # The world.

    @initialize(
        lanes=st.lists(st.sampled_from(LANES), min_size=2, max_size=5, unique=True),
        quotas=st.fixed_dictionaries({scope: strategies.limits() for scope in {*SCOPES.values()}}),
        concurrency=st.fixed_dictionaries({
            scope: st.sampled_from([1, 2, 4, 12]) for scope in {*SCOPES.values()}
        }),
        room=st.sampled_from([1, 4, 9, 30]),
        supply=st.integers(3, 40),
        is_eager=st.booleans(),
        kinds=st.lists(strategies.requests(), min_size=2, max_size=5),
        is_prompt=st.booleans(),
        start=st.sampled_from([0, 10**15]),
    )
    def begin(self, lanes, quotas, concurrency, room, supply, is_eager, kinds, is_prompt, start):
        self.quotas, self.concurrency, self.room, self.is_prompt = quotas, concurrency, room, is_prompt
        self.is_eager, self.kinds, self.now, self.number = is_eager, kinds, start, 0
        self.crashes = self.closings = self.stops = 0
        self.offered: dict[int, Request] = {}
        self.finals: dict[int, object] = {}
        self.lost: set[int] = set()
        self.turns: dict[int, tuple[Response, ...]] = defaultdict(tuple)
        self.history: list[Flight] = []
        self.boot({key: (supply, deque()) for key in lanes})

    def boot(self, sources):
        """Open everything, with the limits as full as the history of departures makes them."""
        self.dispatcher = Dispatcher(policy=POLICY, rng=random.Random(self.number), max_wait=MAX_WAIT)
        self.flights: dict[Attempt, Flight] = {}
        self.attempts: list[Attempt] = []
        self.places = defaultdict(Place)
        self.held: dict[LimitScope, int] = defaultdict(int)
        self.delayed: set[LimitScope] = set()
        self.stayed: list[tuple[int, Flight]] = []
        self.blamed = defaultdict(list)
        self.lines: dict[tuple[str, str], Line] = {}
        for (run, model), (left, again) in sources.items():
            scope = SCOPES[model]
            lane = self.dispatcher.open(
                run,
                model,
                [Way(model, scope, lambda scope=scope: self.limits(scope))],
                room=self.room,
                hedge=self.hedge,
            )
            self.lines[run, model] = Line(lane, left, again)
        self.pump()

    def limits(self, scope):
        limits = LimitSet(self.quotas[scope], self.concurrency[scope])
        for flight in self.history:
            if flight.scope == scope:
                limits.restore(flight.left_at, flight.used)
        return limits

    def line(self, ticket):
        return self.lines[ticket.lane.run, ticket.lane.model]

    # What may happen.

    @precondition(lambda self: any(line.asked for line in self.lines.values()))
    @rule(data=st.data())
    def feed(self, data):
        """A source gives some of what it was asked for, or says that it has no more."""
        key = data.draw(st.sampled_from([key for key, line in self.lines.items() if line.asked]))
        most = min(self.lines[key].asked, self.left(self.lines[key]))
        self.give(self.lines[key], most and data.draw(st.just(most) | st.integers(1, most)))
        self.pump()

    def left(self, line):
        return line.left + len(line.again)

    def give(self, line, number):
        given = []
        for _ in range(number):
            if line.again:
                given.append(line.again.popleft())
                continue
            kind = self.kinds[self.number % len(self.kinds)]
            given.append(replace(kind, id=self.number, model=line.lane.model))
            self.number += 1
            line.left -= 1
        self.offer(line, given)

    def offer(self, line, given):
        line.asked = 0
        if not given:
            self.dispatcher.exhaust(line.lane)
            return
        before = {*line.lane.entry.queue}
        answered = [self.turns[request.id] for request in given]
        REACHED["turns kept across a crash"] += sum(map(bool, answered))
        verdicts = self.dispatcher.offer(line.lane, given, answered=answered)
        for request in given:
            self.offered[request.id] = request
            self.lost.discard(request.id)
        refused = {ticket for verdict in verdicts for ticket in tickets_of(verdict)}
        line.waiting |= {*line.lane.entry.queue} - before
        names = sorted(ticket.request.id for ticket in ({*line.lane.entry.queue} - before) | refused)
        assert names == sorted(request.id for request in given), "each is queued or has its verdict"
        for verdict in verdicts:
            self.conclude(verdict)

    @precondition(lambda self: isinstance(self.step, Wait))
    @rule()
    def jump(self):
        """Sleep exactly until the promised moment: something starts, or a try is due."""
        self.now = self.step.until
        due = [line for line in self.lines.values() if self.now in line.later.values()]
        named = {scope.key for scope in self.dispatcher._scopes.values() if scope.wake_at == self.now}
        REACHED["jumps"] += 1
        REACHED["tries due"] += bool(due)
        excused = any(self.is_put_off(scope) for scope in named)
        excused = excused or any(
            self.late(scope, self.now) for scope in named
        )  # its limits are asked only now
        assert self.pump() or due or excused, "woken for nothing"
        self.delayed -= named

    @precondition(lambda self: isinstance(self.step, Wait) and self.step.until > self.now + 1)
    @rule()
    def almost(self):
        """One nanosecond before the promised moment nothing starts."""
        promised = self.step.until
        self.now = promised - 1
        assert not self.pump()
        assert self.step == Wait(promised), "nothing has changed"
        REACHED["looks too early"] += 1

    @rule(span=st.one_of(st.integers(0, 3 * SECOND), st.sampled_from([10 * SECOND, MINUTE, 2 * MINUTE])))
    def drift(self, span):
        """Time passes, and the engine wakes too late."""
        self.now += span
        self.pump()

    @precondition(lambda self: self.flying())
    @rule(
        data=st.data(), response=strategies.responses(), most=st.sampled_from([1, 4]), is_slow=st.booleans(),
        wrong=st.sampled_from(["stop", None, "stop", "length"]),
    )  # fmt: skip
    def answer(self, data, response, most, is_slow, wrong):
        """Attempts are answered; `wrong`: how an answer ends that its request's schema does not allow."""
        for flight in self.some(data, most):
            text, asked = repr(flight.attempt), flight.attempt.ticket.request
            given = replace(response, text=text)
            if wrong and asked.schema is not None:
                given = replace(given, finish_reason=wrong, rejection=Rejection(text, "not valid"))
            self.end(flight, given, is_slow=is_slow)
            self.pump()

    @precondition(lambda self: self.flying())
    @rule(data=st.data(), fault=strategies.faults(st.sampled_from(PASSING)), most=st.sampled_from([1, 1, 3]))
    def fail(self, data, fault, most):
        """Attempts end with a fault of a passing kind."""
        for flight in self.some(data, most):
            self.end(flight, fault)
        self.pump()

    @precondition(lambda self: self.flying() and self.number > 15 and self.stops < 2)
    @rule(data=st.data(), kind=st.sampled_from([*STOPPING, FaultKind.RATE_LIMITED]))
    def stop(self, data, kind):
        """A fault that makes going on hopeless."""
        self.stops += 1
        self.end(data.draw(st.sampled_from(self.flying())), self.hopeless(kind))
        self.pump()

    def hopeless(self, kind):
        return Fault(kind, "hopeless", retry_after=2 * MAX_WAIT, http_status=401)

    @precondition(lambda self: self.flying())
    @rule(data=st.data(), fault=strategies.faults(st.just(FaultKind.RATE_LIMITED)))
    def refuse(self, data, fault):
        """A server refuses all that is in flight there."""
        scope = data.draw(st.sampled_from(self.flying())).scope
        for flight in self.flying():
            if flight.scope == scope:
                self.end(flight, fault)
        self.pump()

    @precondition(lambda self: self.flying())
    @rule(data=st.data(), minutes=st.sampled_from([0, 0, 0, 40]))
    def outage(self, data, minutes):
        """An endpoint goes down, and with it whatever is started there for a while."""
        endpoint = data.draw(st.sampled_from(self.flying())).scope.endpoint
        end = self.now + minutes * MINUTE
        for _ in range(20):
            for flight in self.flying():
                if flight.scope.endpoint == endpoint:
                    self.end(flight, DOWN)
            self.pump()
            if self.now < end and isinstance(self.step, Wait):
                self.now = self.step.until
                self.pump()

    @precondition(lambda self: any(flight.left_at is None for flight in self.flying()))
    @rule(data=st.data())
    def depart(self, data):
        """A connection is made, and the request leaves only now."""
        flight = data.draw(st.sampled_from([flight for flight in self.flying() if flight.left_at is None]))
        self.leave(flight)
        REACHED["late departures"] += 1
        self.pump()

    @precondition(lambda self: any(flight.keeping for flight in self.flights.values()))
    @rule(data=st.data())
    def keep(self, data):
        """The disk has taken an outcome."""
        flight = data.draw(st.sampled_from([flight for flight in self.flights.values() if flight.keeping]))
        self.kept(flight)
        self.pump()

    @precondition(lambda self: self.flying())
    @rule(data=st.data())
    def cancel(self, data):
        """An attempt is not waited for any more; a probe, if there is one."""
        probes = [flight for flight in self.flying() if flight in self.places[flight.scope.endpoint].probes]
        self.drop(data.draw(st.sampled_from(probes or self.flying())))
        self.pump()

    def drop(self, flight):
        place = self.places[flight.scope.endpoint]
        REACHED["cancelled probes"] += flight in place.probes
        place.probes.discard(flight)
        del self.flights[flight.attempt]
        if flight.left_at is None:
            self.history.remove(flight)
        rival = self.part(flight)
        is_lost = self.dispatcher.cancel(flight.attempt)
        assert is_lost == (rival is None and not flight.is_beaten), "given up by the last one, and only once"
        REACHED["losers cancelled"] += flight.is_beaten
        REACHED["rivals cancelled"] += rival is not None
        if is_lost:
            self.lose([flight.attempt.ticket])

    @precondition(lambda self: self.number > 8 and self.closings < 2 and self.open_lines())
    @rule(data=st.data())
    def close(self, data):
        """A run is stopped."""
        self.closings += 1
        line = data.draw(st.sampled_from(self.open_lines()))
        REACHED["closed with attempts in flight"] += any(a.ticket.lane is line.lane for a in self.flights)
        expected = line.waiting | line.later.keys()
        tickets = self.dispatcher.close(line.lane, CLOSED)
        assert {*tickets} == expected
        assert self.dispatcher.close(line.lane, CLOSED) == ()
        self.lose(tickets)
        self.pump()

    @precondition(lambda self: not self.crashes and self.flights and self.finals)
    @rule()
    def crash(self):
        """The process dies; what it kept is what the next one starts with."""
        self.crashes += 1
        REACHED["crashes with attempts in flight"] += 1
        sources = {}
        for key, line in self.lines.items():
            flying = self.tickets_aloft(line.lane)
            again = [ticket.request for ticket in (*line.waiting, *line.later, *flying)]
            again = [request for request in again if request.id not in self.finals]
            if line.lane.closed is None:
                sources[key] = (
                    line.left,
                    deque(sorted([*line.again, *again], key=lambda request: request.id)),
                )
            else:
                self.lost |= {request.id for request in (*line.again, *again)}
        self.history = [flight for flight in self.history if flight.left_at is not None]
        self.history.sort(key=lambda flight: flight.left_at)
        self.boot(sources)

    # What follows, in the test's own books.

    def some(self, data, most):
        """Return up to so many attempts that have not ended, one of them drawn."""
        flying = self.flying()
        first = data.draw(st.integers(0, len(flying) - 1))
        return [*flying[first:], *flying[:first]][:most]

    def open_lines(self):
        return [line for line in self.lines.values() if line.lane.closed is None]

    def flying(self):
        """Return the attempts that have not ended."""
        return [flight for flight in self.flights.values() if not flight.keeping]

    def tickets_aloft(self, lane):
        return {a.ticket for a, flight in self.flights.items() if a.ticket.lane is lane and flight.holds}

    def part(self, flight):
        """An attempt has ended; return the rival that it leaves in flight."""
        self.line(flight.attempt.ticket).alone.pop(flight, None)
        rival, flight.rival = flight.rival, None
        if rival is not None:
            rival.rival = None
        return rival

    def late(self, scope, until):
        """The flight of a scope that is hedged next, where nothing waits and its endpoint is up, and when."""
        lines = [line for line in self.lines.values() if line.lane.scope.key == scope]
        if not self.hedge or any(line.waiting for line in lines) or self.places[scope.endpoint].is_down:
            return None
        dues = [due for line in lines if line.is_ending and (due := line.late()) and due[0] <= until]
        return min(dues, key=lambda due: due[0], default=None)

    def pump(self):
        """Perform steps until nothing more can start; return how many attempts did."""
        for line in self.lines.values():
            for ticket in [ticket for ticket, when in line.later.items() if when <= self.now]:
                del line.later[ticket]
                line.waiting.add(ticket)
        started = 0
        while True:
            match self.dispatcher.next(self.now):
                case Start(attempt):
                    self.started(attempt)
                    started += 1
                case NeedRequests(lane, room):
                    self.asked(lane, room)
                case step:
                    self.step = step
                    self.check_wait()
                    self.check_books()
                    return started

    def started(self, attempt):
        ticket, lane = attempt.ticket, attempt.ticket.lane
        line, scope = self.line(ticket), lane.scope.key
        assert lane.closed is None, "nothing starts in a closed lane"
        if not attempt.is_hedge:
            assert ticket in line.waiting, "it was waiting, and is not in flight already"
        assert ticket.request.id not in self.finals, "it has its outcome"
        assert attempt.started == self.now
        assert self.now >= self.held[scope], "the server asked to wait"
        late = self.check_hedge(line, attempt) if attempt.is_hedge else self.check_turns(line, ticket)
        line.waiting.discard(ticket)
        place = self.places[scope.endpoint]
        assert attempt.probe == place.is_down
        if place.is_down:
            assert not place.probes, "one probe at a time"
            REACHED["probes"] += 1
        flight = Flight(attempt, scope, attempt.permit.demand, is_probe=place.is_down)
        if place.is_down:
            place.probes.add(flight)
        if late is not None:
            flight.rival, late.rival = late, flight
        self.flights[attempt] = flight
        self.history.append(flight)
        self.attempts.append(attempt)
        in_scope = sum(flight.scope == scope for flight in self.flights.values())
        assert in_scope <= self.concurrency[scope]
        REACHED["starts"] += 1
        REACHED["at full concurrency"] += in_scope == self.concurrency[scope] > 1
        self.check_quotas(scope, Dimension)
        if self.is_prompt:
            self.leave(flight)

    def check_hedge(self, line, attempt):
        """A hedge goes where nothing waits, beside the attempt that has been alone for longest, when that is late."""
        due = self.late(line.lane.scope.key, self.now)
        assert due is not None, "nothing is late"
        late = due[1]
        assert late.attempt.ticket is attempt.ticket
        assert late.left_at is not None
        assert late.rival is None
        assert late.keeping is None
        assert not late.is_beaten
        REACHED["hedges"] += 1
        REACHED["turns hedged"] += bool(attempt.ticket.responses)
        REACHED["hedges that had to wait"] += due[0] < self.now
        del line.alone[late]
        line.hedges += 1
        return late

    def check_turns(self, line, ticket):
        """The highest priority goes first; among equals each lane has its turn; and a small one passes a large one."""
        scope, priority = line.lane.scope, ticket.request.priority
        if self.passes(scope, ticket):
            REACHED["passed"] += 1
            line.passed = 0
            return
        rivals = [other for other in self.lines.values() if other.lane.scope is scope and other.waiting]
        for other in rivals:
            highest = max(ticket.request.priority for ticket in other.waiting)
            assert highest <= priority, "a higher priority waits"
            REACHED["priorities decided"] += min(t.request.priority for t in other.waiting) < priority
            if other is not line and highest == priority:
                other.passed += 1
                REACHED["turns taken"] += 1
                assert other.passed < len(self.lines), "a lane is starved"
        line.passed = 0

    def passes(self, scope, ticket):
        """Whether a request went before a larger one that had to wait for tokens, and not for too long."""
        large = scope._large
        if large is None or large not in large.stage.queue or self.now >= scope._due:
            return False
        return _size(ticket) < _size(large) and self.earliest(scope, large) > self.now

    def leave(self, flight):
        flight.left_at = self.now
        flight.attempt.departed = True
        if flight.rival is None and not flight.is_beaten:
            self.line(flight.attempt.ticket).alone[flight] = self.now
        self.dispatcher.depart(self.now, flight.attempt)
        if self.now > flight.attempt.started:
            self.delayed.add(flight.scope)
            REACHED["left after more than a window"] += self.now - flight.attempt.started > SECOND
        self.check_quotas(flight.scope, [Dimension.REQUESTS])

    def check_quotas(self, scope, dimensions):
        """In the window that ends now, what left and what may leave at any moment fits."""
        for quota in self.quotas[scope]:
            if quota.dimension not in dimensions:
                continue
            used = sum(
                flight.used[quota.dimension]
                for flight in self.history
                if flight.scope == scope
                and (flight.left_at is None or flight.left_at > self.now - quota.window)
            )
            assert used <= quota.amount, f"{used} in the window of {quota}"
            REACHED[f"windows full of {quota}"] += used == quota.amount

    def asked(self, lane, room):
        line = self.lines[lane.run, lane.model]
        assert not line.asked, "asked once at a time"
        assert lane.closed is None
        assert not lane.exhausted
        likes = max(self.room, 2 * lane.scope.limits.in_flight)
        assert 0 < room <= likes - len(line.waiting), (
            f"no more than there is room for: {room} {self.room} {lane} {line}"
        )
        line.asked = room
        if self.is_eager and self.left(line):
            self.give(line, min(room, self.left(line)))

    def end(self, flight, result, *, is_slow=False):
        """End an attempt; a slow disk keeps its outcome waiting."""
        never_left = isinstance(result, Fault) and CONSEQUENCES[result.kind].reach is Reach.ENDPOINT
        if flight.left_at is None and not never_left:
            self.leave(flight)
        if flight.left_at is None:
            self.history.remove(flight)
            self.stayed.append((self.now, flight))
        concerned = self.open_lines() if isinstance(result, Response) else self.concerned(flight, result)
        self.news(flight, result)
        rival = self.part(flight)
        verdict = self.dispatcher.settle(self.now, flight.attempt, result)
        REACHED["settled"] += 1
        REACHED[f"attempt {min(flight.attempt.number, 5)} ended"] += 1
        self.book(flight, result)
        if rival is None and not flight.is_beaten:
            assert not isinstance(verdict, LeftToRival)
            self.judge(flight, result, verdict, concerned)
        else:
            self.judge_rivals(flight, rival, result, verdict, concerned)
        if isinstance(result, Response) and not flight.is_beaten:
            self.line(flight.attempt.ticket).latencies.append(self.now - flight.attempt.started)
        flight.keeping = verdict
        if not is_slow:
            self.kept(flight)

    def book(self, flight, result):
        """Replace the estimate by what was used, as it was said or as the table of faults says."""
        demand = flight.attempt.permit.demand
        usage = result.usage if isinstance(result, Response) else Usage()
        if isinstance(result, Fault) and CONSEQUENCES[result.kind].billed:
            usage = None
        if usage is not None:
            total = usage.input_tokens + usage.output_tokens
            flight.used = Demand(1, total, usage.input_tokens, usage.output_tokens)
        if any(used > estimate for used, estimate in zip(flight.used, demand, strict=True)):
            self.delayed.add(flight.scope)
            REACHED["used more than estimated"] += 1

    def news(self, flight, result):
        """What a result says about its endpoint."""
        place = self.places[flight.scope.endpoint]
        place.probes.discard(flight)
        if isinstance(result, Fault) and CONSEQUENCES[result.kind].reach is Reach.ENDPOINT:
            place.streak += 1
            REACHED["breakers opened"] += place.streak == THRESHOLD
        elif isinstance(result, Response) or result.http_status is not None:
            REACHED["breakers closed"] += place.is_down
            place.streak = 0
            place.probes.clear()

    def judge(self, flight, result, verdict, concerned):
        """Whether a verdict follows from the result."""
        ticket = flight.attempt.ticket
        closed = {line.lane for line in concerned if line.lane.closed is not None}
        if isinstance(result, Response):
            before = self.turns[ticket.request.id]
            assert ticket.responses == (*before, result)
            self.judge_answer(ticket.request, before, result, verdict)
            assert not closed
            self.blamed.pop(ticket, None)
        elif isinstance(verdict, Stopped) and verdict.lanes:
            assert self.may_stop(result)
            assert {*verdict.lanes} == closed == {line.lane for line in concerned}
            REACHED["stops"] += 1
        elif isinstance(verdict, Stopped):
            assert ticket.lane.closed is not None
        else:
            assert not closed
            assert isinstance(verdict, Final if self.is_given_up(flight, result) else TryAgain)
            self.judge_retry(flight, result, verdict)

    def judge_answer(self, request, before, result, verdict):
        """A turn that is not valid is asked again once; what was cut off never; all others lead to the next."""
        if result.rejection is None:
            answered = 1 + sum(response.rejection is None for response in before)
            assert isinstance(verdict, Final if answered == request.turns else NextTurn)
            assert isinstance(verdict, NextTurn) or verdict.outcome.ok
        elif result.finish_reason == "length":
            assert verdict.outcome.fault.kind is FaultKind.TRUNCATED
        elif before and before[-1].rejection is not None:
            assert verdict.outcome.fault.kind is FaultKind.INVALID_OUTPUT
            REACHED["not valid twice"] += 1
        else:
            assert isinstance(verdict, NextTurn)
            REACHED["asked again"] += 1

    def judge_rivals(self, flight, rival, result, verdict, concerned):
        """The first answer counts, and a fault only for what it says about others."""
        if isinstance(verdict, Stopped):
            assert self.may_stop(result)
            assert {*verdict.lanes} == {line.lane for line in concerned}
            assert rival is None or flight.attempt.ticket not in verdict.tickets, "its rival decides"
            REACHED["stops beside a rival"] += 1
        elif isinstance(result, Response) and not flight.is_beaten:
            self.judge(flight, result, verdict, concerned)
            assert verdict.loser is rival.attempt
            rival.is_beaten = True
            REACHED["hedges won"] += flight.attempt.is_hedge
            REACHED["hedges lost"] += rival.attempt.is_hedge
            return
        else:
            assert isinstance(verdict, LeftToRival)
            assert verdict.result is result or self.may_stop(result), "as it is, or why it is hopeless"
            REACHED["answered too late"] += isinstance(result, Response)
        if rival is not None:
            REACHED["failed beside a rival"] += 1
            if rival.left_at is not None:
                self.line(rival.attempt.ticket).alone[rival] = self.now

    def judge_retry(self, flight, result, verdict):
        if isinstance(verdict, Final):
            assert isinstance(verdict.outcome, Failure)
            assert verdict.outcome.fault is result
            return
        assert verdict.when >= self.now
        if result.kind is FaultKind.RATE_LIMITED:
            self.held[flight.scope] = max(self.held[flight.scope], self.now + (result.retry_after or 0))
            REACHED["holds"] += 1
        elif self.is_counted(flight, result) and result.retry_after is not None:
            assert verdict.when == self.now + result.retry_after, "the server's own wait, exactly"

    def is_counted(self, flight, result):
        """Whether a fault uses up a try: not in an outage, and not a refusal."""
        row = CONSEQUENCES[result.kind]
        return row.counts and not (row.reach is Reach.ENDPOINT and self.places[flight.scope.endpoint].is_down)

    def is_given_up(self, flight, result):
        """Whether a fault is the last word on its request."""
        if not self.is_counted(flight, result):
            return False
        kinds = self.blamed[flight.attempt.ticket]
        kinds.append(result.kind)
        most = CONSEQUENCES[result.kind].tries or POLICY.max_tries
        too_long = result.retry_after is not None and result.retry_after > MAX_WAIT
        return too_long or len(kinds) >= POLICY.max_tries or kinds.count(result.kind) >= most

    def may_stop(self, result):
        """Whether going on may be hopeless; how long an endpoint has to fail has tests of its own."""
        return result.kind in STOPPING or CONSEQUENCES[result.kind].reach in {Reach.SCOPE, Reach.ENDPOINT}

    def concerned(self, flight, result):
        """The open lanes for which a fault may make going on hopeless."""
        own, reach = flight.attempt.ticket.lane, CONSEQUENCES[result.kind].reach
        same = {
            Reach.MODEL: lambda lane: lane.model == own.model,
            Reach.SCOPE: lambda lane: lane.scope is own.scope,
        }.get(reach, lambda lane: lane.scope.key.endpoint == own.scope.key.endpoint)
        return [line for line in self.open_lines() if same(line.lane)]

    def kept(self, flight):
        """What follows once a verdict is durable; its slot is free then."""
        verdict = flight.keeping
        self.flights.pop(flight.attempt, None)
        self.conclude(verdict)
        self.dispatcher.release(flight.attempt)

    def conclude(self, verdict):
        match verdict:
            case Final(ticket, outcome):
                assert ticket.request.id not in self.finals, "one outcome"
                self.finals[ticket.request.id] = outcome
                assert outcome.request is self.offered[ticket.request.id]
                if isinstance(outcome, Success):
                    valid = [response for response in outcome.responses if response.rejection is None]
                    assert len(valid) == ticket.request.turns
                    REACHED["repaired"] += len(valid) < len(outcome.responses)
                    REACHED["conversations answered"] += ticket.request.turns > 1
                REACHED["too long"] += outcome.attempts == 0
                self.dispatcher.conclude(ticket)
            case NextTurn(ticket, response):
                self.turns[ticket.request.id] = (*self.turns[ticket.request.id], response)
                following = self.dispatcher.proceed(ticket)
                if following is not None:
                    self.conclude(following)
                    return
                self.line(ticket).waiting.add(ticket)
                if ticket.lane.scope.limits.counts_tokens:
                    estimator = self.dispatcher._estimators[ticket.lane.model]
                    way = ticket.stage.members[0]
                    assert self.dispatcher._demand(way, ticket) == estimator.demand(
                        measure(*ticket.following)
                    )
            case TryAgain(ticket, _, when):
                line = self.line(ticket)
                if when > self.now:
                    line.later[ticket] = when
                else:
                    line.waiting.add(ticket)
            case Stopped(tickets=tickets):
                self.lose(tickets)

    def lose(self, tickets):
        """Tickets that get no outcome."""
        for ticket in tickets:
            assert ticket not in self.tickets_aloft(ticket.lane), "what is in flight still gets its outcome"
            assert ticket.request.id not in self.finals
            assert ticket.request.id not in self.lost
            self.lost.add(ticket.request.id)
            self.line(ticket).waiting.discard(ticket)
            self.line(ticket).later.pop(ticket, None)
        self.dispatcher.conclude(*tickets)

    # What must hold after every rule.

    def check_books(self):
        """Each ticket is where the test believes it is, and nowhere else."""
        for line in self.lines.values():
            lane = line.lane
            mine = self.tickets_aloft(lane)
            assert {*lane.entry.queue} == line.waiting, (self.now, lane, {*lane.entry.queue} ^ line.waiting)
            assert lane.later == line.later
            assert lane.open == len(line.waiting) + len(line.later) + len(mine)
            assert lane.is_done == (lane.open == 0 and (lane.exhausted or lane.closed is not None))
            assert line.asked or lane.exhausted or lane.closed or 2 * len(line.waiting) >= lane.room, "hungry"
        for scope in self.dispatcher._scopes.values():
            assert scope.limits.in_flight == sum(
                flight.scope == scope.key for flight in self.flights.values()
            )
            for limiter in scope.limits.limiters:
                self.check_booked(scope.key, limiter)

    def check_booked(self, scope, limiter):
        """What a limiter holds is what left, and what may leave; a little longer than the window, never shorter."""
        window, what = limiter.quota.window, limiter.quota.dimension
        mine = [flight for flight in self.history if flight.scope == scope]
        sure = sum(f.used[what] for f in mine if f.left_at is not None and f.left_at > self.now - window)
        since = self.now - window - GUARD - (window + GUARD) // SLOTS
        most = sum(f.used[what] for f in mine if f.left_at is None or f.left_at > since)
        most += sum(f.used[what] for at, f in self.stayed if f.scope == scope and at > since)
        assert sure <= limiter.used(self.now) <= most

    def check_wait(self):
        """Nothing could start now, the promised moment is in the future, neither too late nor for nothing."""
        until = self.step.until if isinstance(self.step, Wait) else NEVER
        assert until > self.now
        useful = [when for line in self.lines.values() for when in line.later.values()]
        for scope in self.dispatcher._scopes.values():
            if scope.pick(self.now) is None:
                if (when := self.next_hedge(scope)) is not None:
                    assert when > self.now, "a hedge could start now"
                    useful.append(when)
                continue
            when = self.possible(scope)
            REACHED["waits for tokens"] += "tokens" in scope.blocked.words
            place = self.places[scope.key.endpoint]
            if when is None or place.probes:
                continue
            if place.is_down:
                when = max(when, self.dispatcher._health[scope.key.endpoint].breaker._probe_at)
            assert when > self.now, "it could start now"
            useful.append(when)
        if until not in {*useful, NEVER}:
            assert self.is_delayed(until), f"woken for nothing at {until}, {self.dispatcher._timers}"
        assert until <= min(useful, default=NEVER), "too late"

    def is_delayed(self, until):
        """Whether what a moment was promised to has been put off since."""
        named = [scope.key for scope in self.dispatcher._scopes.values() if scope.wake_at == until]
        return any(self.is_put_off(scope) for scope in named)

    def is_put_off(self, scope):
        """Whether a scope may be woken for nothing.

        That is when more was used than estimated, or left later, since it was told the moment; when something has
        not left yet, and so counts until nobody knows when; and when its endpoint, which is asked first, was down.
        """
        waits_to_leave = any(f.scope == scope and f.left_at is None for f in self.flights.values())
        return scope in self.delayed or waits_to_leave or self.places[scope.endpoint].is_down

    def next_hedge(self, scope):
        """When the next hedge is due, or else possible; None: not before something happens."""
        late = self.late(scope.key, NEVER)
        if late is None or late[0] > self.now:
            return late and late[0]
        if sum(flight.scope == scope.key for flight in self.flights.values()) >= self.concurrency[scope.key]:
            return None
        return self.earliest(scope, late[1].attempt.ticket)

    def possible(self, scope):
        """When the scope's limits let its next request go; None: not before a slot is free."""
        if sum(flight.scope == scope.key for flight in self.flights.values()) >= self.concurrency[scope.key]:
            return None
        head = scope.pick(self.now).stage.queue.peek()
        first = self.earliest(scope, head)
        if scope._large is not head or self.now >= scope._due:
            return first
        passing = [
            self.earliest(scope, small) for route in scope.routes for small in route.stage.queue.smaller(head)
        ]
        return min([first, *(when for when in passing if when < scope._due)])

    def earliest(self, scope, ticket):
        """When the scope's limits let a request go."""
        limiters, demand = (
            scope.limits.limiters,
            scope.limits.fitted(self.dispatcher._demand(ticket.stage.members[0], ticket)),
        )
        moments = [limiter.earliest(self.now, demand[limiter.quota.dimension]) for limiter in limiters]
        return max([scope.limits._books.closed_until, *moments])

    # And in the end everything is through.

    def teardown(self):
        if sys.exc_info()[0] is not None or not hasattr(self, "lines"):
            return  # a rule has failed; what follows from that is no news
        for _ in range(4000):
            for line in self.lines.values():
                if line.asked:
                    line.left = 0
                    self.offer(line, [line.again.popleft() for _ in range(min(line.asked, len(line.again)))])
            for flight in [*self.flights.values()]:
                if flight.keeping:
                    self.kept(flight)
                else:
                    is_wrong = (
                        flight.attempt.number % 3 == 1 and flight.attempt.ticket.request.schema is not None
                    )
                    self.end(flight, WRONG if is_wrong else Response(text="late", usage=None))
            self.pump()
            if all(line.lane.is_done for line in self.lines.values()):
                break
            if isinstance(self.step, Wait) and not self.flights:
                self.now = self.step.until
                self.pump()
        assert all(line.lane.is_done for line in self.lines.values()), "something is starved"
        never_again = {
            request.id for line in self.lines.values() for request in line.again if line.lane.closed
        }
        through = self.finals.keys() | self.lost | never_again
        assert self.offered.keys() == through
        assert not self.finals.keys() & self.lost
        assert all(attempt.permit._settled and attempt.permit._released for attempt in self.attempts)
        REACHED["examples"] += 1
        event(f"{min(len(self.finals) // 10, 4) * 10} or more outcomes")
        event(f"attempt {min(max([a.number for a in self.attempts], default=0), 5)} was the highest")


def _size(ticket):
    return 0 if ticket.size is None else ticket.size.weight.bit_length()


def tickets_of(verdict):
    return verdict.tickets if isinstance(verdict, Stopped) else (verdict.ticket,)


ENOUGH = {
    "starts": 2500,
    "jumps": 180,
    "looks too early": 150,
    "attempt 3 ended": 250,
    "attempt 5 ended": 50,
    "tries due": 40,
    "holds": 80,
    "priorities decided": 1000,
    "passed": 20,
    "turns taken": 600,
    "at full concurrency": 80,
    "windows full of 2/s": 10,
    "windows full of 3/s": 20,
    "waits for tokens": 700,
    "used more than estimated": 25,
    "too long": 40,
    "late departures": 20,
    "left after more than a window": 20,
    "conversations answered": 300,
    "asked again": 300,
    "repaired": 100,
    "crashes with attempts in flight": 15,
    "closed with attempts in flight": 15,
    "stops": 8,
    "breakers opened": 7,
    "breakers closed": 4,
    "probes": 40,
}
"""How often each thing has to happen for the test to mean anything: far less than is usual, so that chance alone never fails it."""


@pytest.mark.timeout(240)  # a failure is made small before it is shown
def test_the_dispatcher_keeps_its_promises_whatever_happens():
    REACHED.clear()
    run_state_machine_as_test(
        Scheduling,
        settings=settings(
            max_examples=250, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    missed = {what: REACHED[what] for what, number in ENOUGH.items() if REACHED[what] < number}
    assert not missed, "the machine must get there to find anything"
