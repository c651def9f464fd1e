"""What has left lately, remembered for limits that are declared while requests are under way.

A limiter knows no more than its own window, and nothing of what it does not count. A limit that is declared later
must hold what left before it, too. So everything that left is noted once, when its attempt is settled: by the
sixteenth of a second for a minute or more, and then by the minute and a half for as long as a day.
"""

from collections.abc import Iterable, Iterator

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
        for slot, passed in self._minute.note(at, amounts):
            self._day.note(slot, passed)

    def within(self, now: int, window: int) -> Iterator[tuple[int, Demand]]:
        """Yield when and how much left in a window that ends now, and in the guard before it."""
        start = now - window - GUARD
        yield from self._minute.since(now, start)
        yield from self._day.since(now, start)


class _Span:
    __slots__ = ("_amounts", "_grain", "_length", "_newest")

    def __init__(self, length: int) -> None:
        self._length = length + GUARD
        self._grain = length // GRAINS
        self._amounts: dict[int, Demand] = {}
        self._newest = 0

    def note(self, at: int, amounts: Demand) -> Iterable[tuple[int, Demand]]:
        """Note; return what is forgotten for it."""
        slot = -(-at // self._grain) * self._grain
        known = self._amounts.get(slot)
        forgotten: Iterable[tuple[int, Demand]] = ()
        if known is not None:
            amounts = known.plus(amounts)
        elif len(self._amounts) > 2 * GRAINS:
            forgotten = self._forget()
        self._amounts[slot] = amounts
        self._newest = max(self._newest, slot)
        return forgotten

    def since(self, now: int, start: int) -> Iterator[tuple[int, Demand]]:
        for slot, amounts in self._amounts.items():
            if slot > start:
                yield min(slot, now), amounts

    def _forget(self) -> list[tuple[int, Demand]]:
        start = self._newest - self._length - self._grain
        passed = [(slot, amounts) for slot, amounts in self._amounts.items() if slot <= start]
        for slot, _ in passed:
            del self._amounts[slot]
        return passed
