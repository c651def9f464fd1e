"""What is learned of limits that nobody names: rates and concurrency apart.

A refusal may mean that too much was sent in a span of time, or that too much was in flight at once, and servers
rarely say which. If it is the number in flight, then no attempt that was accepted had as many beside it as the one
that was refused. So the first refusal counts for both; a later one counts for the crowd if it was larger than any
that was accepted lately, and else for the pace, and clears the crowd.
"""

from collections import deque

from brimline.core.crowd import FIRST, LEAST, Crowd
from brimline.core.pace import Pace
from brimline.core.permit import Permit
from brimline.core.strain import Strain

MOST = 1024
"""Nobody has more in flight than this, unless it is declared."""

CROWDED = 3
"""After so many bursts in a row that spoke of the crowd, what was learned of the pace is forgotten."""


class Learned:
    """What is learned of one scope.

    Args:
        concurrency: What is declared: where to begin, and never to go beyond; None: nothing.
        is_paced: Whether a rate is declared: then nothing has to be tried out from below.

    Attributes:
        crowd: How many may be in flight.
        paces: The rates that were found, by their place in a `Demand`.
    """

    __slots__ = ("_burst_at", "_crowded", "_declared", "_sent", "_strain", "crowd", "paces")

    def __init__(self, concurrency: int | None = None, *, is_paced: bool = False) -> None:
        first = FIRST if concurrency is None and not is_paced else concurrency or MOST
        self.paces = {0: Pace(0)}
        self._crowd(concurrency, first)
        self._sent = 0
        self._burst_at = -1
        self._crowded: deque[bool] = deque(maxlen=CROWDED)

    def _crowd(self, concurrency: int | None, first: float) -> None:
        self.crowd = Crowd(concurrency or MOST, first)
        self._strain = Strain() if concurrency is None else None
        self._declared = concurrency

    def declare(self, concurrency: int | None) -> None:
        """Take another concurrency as declared; rates that were found are kept, and a crowd of nobody's choice."""
        if concurrency != self._declared:
            self._crowd(concurrency, self.crowd.size if concurrency is None else concurrency)

    def take(self, now: int, permit: Permit) -> None:
        """Note an attempt that goes."""
        self._sent = permit.marks.requests
        self.crowd.start(now, permit.in_flight)
        for place, pace in self.paces.items():
            pace.take(now, permit.demand[place], permit.marks[place])

    def accept(self, now: int, permit: Permit, output_tokens: int) -> None:
        """Note an answer."""
        crowd, strain = self.crowd, self._strain
        crowd.accept(
            now, permit.started, permit.in_flight, most=crowd.most if strain is None else strain.most
        )
        if strain is not None:
            size = strain.note(now, permit, self._sent, output_tokens, crowd.size)
            if size is not None:
                crowd.cut(now, size)

    def hold(self, until: int) -> None:
        """Note that nothing goes before `until`."""
        for pace in self.paces.values():
            pace.hold(until)

    def is_beyond(self, permit: Permit) -> bool:
        """Whether an attempt tried whether there is room for more than were accepted, where that was refused before."""
        return self.crowd.ceiling is not None and permit.in_flight > self.crowd.accepted

    def refuse(self, now: int, permit: Permit, place: int, *, is_named: bool) -> bool:
        """Learn from a refusal; return whether a pace is known, so that nothing has to be held back.

        Args:
            now: When it came, ns.
            permit: Whose it is.
            place: What ran out: its place in a `Demand`.
            is_named: Whether the server names a wait.
        """
        pace = self.paces.setdefault(place, Pace(place))
        amount, mark = permit.demand[place], permit.marks[place]
        if permit.started <= self._burst_at:
            pace.count(amount)
            return pace.found is not None
        is_first = self._burst_at < 0
        self._burst_at = now
        was_full = permit.in_flight >= int(self.crowd.size)
        least = LEAST if self.crowd.accepted else 0  # it cannot shrink any more, so it is not to blame
        is_crowded = place == 0 and permit.in_flight > max(self.crowd.accepted, least)
        self._crowded.append(is_crowded)
        if all(self._crowded) and len(self._crowded) == CROWDED:
            pace.forget()
        if is_crowded and not is_first and (pace.found is None or was_full):
            pace.count(amount)
            self.crowd.cut(now, permit.in_flight - 1, is_refused=True)
            return False
        if not is_crowded:
            self.crowd.release(now)
        elif not is_named:
            self.crowd.cut(now, permit.in_flight - 1, is_refused=True)
        pace.refuse(now, permit.started, mark, amount, guess=not is_named)
        if not is_named:
            pace.skip(now, amount)
        return pace.found is not None
