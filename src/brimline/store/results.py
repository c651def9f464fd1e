"""The results file: read back when a run resumes, appended to while it runs."""

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

from brimline.errors import OutputError
from brimline.store.durable import sync_folder
from brimline.store.lines import Recorded, read_line

CHUNK = 1 << 20
"""So much of a file is read at once."""

NOT_OURS = "Give another file with -o, or move this one away."


class ResultsReader:
    """Reads a results file from beginning to end, once.

    Attributes:
        end: Where its last readable line ends; what is behind it is the torn tail of a crash.
        lines: How many lines there are up to there.
        damaged: Numbers of lines before it that cannot be read.
        unreadable: How many whole lines behind it cannot be read; a crash seldom leaves more than the torn one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.end = 0
        self.lines = 0
        self.damaged = array("I")
        self.unreadable = 0

    def __iter__(self) -> Iterator[tuple[int, Recorded]]:
        """Yield number, from 1, and content of each readable line."""
        number = offset = 0
        with self._path.open("rb", buffering=CHUNK) as results:
            for line in results:
                number += 1
                offset += len(line)
                recorded = read_line(line)  # also one that lacks nothing but its end
                if recorded is None:
                    self.unreadable += line.endswith(b"\n")
                    continue
                self.damaged.extend(range(self.lines + 1, number))
                self.unreadable = 0
                self.end, self.lines = offset, number
                yield number, recorded

    @property
    def is_foreign(self) -> bool:
        """Whether nothing in the file is a result, though it is not empty."""
        return self.lines == 0 and self._path.stat().st_size > 0

    @property
    def is_torn(self) -> bool:
        """Whether all of the file may be the torn first line of a crash."""
        return self.lines == 0 and self.unreadable == 0


def recorded_lines(path: Path, line_of: "array[int]", requests: "array[int]") -> Iterator[tuple[int, bytes]]:
    """Yield requests with their lines, in the order of the file.

    Args:
        path: The results file; it may be appended to meanwhile.
        line_of: For each request, the number of its line from 1, or 0.
        requests: The requests, in any order; each has a line.
    """
    left = iter(array("I", sorted(requests, key=line_of.__getitem__)))
    request = next(left, None)
    with path.open("rb") as results:
        for number, line in enumerate(results, 1):
            if request is None:
                return
            if number == line_of[request]:
                yield request, line
                request = next(left, None)


def check_writable(path: Path) -> None:
    """See that results can be written to `path`, and leave no trace.

    Raises:
        OutputError: They cannot.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="Give a file with -o.")
    if not path.parent.is_dir():
        raise OutputError(
            f"{path.parent} does not exist", hint="Make the folder first, or give another file with -o."
        )
    for target in (path, path.parent):  # the folder beside it and the ordering are made in there
        if target.exists() and not os.access(target, os.W_OK):
            raise OutputError(f"{target} cannot be written", hint="Give another file with -o.")


def mend_tail(path: Path, end: int) -> int:
    """Cut the file at `end`, let its last line be whole, and return how many bytes were cut."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size > end:
            file.truncate(end)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            file.seek(end)
            file.write(b"\n")
    return size - end


def make_results(path: Path) -> None:
    """Make the file if it does not exist, see that it takes more, and make durable what it holds.

    What a killed process has written and not synced counts as answered from now on. Every name in the folder is
    made durable with it, that of the run's folder among them.

    Raises:
        OutputError: It takes no more, or the disk fails.
    """
    try:
        with path.open("ab") as file:
            os.fsync(file.fileno())
        sync_folder(path.resolve().parent)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}", hint="Give another file with -o."
        ) from None
