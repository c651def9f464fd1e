"""A daybook in a file: what processes of one user on one machine write down about limits that they share.

It is small: a header, then entries of 64 bytes. Who decides holds the file's kernel lock (`flock`) for some
microseconds, and never waits for it. Nothing is synced: a file matters only as long as the machine runs, and one from
before the last boot is begun anew. Now and then a writer puts a shorter file in its place and says so at the end of
the old one; who still has that open goes on with the new one, from its beginning.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from brimline.core.daybook import Entry, News, condense
from brimline.core.permit import Demand
from brimline.core.time import SECOND

MAGIC = b"brimshr1"
"""Changes with the format."""

SPAN = 8192
"""So many entries are added before the file is made shorter."""

BLOCK = 4096
"""So many bytes are read at once; usually there is nothing."""

LOOKS = 64
"""Once in so many times it is seen whether somebody has removed the file."""

TRIES = 50
"""So often a lock that others hold for microseconds is tried in a row."""

PATIENCE = 2 * SECOND
"""A lock that nobody gives back for so long is held by a process that was stopped."""

REPLACED = 255
"""The kind of the last record of a file that has been replaced."""

_HEADER = struct.Struct("<8s16sqq24x")
_RECORD = struct.Struct("<BbhIqqqqqqq")
SIZE = _RECORD.size
NOTHING_NEW = News()


class Header(NamedTuple):
    """What a file begins with: the boot it belongs to, Unix time of its beginning, and its longest window, ns."""

    boot: bytes
    born: int
    horizon: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a daybook needs to know of the process and the machine.

    Attributes:
        member: Who writes.
        is_alive: Whether another member's process lives.
        boot: What tells this boot of the machine from others; zeros: nothing does.
        now: The clock of entries, ns.
        offset: What is to be added to it for the machine's, which is the same for all processes, ns.
        wall: Unix time, ns.
        lost: Called with the reason when a daybook cannot be used any more.
    """

    member: int
    is_alive: Callable[[int], bool]
    boot: bytes
    now: Callable[[], int]
    wall: Callable[[], int]
    lost: Callable[[str], None]
    offset: int = 0


