"""The pace: what rate a provider allows that names none, judged by what it refuses.

Theory of operation. A refusal says that the provider's bucket is empty at that moment. Between two refusals, then,
it let through exactly what flowed in: what was accepted over time *is* the rate, whatever the bucket's size and
whatever was sent, unless the bucket ran over meanwhile; then it is less. So of several refusals the pair that tells
of the highest rate is believed. Before the second refusal there is only an upper bound: the fastest that was let
through lately.

From then on the flow is even and a little below the rate that was found. While it is used and not refused it grows:
over a plateau back to what was found, then faster and faster, since the limit may have been raised (the curve of
CUBIC, RFC 9438, with the same aim). A refusal above what was found corrects it. One at or below it means little by
itself (some providers refuse one in fifty for reasons of their own); only several of them close together do.

What is counted may be requests or tokens; `mark` is the number of them that were ever let go, up to and including
an attempt.
"""

from collections import deque
from functools import partial

from brimline.core.time import SECOND

START = 0.97
"""Of the rate that was found, the flow begins with so much."""

PLATEAU = 8 * SECOND
PLATEAU_ATTEMPTS = 24
"""So long, and for so many attempts, it takes the flow to get back to what was found."""

DOUBLING = 30 * SECOND
DOUBLING_ATTEMPTS = 90
"""So long after the plateau, and for so many attempts, the flow has doubled."""

FEW = 24
"""A rate found from fewer accepted attempts than this is doubted: the flow grows the sooner."""

DOUBTS = 4
DOUBTS_AMONG = 50
"""So many refusals at or below what was found, among so many attempts, mean that the limit has dropped."""

SPANS = (SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND)
"""What was let through lately is looked at over these spans."""

OVERFLOW = 0.85
"""If refusals tell of less than this share of what was let through lately, the bucket ran over between them."""

REFUSALS = 6
"""So many refusals are remembered."""

LULL = 10 * SECOND
"""If nothing went for so long, the bucket has run over, and the refusals before tell nothing together with later ones."""


class _Refusal:
    """A refusal that began a burst: when it was sent, and what had been let go and refused by then."""

    __slots__ = ("attempts", "mark", "refused", "sent_at")

    def __init__(self, sent_at: int, mark: int, refused: int, attempts: int) -> None:
        self.sent_at = sent_at
        self.mark = mark
        self.refused = refused
        self.attempts = attempts


