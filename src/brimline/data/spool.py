"""A temporary file for what cannot be read by place: standard input, compressed files, Parquet, rows from Python."""

import io
import os
import tempfile
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, cast

from brimline.data.source import Source
from brimline.errors import InputError, OutputError

CHUNK = 1 << 20


class Spool:
    """A temporary file without a name: written once, then read at many places at a time.

    It is gone when nobody holds it any more, and also when the process is killed.

    Raises:
        InputError: There is no place for it.
    """

    def __init__(self) -> None:
        try:
            fd, name = tempfile.mkstemp(prefix="brimline-")
            os.unlink(name)  # noqa: PTH108  it stays as long as it is open
        except OSError as error:
            raise _no_room(error) from None
        weakref.finalize(self, os.close, fd)
        self.fd = fd
        self._digest = blake2b(digest_size=6)
        self._size = 0
        self._rest = bytearray()

    def write(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            InputError: There is no room for them.
        """
        self._rest += data
        if len(self._rest) >= CHUNK:
            self._flush()

    def source(self, name: str, stamp: list[int] | None = None, *, has_lines: bool = True) -> Source:
        """Return what was written as a source; nothing more is.

        Args:
            name: What the user calls it.
            stamp: That of the user's own file; if there is none, what was written tells its state.
            has_lines: Whether the user's own file has lines.
        """
        self._flush()
        own = [self._size, int.from_bytes(self._digest.digest())]
        return Source(name, self.open, stamp or own, has_lines)

    def open(self) -> BinaryIO:
        """Open it for reading, at its beginning."""
        return cast(BinaryIO, io.BufferedReader(_Reader(self)))

    def save(self, path: Path) -> None:
        """Copy it to a file that is either whole or not there, durably.

        Raises:
            OutputError: That cannot be written.
        """
        temporary = path.with_name(path.name + ".tmp")
        try:
            with self.open() as source, temporary.open("wb") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(f"{path} cannot be written: {error.strerror}") from None

    def _flush(self) -> None:
        data, self._rest = memoryview(self._rest), bytearray()
        self._digest.update(data)
        self._size += len(data)
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError as error:
            raise _no_room(error) from None


def _no_room(error: OSError) -> InputError:
    where = tempfile.tempdir or "a temporary folder"
    hint = "Let TMPDIR name a folder with room for all of its rows."
    return InputError(f"the input cannot be copied to {where}: {error.strerror}", hint=hint)


class _Reader(io.RawIOBase):
    """Reads a spool from a place of its own."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = os.pread(self._spool.fd, len(view), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
