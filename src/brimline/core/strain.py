"""The strain: how much slower a server answers for being asked more at once.

Some servers never refuse (vLLM, Ollama, llama.cpp): what they cannot do at once they queue, and more in flight only
makes everything slower. How long an answer takes says little by itself, since long answers take long; so it is
compared with what an answer of that length took before the server was loaded: a time to begin and a time per output
token, fitted while the crowd was small. A difference counts only if it is larger than chance would make it, and
larger than `FLOOR`, which is nothing to a model and much to a network.

Where the crowd is kept small for that reason, it is halved for one round now and then, to see whether the server has
become faster or slower by itself (as BBR does; Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016).
"""

import math

from brimline.core.crowd import FIRST
from brimline.core.permit import Permit
from brimline.core.time import MILLISECOND, MINUTE, SECOND

NOTICE = 0.05
"""The crowd does not grow while answers take this share longer than without load."""

TOO_MUCH = 0.15
"""It shrinks when they take this share longer."""

FLOOR = 20 * MILLISECOND / SECOND
"""Seconds that are no strain."""

CHANCE = 2.5
"""Standard errors that a difference must exceed."""

SAMPLE = 8
"""A round is of so many attempts or more."""

COMPLETE = 0.9
"""A round is judged when this share of it is answered."""

LOST = 4
"""A round that is still not complete when so many times as many have been sent is given up."""

PROOF = 24
"""From fewer the crowd may be kept from growing, but it does not shrink."""

STALE = 5 * MINUTE
"""What was fitted is looked at again after this time."""


class _Fit:
    """Answers, as a line: seconds over output tokens. Sums only."""

    __slots__ = ("count", "xs", "xx", "xy", "ys", "yy")

    def __init__(self) -> None:
        self.count = 0
        self.xs = self.xx = self.ys = self.yy = self.xy = 0.0

    def add(self, x: float, y: float) -> None:
        self.count += 1
        self.xs += x
        self.ys += y
        self.xx += x * x
        self.yy += y * y
        self.xy += x * y

    def merge(self, other: "_Fit") -> None:
        self.count += other.count
        for name in ("xs", "xx", "ys", "yy", "xy"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def line(self) -> tuple[float, float]:
        """Seconds to begin, and seconds per token; neither is below 0."""
        mean_x, mean_y = self.xs / self.count, self.ys / self.count
        spread = self.xx - self.count * mean_x**2
        slope = (self.xy - self.count * mean_x * mean_y) / spread if spread > 1e-9 * self.xx else 0.0
        slope = min(max(slope, 0.0), mean_y / mean_x if mean_x else 0.0)
        return mean_y - slope * mean_x, slope

    def error(self, line: tuple[float, float]) -> float:
        """Return the standard error of the mean difference from a line, seconds."""
        start, slope = line
        square = (
            self.yy + self.count * start**2 + slope**2 * self.xx
            - 2 * start * self.ys - 2 * slope * self.xy + 2 * start * slope * self.xs
        )  # fmt: skip
        mean = (self.ys - slope * self.xs) / self.count - start
        return math.sqrt(max(0.0, square / self.count - mean**2) / self.count)


class Strain:
    """Judges a crowd by its answers.

    A round is made of attempts that were sent one after another, and judged when nearly all of them are answered: the
    first answers to come are the fast ones, and tell nothing.

    Attributes:
        proven: The largest crowd that showed none; twice as many may be tried.
        may_grow: Whether the last round showed none.
        is_felt: Whether it is what keeps the crowd from growing.
    """

    __slots__ = (
        "_base", "_base_at", "_first", "_last", "_resume", "_round", "_size", "is_felt", "may_grow", "proven",
    )  # fmt: skip

    def __init__(self) -> None:
        self._base: _Fit | None = None
        self._base_at = 0
        self._resume: float | None = None
        self._round = _Fit()
        self._first, self._last, self._size = 1, int(FIRST), FIRST
        self.proven = int(FIRST)
        self.may_grow = True
        self.is_felt = False

    @property
    def most(self) -> float:
        """A crowd of this size or larger does not grow for now."""
        return 2 * self.proven if self.may_grow else 0.0

    def note(self, now: int, permit: Permit, sent: int, tokens: int, size: float) -> float | None:
        """Note an answer; return the size that the crowd should shrink or go back to, or None.

        Args:
            now: When it came, ns.
            permit: The permit of its attempt.
            sent: How many attempts have been sent in all.
            tokens: Its output tokens.
            size: The size of the crowd.
        """
        number = permit.marks.requests
        if self._first <= number <= self._last:
            self._round.add(tokens, (now - permit.started) / SECOND)
        asked = self._last - self._first + 1
        if self._round.count < int(COMPLETE * asked) and sent < self._last + LOST * asked:
            return None
        seen, size_then = self._round, self._size
        if seen.count < int(COMPLETE * asked):  # most were refused or failed
            self._begin(sent, size)
            return None
        target = self._conclude(now, seen, size_then)
        self._begin(sent, size if target is None else target)
        return target

    def _begin(self, sent: int, size: float) -> None:
        self._round, self._size = _Fit(), size
        self._first = sent + 1
        length = max(SAMPLE, int(size if self.is_felt or self._base is None else size / 2))
        self._last = sent + (length if self.may_grow else max(length, PROOF))

    def _conclude(self, now: int, seen: _Fit, size: float) -> float | None:
        if self._base is None or self._resume is not None:
            self._base, self._base_at = seen, now
            target, self._resume = self._resume, None
            return target
        excess = _compare(self._base, seen)
        self.may_grow = excess <= NOTICE
        if self.may_grow:
            self.proven = max(self.proven, int(size))
        if excess > TOO_MUCH and seen.count >= PROOF * COMPLETE:
            self.is_felt = True
            return size * max(0.25, (1 + NOTICE) / (1 + excess))
        if self.is_felt and now - self._base_at > STALE:
            self._resume = size
            return size / 2
        if self.may_grow and not self.is_felt:
            self._base.merge(seen)
            self._base_at = now
        return None


def _compare(base: _Fit, seen: _Fit) -> float:
    """Return by what share of the time that was to be expected a round took longer, beyond chance."""
    line = base.line
    expected = line[0] + line[1] * seen.xs / seen.count
    chance = CHANCE * math.hypot(base.error(line), seen.error(line))
    return (seen.ys / seen.count - expected - FLOOR - chance) / max(expected, FLOOR)
