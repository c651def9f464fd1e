"""Routes: the ways to an answer. A lane has one, or several where its model reference names a pool or has fallbacks.

Theory of operation. The routes of a stage share one queue: whichever scope has allowance takes the next ticket, so
a pool is balanced by what is free and nothing has to be guessed. Where several could start at once, the one whose
turn comes first does. Turns are those of Webster's method (start tags (2n + 1) / 2w for the n-th attempt of weight w),
which keeps two or three members within one request of their share. A member that could not start for a while does
not catch up: its limits were in the way, and the others have answered.

A fallback is the next stage of the same lane. So whatever serves a request, it stays in the lane where it was asked
for, and who feeds, pauses, closes or counts that lane need not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brimline.core.limits import LimitSet
from brimline.core.queue import Queue
from brimline.types import Fault

if TYPE_CHECKING:
    from brimline.core.lane import Lane
    from brimline.core.scope import LimitScope, Scope


@dataclass(frozen=True, slots=True)
class Way:
    """What a route is made of.

    Attributes:
        model: The model reference that answers.
        key: Whose limits it needs.
        limits: Makes the limits of that scope if it is new.
        weight: Its share of its pool, above 0.
    """

    model: str
    key: "LimitScope"
    limits: Callable[[], LimitSet]
    weight: float = 1


class Route:
    """A model at an endpoint that may answer what waits in a stage.

    Attributes:
        stage: What waits for it and for its siblings.
        model: The model reference that answers.
        scope: Whose limits it needs.
        weight: Its share of its pool.
        turn: When it is next among siblings that could start; the lowest is first.
    """

    __slots__ = ("model", "scope", "stage", "turn", "weight")

    def __init__(self, stage: "Stage", model: str, scope: "Scope", weight: float) -> None:
        self.stage = stage
        self.model = model
        self.scope = scope
        self.weight = weight
        self.turn = 0.5 / weight

    def __repr__(self) -> str:
        return f"<Route {self.model}>"


class Stage:
    """Routes that share one queue: the members of a pool, or the only one.

    Attributes:
        lane: Whose it is.
        model: The model reference that names it.
        queue: Tickets that may start as soon as the limits of a route allow.
        members: All its routes.
        routes: Those that have not stopped.
        is_pool: Whether a ticket may start in several ways.
        following: The stage that a ticket falls back to, or None.
        stopped: Why its last route has stopped and what that was, or None.
    """

    __slots__ = ("_turn", "following", "is_pool", "lane", "members", "model", "queue", "routes", "stopped")

    def __init__(self, lane: "Lane", model: str) -> None:
        self.lane = lane
        self.model = model
        self.queue = Queue()
        self.members: list[Route] = []
        self.routes: list[Route] = []
        self.is_pool = False
        self.following: Stage | None = None
        self.stopped: tuple[str, Fault] | None = None
        self._turn = 0.0

    def add(self, route: Route) -> None:
        """Add a route."""
        self.members.append(route)
        self.routes.append(route)
        self.is_pool = len(self.routes) > 1

    def remove(self, route: Route) -> None:
        """Note that a route has stopped."""
        self.routes.remove(route)
        self.is_pool = len(self.routes) > 1

    @property
    def counts_tokens(self) -> bool:
        """Whether anybody limits tokens."""
        for route in self.routes:  # noqa: SIM110  `any` costs half a microsecond a request
            if route.scope.limits.counts_tokens:
                return True
        return False

    def fallback(self) -> "Stage | None":
        """Return the next stage that goes on, or the last one if all have stopped; None if there is none."""
        stage = self.following
        while stage is not None and not stage.routes and stage.following is not None:
            stage = stage.following
        return stage

    def first(self, now: int, route: Route) -> Route:
        """Return which of those that may be able to start now goes first; `route` is one of them."""
        ready = [other for other in self.routes if other is route or self._is_ready(now, other)]
        return min(ready, key=self._due)

    def took(self, route: Route) -> None:
        """Note that a route has taken a ticket."""
        self._turn = max(self._turn, self._due(route))
        route.turn = self._due(route) + 1 / route.weight

    def _due(self, route: Route) -> float:
        """Return a route's turn; the turns that it could not take are gone."""
        return max(route.turn, self._turn)

    def _is_ready(self, now: int, route: Route) -> bool:
        """Whether a route may be able to start, and would take its next ticket from here."""
        picked = route.scope.pick(now) if route.scope.ready else None
        return picked is not None and picked.stage is self

    def __repr__(self) -> str:
        return f"<Stage {self.model} {self.routes}: {len(self.queue)} waiting>"
