"""A first-in-first-out queue that keeps some things in memory and the rest in a temporary file."""

import pickle
import tempfile
from collections import deque
from typing import IO, Generic, TypeVar

T = TypeVar("T")


class SpillQueue(Generic[T]):
    """Holds any number of things in bounded memory.

    Args:
        size: So many stay in memory.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._first: deque[T] = deque()
        self._file: IO[bytes] | None = None
        self._spilled = 0
        self._read_at = 0

    def push(self, item: T) -> None:
        """Add an item at the end."""
        if not self._spilled and len(self._first) < self._size:
            self._first.append(item)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="brimline-")  # noqa: SIM115  closed by `close`
        self._file.seek(0, 2)
        pickle.dump(item, self._file, pickle.HIGHEST_PROTOCOL)
        self._spilled += 1

    def pop(self) -> T:
        """Take the first item.

        Raises:
            IndexError: There is none.
        """
        if not self._first and self._spilled:
            self._refill()
        return self._first.popleft()

    def close(self) -> None:
        """Drop everything."""
        self._first.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _refill(self) -> None:
        assert self._file is not None
        self._file.seek(self._read_at)
        for _ in range(min(self._size, self._spilled)):
            self._first.append(pickle.load(self._file))  # noqa: S301  nobody else can write to it
            self._spilled -= 1
        self._read_at = self._file.tell()
        if not self._spilled:
            self._file.truncate(0)
            self._read_at = 0

    def __len__(self) -> int:
        return len(self._first) + self._spilled
