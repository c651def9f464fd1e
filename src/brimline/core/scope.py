"""The state of one LimitScope: its limits, the lanes that share them, and how the provider has refused it."""

from collections import deque
from dataclasses import dataclass

from brimline.core.hedging import Hedging
from brimline.core.lane import Attempt, Lane, Ticket
from brimline.core.limits import PLACES, LimitSet
from brimline.core.permit import Binding, NotUntil
from brimline.core.retry import RetryAt, RetryPolicy, Rng
from brimline.core.route import Route
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind

STARVED = 15 * MINUTE
"""A scope that has had nothing but refusals for so long is given up."""

LONGEST = 5 * SECOND
"""A scope whose server names no wait is tried again after this time at the latest: a refusal costs nothing."""

PASSING = 2
"""Smaller requests pass a large one for so many times what it would have waited without them."""

ODD = 10
ODD_AMONG = 50
"""So many refusals among so many attempts are no accident, whatever is advertised."""


@dataclass(frozen=True, slots=True)
class LimitScope:
    """Whose quota it is: a model at an endpoint, or models of an endpoint that share one under a name."""

    endpoint: str
    name: str


class Scope:
    """What shares one quota.

    Attributes:
        key: Whose quota it is.
        limits: The quotas and the concurrency.
        routes: Routes for which tickets wait; the first is next among equals.
        hedged: Lanes that get hedges at their end.
        ready: Whether it stands in the dispatcher's line.
        wake_at: When a timer is set to look at it again, ns, or None.
        blocked: What is in its way now, or None.
        wants_slot: Whether a slot that is released may clear the way.
    """

    __slots__ = (
        "_due",
        "_held_at",
        "_large",
        "_odd",
        "_refusals",
        "_refused_since",
        "blocked",
        "hedged",
        "key",
        "limits",
        "ready",
        "routes",
        "wake_at",
        "wants_slot",
    )

    def __init__(self, key: LimitScope, limits: LimitSet) -> None:
        self.key = key
        self.limits = limits
        self.routes: deque[Route] = deque()
        self.hedged: dict[Lane, Hedging] = {}
        self.ready = False
        self.wants_slot = False
        self.wake_at: int | None = None
        self.blocked: Binding | None = None
        self._refusals = 0
        self._held_at = -1
        self._large: Ticket | None = None
        self._due = 0
        self._odd: deque[int] = deque(maxlen=ODD)
        self._refused_since: int | None = None

    def pick(self, now: int) -> Route | None:
        """Return the route to serve of those whose gate is open: the highest priority first, then each in turn."""
        if len(self.routes) == 1:
            gate = self.routes[0].stage.lane.gate
            return self.routes[0] if gate is None or gate.opens(now) is None else None
        open_ = [route for route in self.routes if not (gate := route.stage.lane.gate) or not gate.opens(now)]
        return max(open_, key=lambda route: route.stage.queue.peek().request.priority, default=None)

    def shut(self, now: int) -> NotUntil | None:
        """Return when the first gate opens where all lanes that wait stand before one; None: none does."""
        ways = [gate.opens(now) for route in self.routes if (gate := route.stage.lane.gate) is not None]
        return min(filter(None, ways), key=lambda until: until.when or 0, default=None)

    def turn(self, route: Route) -> None:
        """Put a route that was served behind the others, or out of the line if nothing waits for it."""
        if len(self.routes) == 1 and route.stage.queue:
            return
        self.routes.remove(route)
        if route.stage.queue:
            self.routes.append(route)

    def slowest(self) -> tuple[int, Attempt, Route] | None:
        """Return which attempt gets the next hedge, when, ns, and on which route of this scope; None as things are."""
        dues = [
            (*due, route)
            for lane, hedging in self.hedged.items()
            if lane.is_ending and (due := hedging.due()) and (route := self._beside(due[1]))
        ]
        return min(dues, key=lambda due: due[0], default=None)

    def _beside(self, late: Attempt) -> Route | None:
        """Return the route of this scope for a hedge: another one than that of the attempt where there is one."""
        routes = late.ticket.stage.routes
        others = [route for route in routes if route is not late.route] or routes
        return next((route for route in others if route.scope is self), None)

    def passing_ends(self, now: int, large: Ticket, when: int) -> int:
        """Return until when smaller requests may go before one that cannot go until `when`; then it is due."""
        if self._large is not large:
            self._large, self._due = large, now + PASSING * (when - now)
        return self._due

    def accept(self) -> None:
        """Note a reply that was no refusal."""
        self._refusals = 0
        self._refused_since = None

    def resume(self) -> None:
        """Be patient anew: while it was paused nothing could be accepted."""
        self._refused_since = None

    def refuse(
        self, now: int, attempt: Attempt, fault: Fault, *, policy: RetryPolicy, rng: Rng, max_wait: int
    ) -> RetryAt | Fault:
        """Take a refusal as news about the server's limits: hold everything until the moment it names.

        Where it names none, the flow goes on at the pace that is known, or the wait grows with each burst of
        refusals; those in flight together are one burst. A refusal in spite of plenty concerns its request alone.
        Returns when that is tried again, or why the scope is given up.
        """
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since >= STARVED:
            return Fault(FaultKind.RATE_LIMITED, f"nothing but refusals for 15 minutes: {fault.detail}")
        named = fault.retry_after
        if named is not None and named > max_wait:
            wait = named // SECOND
            return Fault(FaultKind.RATE_LIMITED, f"the provider asks to wait {wait} s: {fault.detail}")
        permit = attempt.permit
        if named is None and self.limits.has_plenty(now, permit) and self._is_odd(attempt):
            return RetryAt(now + policy.backoff(1, rng))
        place = PLACES.get(fault.dimension or "")
        is_known = self.limits.refuse(now, permit, place, attempt.adverts, is_named=named is not None)
        if is_known and named is None:
            return RetryAt(now)
        if attempt.started > self._held_at:
            self._refusals += 1
            self._held_at = now
        wait = min(policy.backoff(self._refusals, rng), LONGEST) if named is None else named
        why = "refused (429), backing off" if named is None else "refused (429), the provider says when"
        self.limits.hold(now + wait, permit.demand, why=why, dimension=fault.dimension)
        return RetryAt(now)

    def _is_odd(self, attempt: Attempt) -> bool:
        """Whether refusals in spite of plenty are few."""
        number = attempt.permit.marks.requests
        self._odd.append(number)
        return len(self._odd) < ODD or number - self._odd[0] > ODD_AMONG

    def __repr__(self) -> str:
        return f"<Scope {self.key.name}: {self.limits!r} {self.blocked}>"
