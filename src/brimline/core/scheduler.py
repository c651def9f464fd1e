"""The scheduler: which attempt starts next.

Theory of operation. It holds scopes (whose quota), each with lanes (whose requests). A scope that can
do something stands in `_line` and is served in turn; a scope that cannot is out of the line and comes back by one
of three ways: a timer, because a limiter or a breaker named the nanosecond; a release, because it waited for a
slot; an offer, because it had no requests. So nothing polls, no step looks at everything, and a step costs the
same whether a thousand or a million requests wait.

It is pure: time comes in as `now`, nanoseconds on any clock that does not go back. The engine performs the steps.
"""

import heapq

from brimline.core.lane import Attempt, Ticket
from brimline.core.lanes import Lanes
from brimline.core.permit import Binding, NotUntil, Permit, Reason
from brimline.core.route import Route
from brimline.core.scope import Scope
from brimline.core.steps import IDLE, NeedRequests, Start, Step, Wait

DOWN = Reason("the endpoint does not answer")
OTHERS = Reason("requests that only others of the pool can take")
NEVER = 1 << 80


class Scheduler(Lanes):
    """Starts attempts as the limits allow."""

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
            route = scope.pick(now)
            if route is not None and route.stage.is_pool:
                route = route.stage.first(now, route)
                if route.scope is not scope:
                    scope = self._go_ahead(route.scope)
            attempt = self._hedge(now, scope) if route is None else self._start(now, route)
            if attempt is not None:
                self._line.rotate(-1)
                return Start(attempt)
            self._line.popleft()
            scope.ready = False
        self._expire(now)  # what was looked at again may have left a timer that means nothing any more
        return Wait(self._timers[0][0]) if self._timers else IDLE

    def _go_ahead(self, scope: Scope) -> Scope:
        """Put a scope that stands in the line at its head."""
        self._line.remove(scope)
        self._line.appendleft(scope)
        return scope

    def _start(self, now: int, route: Route) -> Attempt | None:
        """Start the next attempt on a route, or note what is in its way."""
        scope = route.scope
        breaker = self._health[scope.key.endpoint].breaker
        when = breaker.earliest(now)
        if when is None or when > now:
            self._park(scope, when, DOWN)
            return None
        scope.limits.linger(now)
        ticket = route.stage.queue.peek()
        answer = self._acquire(now, route, ticket)
        if isinstance(answer, NotUntil):
            passing = self._pass(now, route, ticket, answer)
            if isinstance(passing, NotUntil):
                scope.wants_slot = passing.is_slot
                self._park(scope, passing.when, answer.by)
                return None
            route, ticket, answer = passing
        scope.blocked, scope.wake_at = None, None
        return self._begin(route, ticket, answer, now=now, probe=breaker.start())

    def _pass(
        self, now: int, route: Route, large: Ticket, until: NotUntil
    ) -> tuple[Route, Ticket, Permit] | NotUntil:
        """Let a smaller ticket pass one that waits for tokens, unless it has waited long; or say when to look again.

        One that waits for others of its pool alone (`when` is None) may be passed for as long as it takes.
        """
        if not until.is_size:
            return until
        scope, due = route.scope, NEVER
        if until.when is not None:
            due = scope.passing_ends(now, large, until.when)
        if now >= due:
            return until
        small = [(one, ticket) for one in scope.routes for ticket in one.stage.queue.smaller(large)]
        for way, ticket in small:
            answer = self._acquire(now, way, ticket, is_passing=True)
            if isinstance(answer, Permit):
                return way, ticket, answer
            if answer.when is not None and answer.when < min(until.when or NEVER, due):
                until = answer
        return until

    def _begin(self, route: Route, ticket: Ticket, permit: Permit, *, now: int, probe: bool) -> Attempt:
        """Take a ticket out of its queue and start its next attempt."""
        stage = route.stage
        stage.queue.remove(ticket)
        route.scope.turn(route)
        if stage.is_pool:
            self._tell_siblings(route)
        if stage.lane.wants:
            self._hungry.append(stage.lane)
        return _attempt(ticket, route, permit, now=now, probe=probe)

    def _tell_siblings(self, route: Route) -> None:
        """The others of a pool have a ticket less; one that waited for that may be able to start another one."""
        stage = route.stage
        stage.took(route)
        for other in stage.routes:
            if other is not route:
                if not stage.queue:
                    other.scope.routes.remove(other)
                if not stage.queue or other.scope.limits.counts_tokens:
                    self._revise(other.scope)

    def _acquire(
        self, now: int, route: Route, ticket: Ticket, *, is_passing: bool = False
    ) -> Permit | NotUntil:
        """Take what the ticket's next exchange needs."""
        limits, gate = route.scope.limits, route.stage.lane.gate
        demand = self._demand(route, ticket)
        if route.stage.is_pool and limits.impossible(demand) and self._fits_elsewhere(route, ticket):
            return NotUntil(None, OTHERS, is_size=True)
        if gate is not None and (shut := gate.opens(now)) is not None:
            return shut
        answer = limits.acquire(now, limits.fitted(demand), is_passing=is_passing)
        if gate is not None and isinstance(answer, Permit):
            gate.enter(now, answer)
        return answer

    def _hedge(self, now: int, scope: Scope) -> Attempt | None:
        """Start a second attempt beside the one that is late, where nothing waits; or note when one will be."""
        scope.blocked = None
        if scope.routes and (shut := scope.shut(now)) is not None:
            scope.wants_slot = False
            self._park(scope, shut.when, shut.by)
            return None
        slowest = scope.slowest()
        breaker = self._health[scope.key.endpoint].breaker
        if slowest is None or breaker.is_open:
            return None
        when, late, route = slowest
        if when > now:
            scope.wants_slot = False
            self._park(scope, when, None)
            return None
        ticket = late.ticket
        scope.limits.linger(now)
        answer = self._acquire(now, route, ticket)
        if isinstance(answer, NotUntil):
            scope.wants_slot = answer.is_slot
            self._park(scope, answer.when, None)
            return None
        scope.wake_at = None
        hedge = _attempt(ticket, route, answer, now=now, probe=breaker.start())
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
            stale = (what.wake_at if isinstance(what, Scope) else what.lane.later.get(what)) != when
            if when > now and not stale:
                return
            heapq.heappop(timers)
            if stale:
                continue
            if isinstance(what, Scope):
                what.wake_at = None
                self._ready(what)
            else:
                del what.lane.later[what]
                self._queue(what, first=True)


def _attempt(ticket: Ticket, route: Route, permit: Permit, *, now: int, probe: bool) -> Attempt:
    """Return the ticket's next attempt, numbered."""
    ticket.attempts += 1
    ticket.demand = permit.demand
    ticket.served_by = route.model
    return Attempt(ticket, route, permit, started=now, probe=probe)
