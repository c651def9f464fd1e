"""How long all the files of a folder will take, from how fast they went so far.

Files share limits, so that what is steady is the pace of all of them together; rows that were not read yet are guessed by
their bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from brimline.core.time import SECOND


@dataclass(frozen=True, slots=True)
class Part:
    """A file under way.

    Attributes:
        size: Bytes.
        before: The part of it that had its outcome when it was taken, 0 to 1.
        done: The part that has it now.
    """

    size: int
    before: float
    done: float


class Outlook:
    """Measures the pace and says what is left."""

    def __init__(self) -> None:
        self._bytes = 0.0
        self._busy = 0
        self._since: int | None = None

    def begin(self, now: int) -> None:
        """Something is under way from `now` on, ns."""
        if self._since is None:
            self._since = now

    def rest(self, now: int) -> None:
        """Nothing is under way any more."""
        if self._since is not None:
            self._busy += now - self._since
            self._since = None

    def end(self, part: Part) -> None:
        """Note what was done of a file that is not under way any more."""
        self._bytes += part.size * (part.done - part.before)

    def left(self, now: int, running: Iterable[Part], waiting: Iterable[int]) -> float | None:
        """Return seconds until all files are through, or None if nobody knows; `waiting` are bytes of each."""
        running = list(running)
        busy = self._busy + (now - self._since if self._since is not None else 0)
        done = self._bytes + sum(part.size * (part.done - part.before) for part in running)
        todo = sum(part.size * (1 - part.done) for part in running) + sum(waiting)
        if todo <= 0:
            return 0.0
        return todo * busy / done / SECOND if done > 0 and busy else None
