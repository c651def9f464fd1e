"""The lanes and what waits in them: where each ticket stands, and where it goes when it cannot be answered there.

The first of three parts: here tickets are queued, `scheduler.py` starts them, `dispatcher.py` settles them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from brimline.core.bundle import halves, is_divisible, parts_of
from brimline.core.estimate import Estimator, measure
from brimline.core.gate import Gate, Group
from brimline.core.health import Health
from brimline.core.hedging import Hedging
from brimline.core.lane import Lane, Ticket
from brimline.core.limits import too_small
from brimline.core.permit import Demand
from brimline.core.quota import Quota
from brimline.core.retry import RetryPolicy, Rng
from brimline.core.route import Route, Stage, Way
from brimline.core.scope import LimitScope, Scope
from brimline.core.steps import Divided, Final, Stopped, Verdict
from brimline.core.time import HOUR
from brimline.types import Fault, FaultKind, Request, Response

ONE = Demand()


class Lanes:
    """Holds scopes, lanes and their tickets.

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
        self._gates: dict[str, Gate] = {}
        self._health: dict[str, Health] = {}
        self._estimators: dict[str, Estimator] = {}
        self._lanes: dict[Lane, None] = {}
        self._hungry: deque[Lane] = deque()
        self._line: deque[Scope] = deque()
        self._timers: list[tuple[int, int, Scope | Ticket]] = []
        self._sequence = count()

    def open(
        self,
        run: object,
        model: str,
        ways: Sequence[Way],
        *,
        room: int,
        hedge: bool = False,
        fallbacks: Sequence[tuple[str, Sequence[Way]]] = (),
        falls_on: frozenset[FaultKind] = frozenset(),
        group: Group | None = None,
    ) -> Lane:
        """Open a lane for `model`, which is answered in any of these ways.

        Args:
            run: Whose it is.
            model: The model reference.
            ways: Who may answer; several are a pool.
            room: How many requests it likes to hold at least.
            hedge: Whether what is late at the lane's end gets a second attempt.
            fallbacks: Where requests go on in order, by model reference.
            falls_on: For which kinds of faults they do.
            group: The group that its requests are in, or None.
        """
        lane = Lane(run, model, room, Hedging() if hedge else None, falls_on)
        if group is not None:
            if group.name not in self._gates:
                self._gates[group.name] = group.limits()
            lane.join(group.name, self._gates[group.name])
        self._equip(lane.entry, ways)
        for name, others in fallbacks:
            self._equip(lane.add_fallback(name), others)
        self._lanes[lane] = None
        self._hungry.append(lane)
        return lane

    def _equip(self, stage: Stage, ways: Sequence[Way]) -> None:
        """Give a stage its routes."""
        for way in ways:
            if way.key not in self._scopes:
                self._scopes[way.key] = Scope(way.key, way.limits())
                self._health.setdefault(way.key.endpoint, Health())
            self._estimators.setdefault(way.model, Estimator())
            scope = self._scopes[way.key]
            stage.add(Route(stage, way.model, scope, way.weight))
            if stage.lane.hedging is not None:
                scope.hedged[stage.lane] = stage.lane.hedging

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
            smaller.stage, smaller.earlier = ticket.stage, ticket.earlier
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
        self._step_out(lane)
        self.forget(lane)
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
        for route in lane.routes:
            route.scope.resume()
            self._health[route.scope.key.endpoint].breaker.resume(now)
            if route.stage.queue:
                route.scope.routes.append(route)
                self._revise(route.scope)
        self._review(lane)

    def misfit(self, scope: Scope, quotas: Sequence[Quota]) -> str:
        """Say which request that waits could never be sent under these quotas; empty if all could."""
        for route, ticket in self._waiting(scope):
            for request in parts_of(ticket.request):
                demand = self._estimators[route.model].demand(measure(request, ticket.responses))
                quota = too_small(quotas, demand)
                if quota is not None and not self._fits_elsewhere(route, ticket):
                    return f"request {request.id!r} {_too_long(quota, demand)}"
        return ""

    def declare(self, now: int, scope: Scope, quotas: Sequence[Quota], concurrency: int | None) -> None:
        """Replace what is declared for a scope; `misfit` is asked before.

        What left before counts in the new limits, and what is in flight stays good.
        """
        scope.limits.declare(now, quotas, concurrency)
        self._revise(scope)
        for lane in self._lanes:
            for route in lane.routes:
                if route.scope is scope:
                    self._tell(route.stage)

    def _waiting(self, scope: Scope) -> Iterator[tuple[Route, Ticket]]:
        for lane in self._lanes:
            ways = {route.stage: route for route in lane.routes if route.scope is scope}
            for ticket in lane.waiting() if ways else ():
                if ticket.stage in ways:
                    yield ways[ticket.stage], ticket

    def _step_out(self, lane: Lane) -> None:
        """Take a lane out of those that are served."""
        self._review(lane)
        for route in lane.routes:
            self._unline(route)

    def _unline(self, route: Route) -> None:
        """Take a route out of those that are served in its scope."""
        if route.stage.queue and not route.stage.lane.paused:
            route.scope.routes.remove(route)
            self._revise(route.scope)  # it may have waited for what one of these needed

    def conclude(self, *tickets: Ticket) -> None:
        """Note that requests are through: their outcome is kept, or they were given up."""
        for ticket in tickets:
            ticket.lane.open -= 1

    def forget(self, lane: Lane) -> None:
        """Let go of a lane that is done."""
        self._lanes.pop(lane, None)
        if lane.hedging is not None:
            for scope in self._scopes.values():
                scope.hedged.pop(lane, None)

    # Where a ticket stands, and where it goes from there.

    def _queue(self, ticket: Ticket, *, first: bool) -> None:
        stage = ticket.stage
        is_first = not stage.queue and not stage.lane.paused
        if first:
            stage.queue.push_front(ticket)
        else:
            stage.queue.push(ticket)
        for route in stage.routes:
            scope = route.scope
            if is_first:
                scope.routes.append(route)
            if not scope.ready:
                self._ready(scope)

    def _ready(self, scope: Scope) -> None:
        if not scope.ready:
            scope.ready = True
            self._line.append(scope)

    def _revise(self, scope: Scope) -> None:
        """Look at a scope at once: what it waits for may come earlier than it was told."""
        scope.wake_at = None
        self._ready(scope)

    def _tell(self, stage: Stage) -> None:
        """Let every route of a stage look again at what waits there."""
        for route in stage.routes:
            self._revise(route.scope)

    def _review(self, lane: Lane) -> None:
        """Look again when a lane's next hedge is due."""
        if lane.hedging is not None:
            for route in lane.routes:
                self._revise(route.scope)

    def _admit(self, ticket: Ticket, *, first: bool) -> Verdict | None:
        """Queue a ticket for its next exchange, or say why there is none."""
        if ticket.lane.closed is not None:
            return self._drop(ticket)
        if ticket.is_answered:
            return Final(ticket, ticket.success(self._epoch))
        stage = ticket.stage
        if not stage.routes:
            return self._leave(ticket)
        ticket.size = measure(*ticket.following) if stage.counts_tokens else None
        fault = self._impossible(ticket)
        if fault is not None:
            return self._fall(ticket, stage.model, fault)
        self._queue(ticket, first=first)
        return None

    def _impossible(self, ticket: Ticket, demand: Demand | None = None) -> Fault | None:
        """Say why no limits of its stage could ever hold a ticket, or None."""
        quota, needed = None, demand
        for route in ticket.stage.routes:
            needed = demand or self._demand(route, ticket)
            quota = route.scope.limits.impossible(needed)
            if quota is None:
                return None
        return None if quota is None else Fault(FaultKind.TOO_LONG, _too_long(quota, needed or ONE))

    def _demand(self, route: Route, ticket: Ticket) -> Demand:
        """Return what the ticket's next exchange needs on a route, as far as anybody limits it."""
        if not route.scope.limits.counts_tokens:
            return ONE
        return self._estimators[route.model].demand(ticket.measured)

    def _fits_elsewhere(self, route: Route, ticket: Ticket) -> bool:
        """Whether another one of a pool can send what this route can not."""
        return any(
            other.scope.limits.impossible(self._demand(other, ticket)) is None
            for other in route.stage.routes
            if other.scope is not route.scope
        )

    def _leave(self, ticket: Ticket) -> Verdict | None:
        """Let a ticket go on that has come back to a stage which has stopped meanwhile."""
        assert ticket.stage.stopped is not None
        what, fault = ticket.stage.stopped
        if fault.kind in ticket.lane.falls_on and ticket.stage.following is not None:
            return self._fall(ticket, what, fault)
        return Stopped(what, fault, (ticket,))

    def _fall(self, ticket: Ticket, what: str, fault: Fault) -> Verdict | None:
        """Let a ticket go on in the stage of its next fallback after `what` has failed; or say that it has failed.

        Of a bundle, where one of its requests may be to blame, the halves are tried before.
        Where its fallbacks have stopped it gets no outcome: they may answer it in another run.
        """
        if is_divisible(ticket.request, fault.kind):
            return Divided(ticket, fault)
        fallback = ticket.stage.fallback() if fault.kind in ticket.lane.falls_on else None
        if fallback is None:
            return self._finish(ticket, fault)
        ticket.fall(fallback, what, fault)
        return self._admit(ticket, first=True)

    def _finish(self, ticket: Ticket, fault: Fault) -> Final:
        return Final(ticket, ticket.failure(fault, self._epoch))

    def _drop(self, ticket: Ticket) -> Stopped:
        """Give up a ticket of a closed lane without an outcome."""
        lane = ticket.lane
        assert lane.closed is not None
        return Stopped(lane.model, lane.closed, (ticket,))


def _too_long(quota: Quota, demand: Demand) -> str:
    return f"needs about {demand[quota.dimension]} tokens, more than {quota} ever allows"
