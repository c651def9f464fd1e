"""The state of one LimitScope: its limits, the lanes that share them, and how the provider has refused it."""

from collections import deque
from dataclasses import dataclass

from brimline.core.lane import Attempt, Lane
from brimline.core.limits import LimitSet
from brimline.core.quota import Dimension
from brimline.core.retry import RetryPolicy, Rng
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind

STARVED = 15 * MINUTE
"""A scope that has had nothing but refusals for so long is given up."""

_DIMENSIONS = {"requests": Dimension.REQUESTS, "tokens": Dimension.TOKENS}


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
        lanes: Lanes that hold waiting tickets; the first is next among equals.
        ready: Whether it stands in the dispatcher's line.
        wake_at: When a timer is set to look at it again, ns, or None.
        blocked: What is in its way now, for people; empty if nothing is.
    """

    __slots__ = (
        "_held_at",
        "_refusals",
        "_refused_since",
        "blocked",
        "key",
        "lanes",
        "limits",
        "ready",
        "wake_at",
    )

    def __init__(self, key: LimitScope, limits: LimitSet) -> None:
        self.key = key
        self.limits = limits
        self.lanes: deque[Lane] = deque()
        self.ready = False
        self.wake_at: int | None = None
        self.blocked = ""
        self._refusals = 0
        self._held_at = -1
        self._refused_since: int | None = None

    def pick(self) -> Lane | None:
        """Return the lane to serve: the highest priority first, then each in turn."""
        if not self.lanes:
            return None
        if len(self.lanes) == 1:
            return self.lanes[0]
        return max(self.lanes, key=lambda lane: lane.queue.peek().request.priority)

    def turn(self, lane: Lane) -> None:
        """Put a lane that was served behind the others, or out of the line if nothing waits in it."""
        if len(self.lanes) == 1 and lane.queue:
            return
        self.lanes.remove(lane)
        if lane.queue:
            self.lanes.append(lane)

    def accept(self) -> None:
        """Note a reply that was no refusal."""
        self._refusals = 0
        self._refused_since = None

    def refuse(
        self, now: int, attempt: Attempt, fault: Fault, *, policy: RetryPolicy, rng: Rng, max_wait: int
    ) -> Fault | None:
        """Take a refusal as news about the server's bucket: hold everything until the moment it names.

        Where it names none, the wait grows with each burst of refusals; those in flight together are one burst.
        Returns why the scope is given up, or None.
        """
        if attempt.started > self._held_at:
            self._refusals += 1
            self._held_at = now
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since >= STARVED:
            return Fault(FaultKind.RATE_LIMITED, f"nothing but refusals for 15 minutes: {fault.detail}")
        if fault.retry_after is not None and fault.retry_after > max_wait:
            wait = fault.retry_after // SECOND
            return Fault(FaultKind.RATE_LIMITED, f"the provider asks to wait {wait} s: {fault.detail}")
        wait = policy.backoff(self._refusals, rng) if fault.retry_after is None else fault.retry_after
        dimension = _DIMENSIONS.get(fault.dimension or "")
        why = "refused (429), the provider says when" if fault.retry_after else "refused (429), backing off"
        self.limits.hold(now + wait, attempt.ticket.demand, why=why, dimension=dimension)
        return None

    def __repr__(self) -> str:
        return f"<Scope {self.key.name}: {self.limits!r} {self.blocked}>"
