"""Which files of a folder may be taken now: those that nobody writes any more, the oldest first.

Nothing here looks at a disk or a clock: what was seen and when are arguments.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from brimline.core.time import MINUTE, SECOND

SETTLE = 2 * SECOND
"""A file counts once it was seen unchanged for so long."""

SOON, LATE = 30 * SECOND, 15 * MINUTE
"""What could not be run is tried again after the one, then after twice as long each time, at most the other."""


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """A file as it was seen; the older one is the lesser one.

    Attributes:
        changed: When it was changed last, ns since 1970.
        name: Its name in the folder.
        size: Bytes.
    """

    changed: int
    name: str
    size: int


class _State(Enum):
    WAITING = auto()
    TAKEN = auto()
    DONE = auto()


@dataclass(slots=True)
class _File:
    seen: Sighting
    since: int
    state: _State = _State.WAITING
    not_before: int = 0
    failures: int = 0


class Arrivals:
    """The files of a folder, and how far each of them is.

    Args:
        settle: A file counts once it was seen unchanged for so long, ns.
    """

    def __init__(self, settle: int = SETTLE) -> None:
        self._settle = settle
        self._files: dict[str, _File] = {}
        self._ready: list[Sighting] = []

    def look(self, now: int, seen: Iterable[Sighting]) -> None:
        """Note which files the folder holds at `now`, ns. A file that was changed is a new one."""
        sightings = {sighting.name: sighting for sighting in seen}
        for name, file in [*self._files.items()]:
            if name not in sightings and file.state is not _State.TAKEN:
                del self._files[name]
        for sighting in sightings.values():
            file = self._files.setdefault(sighting.name, _File(sighting, now))
            if file.seen != sighting:
                state = _State.TAKEN if file.state is _State.TAKEN else _State.WAITING
                self._files[sighting.name] = _File(sighting, now, state)
        self._ready = sorted(
            (file.seen for file in self._waiting() if self._is_ready(file, now)), reverse=True
        )

    def take(self) -> Sighting | None:
        """Return the oldest file that was ready at the last look, or None; it is not returned again meanwhile."""
        if not self._ready:
            return None
        taken = self._ready.pop()
        self._files[taken.name].state = _State.TAKEN
        return taken

    def finish(self, taken: Sighting) -> None:
        """Note that a file needs nothing more, unless it is another one by now."""
        file = self._give_back(taken)
        if file.seen == taken:
            file.state = _State.DONE

    def postpone(self, taken: Sighting, until: int) -> None:
        """Note that a file is to be taken again, not before `until`, ns."""
        self._give_back(taken).not_before = until

    def fail(self, taken: Sighting, now: int) -> int:
        """Note that a file could not be run for now; return after how long it is taken again, ns.

        One that is another file by now is taken as soon as it has settled.
        """
        file = self._give_back(taken)
        if file.seen != taken:
            return 0
        delay = min(SOON << min(file.failures, 10), LATE)
        file.failures += 1
        file.not_before = now + delay
        return delay

    @property
    def waiting(self) -> list[Sighting]:
        """The files that wait: to settle, for their turn, or to be tried again."""
        return [file.seen for file in self._waiting()]

    def is_quiet(self, now: int) -> bool:
        """Whether there is nothing to be done but to try again what could not be run."""
        return all(file.not_before > now for file in self._waiting()) and not self._is_any_taken()

    def _waiting(self) -> Iterator[_File]:
        return (file for file in self._files.values() if file.state is _State.WAITING)

    def _is_any_taken(self) -> bool:
        return any(file.state is _State.TAKEN for file in self._files.values())

    def _is_ready(self, file: _File, now: int) -> bool:
        return now >= file.not_before and now - file.since >= self._settle

    def _give_back(self, taken: Sighting) -> _File:
        file = self._files[taken.name]
        file.state = _State.WAITING
        return file
