"""Results read for other programs: the last line of each request, whether the run is finished or not."""

import os
from array import array
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any, Self

import msgspec

from brimline.errors import InputError
from brimline.store.lines import read_line
from brimline.store.matching import PackedIndex, name_digest, request_digest

_decode = msgspec.json.Decoder().decode


class LastLines:
    """The lines of a results file that count: of each request the last one, in the order of the file.

    They are read from one open file, as it was when it was opened: a run that goes on meanwhile or puts it into order
    changes nothing. In memory each line takes a few packed bytes. Use it as a context manager.

    Args:
        path: The results file.

    Attributes:
        count: How many lines count.
        damaged: How many lines cannot be read; the torn last line of a crash is none of them.
        ambiguous: How many ids stand for several requests: rows were changed or moved, and the run has not been
            finished since.

    Raises:
        InputError: There is no such file, or it holds no results.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        self.damaged = 0
        try:
            self._keep = self._look()
        except BaseException:
            self._file.close()
            raise
        self.count = sum(self._keep)
        if not self.count and (self.damaged or os.fstat(self._file.fileno()).st_size):
            self._file.close()
            raise InputError(
                f"{path} is no results file of brimline", hint="Give the file that `brimline run` wrote."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines that count, each with its newline."""
        self._file.seek(0)
        for line in compress(self._file, self._keep):
            yield line if line.endswith(b"\n") else line + b"\n"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield what these lines hold."""
        return map(_decode, self)

    def _look(self) -> bytearray:
        """Return for each line whether it counts."""
        requests, names = array("Q"), array("Q")
        unreadable = 0
        for line in self._file:
            recorded = read_line(line)
            requests.append(0)
            names.append(0)
            if recorded is None:
                unreadable += 1
                continue
            self.damaged += unreadable
            unreadable = 0
            names[-1] = name_digest(recorded.id, recorded.model, recorded.sample)
            requests[-1] = request_digest(recorded)
        keep = bytearray(map(bool, requests))
        for earlier, _ in PackedIndex(requests).twins():
            keep[earlier] = 0
        for place, kept in enumerate(keep):
            names[place] *= kept
        self.ambiguous = sum(1 for _ in PackedIndex(names).twins())
        return keep