class FileDaybook:
    """One scope's daybook.

    Args:
        path: Its file.
        around: The process and the machine.
        window: The longest window that is declared, ns.

    Attributes:
        member: Who writes.
        is_kept: Whether what is written is kept.
    """

    def __init__(self, path: Path, around: Surroundings, window: int) -> None:
        self._path = path
        self._around = around
        self._horizon = _horizon(window)
        self._fd: int | None = None
        self._end = 0
        self._born = 0
        self._most = 0
        self._looks = 0
        self._busy_since: int | None = None
        self.is_kept = True
        self.member = around.member
        self.is_alive = around.is_alive

    def open(self) -> News | None:
        """Lock the file and return what is new in it; None: somebody else has it."""
        if not self.is_kept:
            return NOTHING_NEW
        try:
            news = self._open()
        except (OSError, ValueError) as error:
            return self._lose(getattr(error, "strerror", None) or str(error))
        if news is not None:
            self._busy_since = None
            return news
        now = self._around.now()
        self._busy_since = self._busy_since or now
        if now - self._busy_since > PATIENCE:
            return self._lose("a process that was stopped holds the lock")
        return None

    def close(self, entries: Sequence[Entry]) -> None:
        """Append entries and unlock the file."""
        if self._fd is None:
            return
        try:
            if entries:
                self._append(entries)
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError as error:
            self._lose(error.strerror or str(error))

    def rewind(self, window: int) -> int:
        """Read the file from its beginning with the next look; return how far back it holds everything, ns."""
        before = self._horizon
        self._horizon = max(before, _horizon(window))
        self._end = 0
        return before

    def since(self) -> int | None:
        """Return since when, Unix time in ns, the file holds what was booked in it; None: nobody knows."""
        with suppress(OSError, ValueError):
            for _ in range(TRIES):
                if self._lock():
                    self._fresh()
                    self.close(())
                    return self._born
        return None

    def leave(self) -> None:
        """Close the file; nothing is written any more."""
        self.is_kept = False
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> News | None:
        is_whole = False
        while self._lock():
            is_whole = self._fresh() or is_whole
            entries = self._read()
            if not (entries and entries[-1].kind == REPLACED) and not self._is_removed():
                return News(entries, is_whole) if entries or is_whole else NOTHING_NEW
            assert self._fd is not None
            os.close(self._fd)
            self._fd = None
        return None

    def _lock(self) -> bool:
        """Lock the file; return whether nobody else has it."""
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            self._end = 0
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _fresh(self) -> bool:
        """Read the header of a file that was just opened, or write one.

        Returns whether this is a file that was known, in a shorter form.
        """
        if self._end:
            return False
        assert self._fd is not None
        header = _header(os.pread(self._fd, _HEADER.size, 0))
        if header is None or header.boot != self._around.boot or self._is_ahead():
            os.ftruncate(self._fd, 0)
            header = Header(self._around.boot, self._around.wall(), self._horizon)
            _write(self._fd, _pack_header(header), 0)
        elif header.horizon < self._horizon:
            _write(self._fd, _pack_header(header._replace(horizon=self._horizon)), 0)
        is_known, self._born = header.born == self._born, header.born
        self._end = _HEADER.size
        self._most = os.fstat(self._fd).st_size + SPAN * SIZE
        return is_known

    def _is_ahead(self) -> bool:
        """Whether the file speaks of the future: where no boot has a name, that tells that it is from another."""
        if any(self._around.boot):
            return False
        self._end = _HEADER.size
        soon = self._around.now() + SECOND
        return any(entry.at > soon for entry in self._read())

    def _is_removed(self) -> bool:
        """Whether somebody has removed or emptied the file, looked at now and then."""
        self._looks += 1
        if self._looks % LOOKS:
            return False
        assert self._fd is not None
        status = os.fstat(self._fd)
        return not status.st_nlink or status.st_size < self._end

    def _read(self) -> list[Entry]:
        """Return the entries from where the last reading ended; one that a kill has torn is overwritten next."""
        assert self._fd is not None
        data = os.pread(self._fd, BLOCK, self._end)
        if not data:
            return []
        if len(data) == BLOCK:
            data += os.pread(self._fd, os.fstat(self._fd).st_size - self._end - BLOCK, self._end + BLOCK)
        data = data[: len(data) // SIZE * SIZE]
        self._end += len(data)
        offset = self._around.offset
        return [
            Entry(kind, member, at - offset, until - offset, slots, place, Demand(a, b, c, d, e))
            for kind, place, slots, member, at, until, a, b, c, d, e in _RECORD.iter_unpack(data)
        ]

    def _append(self, entries: Sequence[Entry]) -> None:
        assert self._fd is not None
        data = self._packed(entries)
        _write(self._fd, data, self._end)
        self._end += len(data)
        if self._end > self._most:
            self._shorten(self._fd)

    def _shorten(self, old: int) -> None:
        """Put a shorter file in this one's place."""
        header = _header(os.pread(old, _HEADER.size, 0))
        if header is None:
            raise OSError(errno.EINVAL, "it holds something else")
        self._end = _HEADER.size
        entries = condense(self._read(), self._around.now(), header.horizon)
        data = _pack_header(header) + self._packed(entries)
        temporary = self._path.with_suffix(f".{self.member:08x}")
        new = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(new, data, 0)
            temporary.replace(self._path)
        except OSError:
            os.close(new)
            temporary.unlink(missing_ok=True)
            raise
        _write(old, self._packed([Entry(REPLACED, self.member, 0)]), self._end)
        os.close(old)
        self._fd, self._end = new, len(data)
        self._most = self._end + SPAN * SIZE

    def _packed(self, entries: Iterable[Entry]) -> bytes:
        pack, offset = _RECORD.pack, self._around.offset
        return b"".join([
            pack(kind, place, slots, member, at + offset, until + offset, *demand)
            for kind, member, at, until, slots, place, demand in entries
        ])

    def _lose(self, why: str) -> News:
        self.leave()
        self._around.lost(why)
        return NOTHING_NEW


def _write(fd: int, data: bytes, at: int) -> None:
    """Write all of it, or fail."""
    if os.pwrite(fd, data, at) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _horizon(window: int) -> int:
    """Return how old entries may matter: limiters round up by 1/4096, and allow for the network."""
    return window + window // 1000 + SECOND


def _pack_header(header: Header) -> bytes:
    return _HEADER.pack(MAGIC, *header)


def _header(data: bytes) -> Header | None:
    """Return the header, or None if it is none of this format."""
    if len(data) < _HEADER.size:
        return None
    magic, boot, born, horizon = _HEADER.unpack(data)
    return Header(boot, born, horizon) if magic == MAGIC else None
