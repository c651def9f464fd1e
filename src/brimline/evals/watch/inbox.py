"""The folder that files arrive in, as it is on disk."""

import os
from pathlib import Path

from brimline.data.inputs import is_input
from brimline.evals.watch.arrivals import Sighting

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".swp", "~")
"""Endings of names that programs give to what they still write."""


class Inbox:
    """A folder of files.

    Args:
        path: The folder.

    Attributes:
        others: Names of files that are no input, as of the last look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.others: set[str] = set()

    def look(self) -> list[Sighting]:
        """Return the files that may be input; names that are hidden or temporary do not count.

        Raises:
            OSError: The folder cannot be read.
        """
        seen, others = [], set()
        with os.scandir(self.path) as entries:
            for entry in entries:
                if _is_unfinished(entry.name):
                    continue
                if not is_input(Path(entry.name)):
                    others.add(entry.name)
                elif (sighting := _sight(entry)) is not None:
                    seen.append(sighting)
        self.others = others
        return seen

    def holds(self, sighting: Sighting) -> bool:
        """Whether a file is there as it was seen."""
        try:
            status = (self.path / sighting.name).stat()
        except OSError:
            return False
        return (status.st_mtime_ns, status.st_size) == (sighting.changed, sighting.size)


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(UNFINISHED)


def _sight(entry: "os.DirEntry[str]") -> Sighting | None:
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except OSError:  # it was moved away in between
        return None
    return Sighting(status.st_mtime_ns, entry.name, status.st_size)