class Pace:
    """Learns and keeps a rate.

    Args:
        place: What it counts: its place in a `Demand`.

    Attributes:
        found: What was found, in units per second, or None.
    """

    __slots__ = (
        "_attempts", "_doubts", "_evidence", "_grown", "_marks", "_next", "_refusals", "_refused", "_sent", "_taken_at", "_unit",
        "found",
    )  # fmt: skip

    def __init__(self, place: int) -> None:
        self._unit = "tokens" if place else "requests"
        self.found: float | None = None
        self._evidence = 0
        self._grown = 0
        self._next = 0
        self._attempts = 0
        self._sent = 0
        self._refused = 0
        self._taken_at = 0
        self._refusals: deque[_Refusal] = deque(maxlen=REFUSALS)
        self._doubts: deque[int] = deque(maxlen=DOUBTS)
        self._marks: deque[tuple[int, int, int, int]] = deque()

    @property
    def name(self) -> str:
        """The rate as people write it: `14.6 requests/s`."""
        rate = (self.found or 0.0) * self.share
        return f"{rate:.1f} {self._unit}/s" if rate < 100 else f"{rate:,.0f} {self._unit}/s"

    @property
    def words(self) -> str:
        """The rate, and who says so."""
        return f"{self.name} (learned)"

    def earliest(self, now: int) -> int:
        """Return the time from which something may go."""
        return now if self.found is None else self._next

    def take(self, now: int, amount: int, mark: int) -> None:
        """Note that `amount` goes, which makes `mark` in all."""
        self._attempts += 1
        self._sent = mark
        if now - self._taken_at > LULL:
            self._refusals.clear()
        if not self._marks or now - self._marks[-1][0] > SECOND // 4:
            self._marks.append((now, mark, self._refused, self._attempts))
            while now - self._marks[0][0] > SPANS[-1]:
                self._marks.popleft()
        if self.found is not None:
            interval = self._interval(amount)
            self._grown += min(now - self._taken_at, 2 * interval)
            self._next = max(self._next, now - interval) + interval
        self._taken_at = now

    def count(self, amount: int) -> None:
        """Note a refusal that tells nothing more: it belongs to a burst."""
        self._refused += amount

    def skip(self, now: int, amount: int) -> None:
        """Leave a beat out: the bucket is empty."""
        if self.found is not None:
            self._next = max(self._next, now) + self._interval(amount)

    def hold(self, until: int) -> None:
        """Note that nothing goes before `until`, because the server says so: that is no lull."""
        self._taken_at = max(self._taken_at, until)

    def refuse(self, now: int, sent_at: int, mark: int, amount: int, *, guess: bool) -> None:
        """Learn from the refusal of an attempt that was sent at `sent_at`, the first of its burst.

        `guess` says whether a single refusal is enough to set an upper bound.
        """
        self._refused += amount
        refusal = _Refusal(sent_at, mark, self._refused, self._attempts)
        if self.found is not None and self.share <= 1.0 and not self._is_doubtful():
            self._refusals.append(refusal)
            return
        if self._doubts:  # the limit has dropped: what was before means nothing
            while len(self._refusals) > DOUBTS:
                self._refusals.popleft()
        self._judge(now, refusal, guess=guess)
        self._grown = 0
        self._doubts.clear()
        self._refusals.append(refusal)

    def forget(self) -> None:
        """Pace nothing: it is not this that is refused."""
        self.found = None
        self._grown = 0
        self._doubts.clear()
        self._refusals.clear()

    @property
    def share(self) -> float:
        """Of the rate that was found, what flows now."""
        if self.found is None:
            return 1.0
        confidence = min(1.0, self._evidence / FEW) ** 2
        plateau = max(PLATEAU, round(PLATEAU_ATTEMPTS * self._mean / self.found * SECOND)) * confidence
        doubling = max(DOUBLING, round(DOUBLING_ATTEMPTS * self._mean / self.found * SECOND)) * confidence
        if self._grown < plateau:
            return START + (1 - START) * self._grown / plateau
        return 1 + ((self._grown - plateau) / doubling) ** 2

    @property
    def _mean(self) -> float:
        """What an attempt takes on average."""
        return self._sent / self._attempts if self._attempts else 1.0

    def _interval(self, amount: int) -> int:
        assert self.found is not None
        return round(amount * SECOND / (self.found * self.share))

    def _is_doubtful(self) -> bool:
        self._doubts.append(self._attempts)
        return len(self._doubts) == DOUBTS and self._attempts - self._doubts[0] <= DOUBTS_AMONG

    def _judge(self, now: int, last: _Refusal, *, guess: bool) -> None:
        """Find the rate: the highest that a pair of refusals tells of, each discounted by how little it saw."""
        share, best = self.share, 0.0
        for first in self._refusals:
            accepted = (last.mark - first.mark) - (last.refused - first.refused)
            attempts = last.attempts - first.attempts
            if last.sent_at <= first.sent_at or accepted <= 0 or attempts < 2:
                continue
            rate = accepted * SECOND / (last.sent_at - first.sent_at)
            if rate * (1 - 1 / attempts) > best:
                best, self._evidence = rate * (1 - 1 / attempts), attempts
                self.found = rate
        if self.found is None and guess:
            lately, _ = max(map(partial(self._lately, now), SPANS))
            if lately:
                self.found, self._evidence = lately, 1
        elif share > 1:
            lately, attempts = self._lately(now, SPANS[-1])
            if best < OVERFLOW * lately:
                self.found, self._evidence = lately, attempts

    def _lately(self, now: int, span: int) -> tuple[float, int]:
        """Return the rate that was let through in a recent span, and how many attempts tell it.

        A full bucket makes it too high.
        """
        for at, mark, refused, attempts in self._marks:
            if now - at <= span:
                accepted = (self._sent - mark) - (self._refused - refused)  # the first began the span
                return max(0, accepted) * SECOND / max(now - at, SECOND), self._attempts - attempts
        return 0.0, 0
