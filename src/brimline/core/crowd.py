"""The crowd: how many attempts to have in flight where nobody says how many.

Theory of operation. It begins with a few and doubles each round, a success at a time, as TCP does in slow start, as
long as it is used. The first refusal of a crowd that was larger than any accepted before it is its ceiling; it stays
there, and looks every few seconds whether there is room for one more, then for two, for four. A refusal that is no
matter of the crowd's size takes the ceiling away again.

A bucket that holds two and is asked by three at once refuses the third, as a limit of two in flight does. What tells
them apart is time: the bucket fills while the two are still being answered. So one more is tried between answers,
too, ever later if that is refused.
"""

from brimline.core.time import SECOND

FIRST = 8.0
"""Where nothing is known."""

LEAST = 2.0
"""It is never smaller."""

SILENT = 32
PATIENCE = SECOND
"""A server that refuses does so at once. So while nothing has been refused, the crowd doubles up to SILENT after
each PATIENCE even though no answer has come yet: some take a minute."""

ROUND = SECOND * 2 // 5
"""The crowd doubles at most this often."""

PROBE = 5 * SECOND
PROBE_ANSWERS = 24
"""So long, and for so many answers, the crowd stays at its ceiling before there may be one more."""

LOOK = SECOND
LAST_LOOK = 256 * SECOND
"""At a ceiling that was refused one more is tried so often between answers: half as often after each refusal."""

STEP = 16
"""One more each time, then two, then four, but no more than this part of the crowd."""

USED = 0.8
"""A crowd that has not been used to this share does not grow."""


class Crowd:
    """Learns a concurrency.

    Args:
        most: It never grows beyond.
        first: Where it begins.

    Attributes:
        size: How many may be in flight; it counts as rounded down.
        ceiling: Where it stopped growing, or None.
    """

    __slots__ = (
        "_answers", "_began", "_cut_at", "_high", "_look", "_looked_at", "_next_look", "_peak", "_room", "_round_at", "_started_at", "_step", "_was_high", "ceiling", "most", "size",
    )  # fmt: skip

    def __init__(self, most: int, first: float) -> None:
        self.most = most
        self.size = min(first, most)
        self.ceiling: int | None = None
        self._room = self._began = self.size
        self._peak = 0
        self._step = 1
        self._started_at = 0
        self._round_at = 0
        self._cut_at = 0
        self._high = 0
        self._was_high = 0
        self._answers = 0
        self._look: int | None = None
        self._looked_at = 0
        self._next_look = LOOK

    @property
    def words(self) -> str:
        """The size, for people."""
        return f"concurrency {int(self.size)} (learned)"

    def start(self, now: int, in_flight: int) -> None:
        """Note an attempt that makes so many in flight."""
        self._peak = max(self._peak, in_flight)
        self._started_at = now

    def earliest(self, now: int, in_flight: int) -> int | None:
        """Return the time from which one more may start; None: not before another has ended."""
        if in_flight < int(self.size):
            return now
        if self.ceiling is not None:
            return self._look_up(now)
        if self.size >= min(SILENT, self.most):
            return None
        if now < self._started_at + PATIENCE:
            return self._started_at + PATIENCE
        self.size = min(2 * self.size, SILENT, self.most)
        return now

    def _look_up(self, now: int) -> int | None:
        """Let one more start at the ceiling if it is time."""
        if self._look is None or self.size >= self.most:
            return None
        if now < self._looked_at + self._look:
            return self._looked_at + self._look
        self._looked_at = now
        self.size = min(self.size + 1, self.most)
        self.ceiling = int(self.size)
        return now

    @property
    def accepted(self) -> int:
        """The most that were in flight when an attempt started lately that was accepted."""
        return max(self._high, self._was_high)

    def accept(self, now: int, started: int, in_flight: int, *, most: float) -> None:
        """Note an answer to an attempt that made so many in flight; what was sent before a cut tells nothing.

        The crowd does not grow above `most` for now.
        """
        self._high = max(self._high, in_flight)
        self._answers += 1
        if started < self._cut_at:
            return
        is_used = self._peak >= USED * int(self._began)
        if self.ceiling is None and self._room > 0 and is_used and self.size < most:
            self._room -= 1
            self.size = min(self.size + 1, self.most)
        long, many = (ROUND, 0) if self.ceiling is None else (PROBE, PROBE_ANSWERS)
        is_over = now - self._round_at >= long and self._answers >= many
        if is_over and (self._room <= 0 or not is_used):
            self._turn(now, grow=is_used and self.size < most)

    def _turn(self, now: int, *, grow: bool) -> None:
        """Begin a round."""
        if self.ceiling is not None and grow:
            self.size = min(float(self.ceiling + self._step), self.most)
            self.ceiling = int(self.size)
            self._step = min(2 * self._step, max(1, int(self.size) // STEP))
        self._room = self.size if self.ceiling is None else 0
        self._began = self.size
        self._round_at = now
        self._peak = self._answers = 0
        self._was_high, self._high = self._high, 0

    def cut(self, now: int, to: float, *, is_refused: bool = False) -> None:
        """So many are enough: what was above was refused, or only waited."""
        self._look = self._next_look if is_refused else None
        if is_refused:
            self._next_look = min(2 * self._next_look, LAST_LOOK)
        self.size = min(max(LEAST, to), self.most)
        self.ceiling = int(self.size)
        self._room = 0
        self._began = self.size
        self._step = 1
        self._round_at = self._cut_at = self._looked_at = now
        self._peak = self._answers = 0

    def release(self, now: int) -> None:
        """Take the ceiling away."""
        if self.ceiling is not None:
            self.ceiling = None
            self._next_look = LOOK
            self._turn(now, grow=False)
