"""A first-in-first-out queue that keeps some things in memory and the rest in temporary files."""

import pickle
import tempfile
from collections import deque
from typing import IO, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Kept(NamedTuple):
    """Stands in the file for something that cannot be written down."""

    number: int


class SpillQueue(Generic[T]):
    """Holds any number of things in bounded memory, those excepted that cannot be pickled.

    What does not fit is appended to one file while another, older one is read; when that is empty it is dropped and
    they change places. So a queue that never runs empty does not grow on disk either.

    Args:
        size: So many stay in memory.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._first: deque[T] = deque()
        self._old: IO[bytes] | None = None
        self._new: IO[bytes] | None = None
        self._in_old = 0
        self._in_new = 0
        self._kept: dict[int, T] = {}
        self._number = 0

    def push(self, item: T) -> None:
        """Add an item at the end.

        Raises:
            OSError: The disk is full.
        """
        if len(self) == len(self._first) < self._size:
            self._first.append(item)
            return
        if self._new is None:
            self._new = tempfile.TemporaryFile(prefix="brimline-")  # noqa: SIM115  closed by `close`
        self._new.write(self._pickled(item))
        self._in_new += 1

    def pop(self) -> T:
        """Take the first item.

        Raises:
            IndexError: There is none.
        """
        if not self._first and len(self):
            self._refill()
        return self._first.popleft()

    def close(self) -> None:
        """Drop everything."""
        for file in (self._old, self._new):
            if file is not None:
                file.close()
        self._old = self._new = None
        self._in_old = self._in_new = 0
        self._first.clear()
        self._kept.clear()

    def _pickled(self, item: T) -> bytes:
        try:
            return pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001  a user's object may refuse in any way
            self._number += 1
            self._kept[self._number] = item
            return pickle.dumps(_Kept(self._number), pickle.HIGHEST_PROTOCOL)

    def _refill(self) -> None:
        if self._old is None:
            self._old, self._in_old, self._new, self._in_new = self._new, self._in_new, None, 0
            assert self._old is not None
            self._old.seek(0)
        for _ in range(min(self._size, self._in_old)):
            item = pickle.load(self._old)  # noqa: S301  nobody else can write to it
            self._first.append(self._kept.pop(item.number) if isinstance(item, _Kept) else item)
            self._in_old -= 1
        if not self._in_old:
            self._old.close()
            self._old = None

    def __len__(self) -> int:
        return len(self._first) + self._in_old + self._in_new
