"""What has left lately, remembered for limits that are declared while requests are under way.

A limiter knows no more than its own window, and nothing of what it does not count. A limit that is declared later
must hold what left before it, too. So everything that left is noted once, when its attempt is settled: by the
sixteenth of a second for as long as a minute, and by the minute and a half for as long as a day.
"""

from collections.abc import Iterator

from brimline.core.limiter import GUARD
from brimline.core.permit import Demand
from brimline.core.time import DAY, MINUTE

GRAINS = 1024
"""A span is told apart so finely; what left within a grain counts as late as its end."""


class Past:
    """What left in the last minute, finely, and in the last day, coarsely. Its size does not depend on how much."""

    __slots__ = ("_day", "_minute")

    def __init__(self) -> None:
        self._minute = _Span(MINUTE)
        self._day = _Span(DAY)

    def note(self, at: int, amounts: Demand) -> None:
        """Note that so much left at `at`, ns; in any order of time."""
        self._minute.note(at, amounts)
        self._day.note(at, amounts)

    def within(self, now: int, window: int) -> Iterator[tuple[int, Demand]]:
        """Yield when and how much left in a window that ends now, and in the guard before it."""
        span = self._minute if window <= MINUTE else self._day
        return span.since(now, now - window - GUARD)


class _Span:
    __slots__ = ("_amounts", "_grain", "_length", "_newest")

    def __init__(self, length: int) -> None:
        self._length = length + GUARD
        self._grain = length // GRAINS
        self._amounts: dict[int, Demand] = {}
        self._newest = 0

    def note(self, at: int, amounts: Demand) -> None:
        slot = -(-at // self._grain) * self._grain
        known = self._amounts.get(slot)
        if known is not None:
            amounts = known.plus(amounts)
        elif len(self._amounts) > 2 * GRAINS:
            self._forget()
        self._amounts[slot] = amounts
        self._newest = max(self._newest, slot)

    def since(self, now: int, start: int) -> Iterator[tuple[int, Demand]]:
        for slot, amounts in self._amounts.items():
            if slot > start:
                yield min(slot, now), amounts

    def _forget(self) -> None:
        start = self._newest - self._length - self._grain
        self._amounts = {slot: amounts for slot, amounts in self._amounts.items() if slot > start}
