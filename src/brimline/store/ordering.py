"""The final ordering: one line for each request, in the order of the input, put in place atomically.

Until the new file replaces the old one nothing is lost: a crash leaves the old file and an unfinished one that the
next ordering overwrites. Lines of requests that are no longer asked for go to a file beside it first.
"""

import os
import shutil
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from brimline.store.appender import FULL
from brimline.store.durable import sync_folder
from brimline.store.lines import read_line

CHUNK = 1 << 20


class NoRoom(Exception):
    """There is not enough room on the disk for a second copy of the results."""


def order_results(
    path: Path,
    line_of: "array[int]",
    strays: "array[int]",
    *,
    superseded: Path,
    patch: Callable[[int, bytes], bytes] | None = None,
) -> bool:
    """Put the results into order.

    Args:
        path: The results file.
        line_of: For each request, the number of its line, from 1; none is 0.
        strays: Numbers of lines that belong to no request; they are appended to `superseded`.
        superseded: Where they go.
        patch: Given a request and its line, returns the line to write; asked in the order of requests. None if
            every line is right as it is.

    Returns:
        Whether anything had to be done.

    Raises:
        NoRoom: The disk has no room for a second copy; the file is as it was.
    """
    starts = _line_starts(path)
    is_ordered = len(starts) - 1 == len(line_of) and all(n == place for place, n in enumerate(line_of, 1))
    if is_ordered and patch is None:
        return False
    target = path.resolve()  # a link stays one
    temporary = target.with_name(target.name + ".ordering")
    temporary.unlink(missing_ok=True)  # a crash has left it; it would take the room
    if shutil.disk_usage(target.parent).free < target.stat().st_size + CHUNK:
        raise NoRoom
    try:
        with target.open("rb") as results:
            if strays:
                _put_aside(superseded, (_line(results, starts, number) for number in strays))
            lines = ((request, _line(results, starts, number)) for request, number in enumerate(line_of))
            temporary.touch(0o600)
            _write(
                temporary, "wb", (line if patch is None else patch(request, line) for request, line in lines)
            )
        with suppress(PermissionError):  # some file systems have no modes
            shutil.copymode(target, temporary)
        temporary.replace(target)
        sync_folder(target.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL:
            raise NoRoom from None
        raise
    return True


def _put_aside(superseded: Path, lines: Iterable[bytes]) -> None:
    """Append lines to the file of those that nobody asks for, durably: the results are about to lose them."""
    _end_line(superseded)
    _write(superseded, "ab", lines)
    sync_folder(superseded.parent)


def _end_line(path: Path) -> None:
    """Let the file end with a whole line: a crash may have torn its last one, which the results still hold."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        last = b""
        for last in file:  # noqa: B007  only the last one matters
            pass
        if not last or last.endswith(b"\n"):
            return
        if read_line(last) is None:
            file.truncate(file.tell() - len(last))
        else:
            file.write(b"\n")


def _line_starts(path: Path) -> "array[int]":
    """Return where each line begins, and where the last one ends."""
    starts = array("Q", [0])
    with path.open("rb", buffering=CHUNK) as results:
        for line in results:
            starts.append(starts[-1] + len(line))
    return starts


def _line(results: BinaryIO, starts: "array[int]", number: int) -> bytes:
    return os.pread(results.fileno(), starts[number] - starts[number - 1], starts[number - 1])


def _write(path: Path, mode: str, lines: Iterable[bytes]) -> None:
    """Write lines and make them durable."""
    with path.open(mode, buffering=CHUNK) as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
