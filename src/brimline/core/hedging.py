"""Hedges: at the end of a lane, a second attempt for an exchange that takes far longer than most.

The last few answers of a run can take as long as all the others together, because a server or a connection has got
stuck. A second attempt that starts once the first is late costs little and cuts that tail (Dean and Barroso, "The
Tail at Scale", Communications of the ACM 56, 2013). Both are paid for, so hedges are few, and off by default.
"""

from collections import deque
from typing import TYPE_CHECKING

from brimline.core.time import SECOND

if TYPE_CHECKING:
    from brimline.core.lane import Attempt

LATEST = 64
ENOUGH = 20
"""What is usual is known from so many of the latest answers, and not before there are enough."""

LEAST = SECOND
TIMES = 2
"""An attempt is late after so many times what 95% of the latest answers took, and never before the least."""

ANSWERS = 20
"""A lane may have one hedge, and one more for each so many answers."""


class Hedging:
    """The attempts of one lane that may be late, and what is usual there.

    They are kept in the order in which they have been alone: the first is late first.
    """

    __slots__ = ("_alone", "_answered", "_latencies", "_patience", "_sent")

    def __init__(self) -> None:
        self._alone: dict[Attempt, int] = {}
        self._latencies: deque[int] = deque(maxlen=LATEST)
        self._patience: int | None = None
        self._answered = 0
        self._sent = 0

    def watch(self, now: int, attempt: "Attempt") -> None:
        """Note that an attempt is in flight, alone from now on."""
        self._alone[attempt] = now

    def answer(self, latency: int) -> None:
        """Note how long an answer took, ns."""
        self._latencies.append(latency)
        self._answered += 1
        self._patience = None

    def due(self) -> "tuple[int, Attempt] | None":
        """Return which attempt gets the next hedge and when, ns; None as things are."""
        if not self._alone or len(self._latencies) < ENOUGH or self._sent * ANSWERS > self._answered:
            return None
        if self._patience is None:
            usual = sorted(self._latencies)[-(-95 * len(self._latencies) // 100) - 1]
            self._patience = max(LEAST, TIMES * usual)
        attempt, since = next(iter(self._alone.items()))
        return since + self._patience, attempt

    def pair(self, first: "Attempt", hedge: "Attempt") -> None:
        """Make `hedge` the rival of an attempt."""
        self._sent += 1
        self._alone.pop(first)
        first.rival, hedge.rival = hedge, first

    def part(self, attempt: "Attempt") -> "Attempt | None":
        """Let go of an attempt that has ended; return the rival that it leaves in flight."""
        self._alone.pop(attempt, None)
        rival = attempt.rival
        if rival is not None:
            attempt.rival = rival.rival = None
        return rival
