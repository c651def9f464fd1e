"""The scheduler: which attempt starts next.

Theory of operation. It holds scopes (whose quota), each with lanes (whose requests). A scope that can
do something stands in `_line` and is served in turn; a scope that cannot is out of the line and comes back by one
of three ways: a timer, because a limiter or a breaker named the nanosecond; a release, because it waited for a
slot; an offer, because it had no requests. So nothing polls, no step looks at everything, and a step costs the
same whether a thousand or a million requests wait.

It is pure: time comes in as `now`, nanoseconds on any clock that does not go back. The engine performs the steps.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

from brimline.core.bundle import halves, is_divisible, parts_of
from brimline.core.estimate import Estimator, measure
from brimline.core.health import Health
from brimline.core.hedging import Hedging
from brimline.core.lane import Attempt, Lane, Ticket
from brimline.core.limits import LimitSet, too_small
from brimline.core.permit import Binding, Demand, NotUntil, Permit, Reason
from brimline.core.quota import Quota
from brimline.core.retry import RetryPolicy, Rng
from brimline.core.scope import LimitScope, Scope
from brimline.core.steps import (
    IDLE,
    Divided,
    Final,
    NeedRequests,
    Start,
    Step,
    Stopped,
    Verdict,
    Wait,
)
from brimline.core.time import HOUR
from brimline.types import Fault, FaultKind, Request, Response

ONE = Demand()
DOWN = Reason("the endpoint does not answer")


class Scheduler:
    """Starts attempts as the limits allow.

    Args:
        policy: When a request is tried again.
        rng: For jitter.
        max_wait: The longest wait, ns, that a server may name before its model is given up.
        epoch: Unix time, ns, at which `now` is 0; outcomes carry Unix times.
    """

    def __init__(self, *, policy: RetryPolicy, rng: Rng, max_wait: int = HOUR, epoch: int = 0) -> None:
        self._policy = policy
        self._rng = rng
        self._max_wait = max_wait
        self._epoch = epoch
        self._scopes: dict[LimitScope, Scope] = {}
        self._health: dict[str, Health] = {}
        self._estimators: dict[str, Estimator] = {}
        self._lanes: dict[Lane, None] = {}
        self._hungry: deque[Lane] = deque()
        self._line: deque[Scope] = deque()
        self._timers: list[tuple[int, int, Scope | Ticket]] = []
        self._sequence = count()

    # Lanes and what waits in them.

    def open(
        self,
        run: object,
        model: str,
        key: LimitScope,
        limits: Callable[[], LimitSet],
        *,
        room: int,
        hedge: bool = False,
    ) -> Lane:
        """Open a lane for `model`; `limits` makes the scope's limits if the scope is new.

        With `hedge`, what is late at the lane's end gets a second attempt.
        """
        if key not in self._scopes:
            self._scopes[key] = Scope(key, limits())
            self._health.setdefault(key.endpoint, Health())
        self._estimators.setdefault(model, Estimator())
        hedging = Hedging() if hedge else None
        lane = Lane(run, model, self._scopes[key], room, hedging)
        if hedging is not None:
            lane.scope.hedged[lane] = hedging
        self._lanes[lane] = None
        self._hungry.append(lane)
        return lane

    def offer(
        self, lane: Lane, requests: Iterable[Request], *, answered: Sequence[tuple[Response, ...]] = ()
    ) -> list[Verdict]:
        """Queue requests; return verdicts on those that are not sent.

        `answered` gives, for each request, the responses that are known already: turns of its conversation that an
        earlier run has kept, or all of them. A request whose responses are all known is through.
        """
        lane.asked = False
        verdicts = []
        for index, request in enumerate(requests):
            ticket = Ticket(request, lane, answered[index] if answered else ())
            lane.open += 1
            verdict = self._admit(ticket, first=False)
            if verdict is not None:
                verdicts.append(verdict)
        if lane.wants:
            self._hungry.append(lane)
        return verdicts

    def divide(self, ticket: Ticket) -> list[Verdict]:
        """Queue the halves of a bundle before other requests, in its place; return verdicts on what is not sent."""
        lane = ticket.lane
        lane.open += 1
        verdicts = []
        for half in reversed(halves(ticket.request)):
            smaller = Ticket(half, lane)
            smaller.attempts = ticket.attempts
            if (verdict := self._admit(smaller, first=True)) is not None:
                verdicts.append(verdict)
        return verdicts

    def hold(self, lane: Lane) -> None:
        """Ask for nothing more until the next offer, if only of nothing."""
        lane.asked = True

    def exhaust(self, lane: Lane) -> None:
        """Note that the lane's source has no more requests."""
        lane.asked = False
        lane.exhausted = True
        self._review(lane)

    def close(self, lane: Lane, fault: Fault) -> tuple[Ticket, ...]:
        """Start nothing more of the lane; return its requests that are not in flight and get no outcome."""
        if lane.closed is not None:
            return ()
        lane.closed = fault
        self._lanes.pop(lane, None)
        self._step_out(lane)
        lane.scope.hedged.pop(lane, None)
        return lane.empty()

    def pause(self, lane: Lane) -> None:
        """Start nothing of the lane until `resume`; what is in flight ends, and what it answers is kept."""
        if not lane.paused:
            self._step_out(lane)
            lane.paused = True

    def resume(self, now: int, lane: Lane) -> None:
        """Go on with a paused lane, at once if its limits allow."""
        if not lane.paused:
            return
        lane.paused = False
        lane.scope.resume()
        self._health[lane.scope.key.endpoint].breaker.resume(now)
        self._review(lane)
        if lane.queue:
            lane.scope.lanes.append(lane)
            self._revise(lane.scope)

    def misfit(self, lane: Lane, quotas: Sequence[Quota]) -> str:
        """Say which request that waits could never be sent under these quotas; empty if all could."""
        for ticket in self._waiting(lane.scope):
            for request in parts_of(ticket.request):
                size = measure(request, ticket.responses)
                demand = self._estimators[ticket.lane.model].demand(size)
                if (quota := too_small(quotas, demand)) is not None:
                    return f"request {request.id!r} {_too_long(quota, demand)}"
        return ""

    def declare(self, now: int, lane: Lane, quotas: Sequence[Quota], concurrency: int | None) -> None:
        """Replace what is declared for the lane's scope; `misfit` is asked before.

        What left before counts in the new limits, and what is in flight stays good.
        """
        scope = lane.scope
        scope.limits.declare(now, quotas, concurrency)
        self._revise(scope)

    def _waiting(self, scope: Scope) -> Iterator[Ticket]:
        for lane in self._lanes:
            if lane.scope is scope:
                yield from lane.waiting()

    def _step_out(self, lane: Lane) -> None:
        """Take a lane out of those that are served."""
        self._review(lane)
        if lane.queue and not lane.paused:
            lane.scope.lanes.remove(lane)
            self._revise(lane.scope)  # it may have waited for what one of these needed

    def conclude(self, *tickets: Ticket) -> None:
        """Note that requests are through: their outcome is kept, or they were given up."""
        for ticket in tickets:
            ticket.lane.open -= 1

    def forget(self, lane: Lane) -> None:
        """Let go of a lane that is done."""
        self._lanes.pop(lane, None)
        lane.scope.hedged.pop(lane, None)

    # What to do next.

    def next(self, now: int) -> Step:
        """Return the next step; after `Wait` and `Idle` nothing changes until the time comes or something happens."""
        self._expire(now)
        while self._hungry:
            lane = self._hungry.popleft()
            if room := lane.wants:
                lane.asked = True
                return NeedRequests(lane, room)
        while self._line:
            scope = self._line[0]
            attempt = self._start(now, scope)
            if attempt is not None:
                self._line.rotate(-1)
                return Start(attempt)
            self._line.popleft()
            scope.ready = False
        self._expire(now)  # what was looked at again may have left a timer that means nothing any more
        return Wait(self._timers[0][0]) if self._timers else IDLE

    def _start(self, now: int, scope: Scope) -> Attempt | None:
        """Start the scope's next attempt, or note what is in its way."""
        lane = scope.pick()
        if lane is None:
            return self._hedge(now, scope)
        breaker = self._health[scope.key.endpoint].breaker
        when = breaker.earliest(now)
        if when is None or when > now:
            self._park(scope, when, DOWN)
            return None
        scope.limits.linger(now)
        ticket = lane.queue.peek()
        answer = self._acquire(now, ticket)
        if isinstance(answer, NotUntil):
            passing = self._pass(now, scope, ticket, answer)
            if isinstance(passing, NotUntil):
                scope.wants_slot = passing.is_slot
                self._park(scope, passing.when, answer.by)
                return None
            ticket, answer = passing
        scope.blocked, scope.wake_at = None, None
        return self._begin(ticket, answer, now=now, probe=breaker.start())

    def _pass(
        self, now: int, scope: Scope, large: Ticket, until: NotUntil
    ) -> tuple[Ticket, Permit] | NotUntil:
        """Let a smaller ticket pass one that waits for tokens, unless it has waited long; or say when to look again."""
        if not until.is_size or until.when is None:
            return until
        due = scope.passing_ends(now, large, until.when)
        if now >= due:
            return until
        for ticket in [small for lane in scope.lanes for small in lane.queue.smaller(large)]:
            answer = self._acquire(now, ticket, is_passing=True)
            if isinstance(answer, Permit):
                return ticket, answer
            if answer.when is not None and answer.when < min(until.when, due):
                until = answer
        return until

    def _begin(self, ticket: Ticket, permit: Permit, *, now: int, probe: bool) -> Attempt:
        """Take a ticket out of its queue and start its next attempt."""
        lane = ticket.lane
        lane.queue.remove(ticket)
        lane.scope.turn(lane)
        if lane.wants:
            self._hungry.append(lane)
        return _attempt(ticket, permit, now=now, probe=probe)

    def _acquire(self, now: int, ticket: Ticket, *, is_passing: bool = False) -> Permit | NotUntil:
        """Take what the ticket's next exchange needs."""
        limits = ticket.lane.scope.limits
        return limits.acquire(now, limits.fitted(self._demand(ticket)), is_passing=is_passing)

    def _hedge(self, now: int, scope: Scope) -> Attempt | None:
        """Start a second attempt beside the one that is late, where nothing waits; or note when one will be."""
        scope.blocked = None
        slowest = scope.slowest()
        breaker = self._health[scope.key.endpoint].breaker
        if slowest is None or breaker.is_open:
            return None
        when, late = slowest
        if when > now:
            scope.wants_slot = False
            self._park(scope, when, None)
            return None
        ticket = late.ticket
        scope.limits.linger(now)
        answer = self._acquire(now, ticket)
        if isinstance(answer, NotUntil):
            scope.wants_slot = answer.is_slot
            self._park(scope, answer.when, None)
            return None
        scope.wake_at = None
        hedge = _attempt(ticket, answer, now=now, probe=breaker.start())
        hedge.is_hedge = True
        scope.hedged[ticket.lane].pair(late, hedge)
        return hedge

    def _park(self, scope: Scope, when: int | None, by: Binding | None) -> None:
        """Look at the scope again at `when`; None: when a slot is released or a probe has ended."""
        scope.blocked = by
        if scope.wake_at != when:
            scope.wake_at = when
            if when is not None:
                heapq.heappush(self._timers, (when, next(self._sequence), scope))

    def _expire(self, now: int) -> None:
        """Act on timers that are due, and drop those that mean nothing any more."""
        timers = self._timers
        while timers:
            when, _, what = timers[0]
            stale = what.wake_at != when if isinstance(what, Scope) else what not in what.lane.later
            if when > now and not stale:
                return
            heapq.heappop(timers)
            if stale:
                continue
            if isinstance(what, Scope):
                what.wake_at = None
                self._ready(what)
            else:
                what.lane.later.discard(what)
                self._queue(what, first=True)

    def _queue(self, ticket: Ticket, *, first: bool) -> None:
        lane = ticket.lane
        if not lane.queue and not lane.paused:
            lane.scope.lanes.append(lane)
        if first:
            lane.queue.push_front(ticket)
        else:
            lane.queue.push(ticket)
        self._ready(lane.scope)

    def _ready(self, scope: Scope) -> None:
        if not scope.ready:
            scope.ready = True
            self._line.append(scope)

    def _revise(self, scope: Scope) -> None:
        """Look at a scope at once: what it waits for may come earlier than it was told."""
        scope.wake_at = None
        self._ready(scope)

    def _review(self, lane: Lane) -> None:
        """Look again when a lane's next hedge is due."""
        if lane.hedging is not None:
            self._revise(lane.scope)

    def _admit(self, ticket: Ticket, *, first: bool) -> Verdict | None:
        """Queue a ticket for its next exchange, or say why there is none."""
        lane = ticket.lane
        if lane.closed is not None:
            return self._drop(ticket)
        if ticket.is_answered:
            return Final(ticket, ticket.success(self._epoch))
        limits = lane.scope.limits
        ticket.size = measure(*ticket.following) if limits.counts_tokens else None
        verdict = self._refuse(ticket, self._demand(ticket))
        if verdict is None:
            self._queue(ticket, first=first)
        return verdict

    def _refuse(self, ticket: Ticket, demand: Demand) -> Final | Divided | None:
        """Fail a ticket that its limits can never hold, or let its halves be tried."""
        quota = ticket.lane.scope.limits.impossible(demand)
        if quota is None:
            return None
        fault = Fault(FaultKind.TOO_LONG, _too_long(quota, demand))
        if is_divisible(ticket.request, fault.kind):
            return Divided(ticket, fault)
        return self._finish(ticket, fault)

    def _demand(self, ticket: Ticket) -> Demand:
        """Return what the ticket's next exchange needs, as far as anybody limits it."""
        lane = ticket.lane
        limits = lane.scope.limits
        if not limits.counts_tokens:
            return ONE
        return self._estimators[lane.model].demand(ticket.measured)

    def _finish(self, ticket: Ticket, fault: Fault) -> Final:
        return Final(ticket, ticket.failure(fault, self._epoch))

    def _drop(self, ticket: Ticket) -> Stopped:
        """Give up a ticket of a closed lane without an outcome."""
        lane = ticket.lane
        assert lane.closed is not None
        return Stopped(lane.model, lane.closed, (ticket,))


def _too_long(quota: Quota, demand: Demand) -> str:
    return f"needs about {demand[quota.dimension]} tokens, more than {quota} ever allows"


def _attempt(ticket: Ticket, permit: Permit, *, now: int, probe: bool) -> Attempt:
    """Return the ticket's next attempt, numbered."""
    ticket.attempts += 1
    ticket.demand = permit.demand
    return Attempt(ticket, permit, started=now, probe=probe)
