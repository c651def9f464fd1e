"""Who may write a results file: one process, by the kernel's lock, which dies with its owner."""

import fcntl
import os
from pathlib import Path

from brimline.errors import OutputLocked


class Lock:
    """An exclusive lock on a file, held until `release` or the end of the process.

    Args:
        path: The lock file; made if it does not exist, and left behind.
        what: What the lock guards, for the message.

    Raises:
        OutputLocked: Another process holds it; the error has its pid.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._fd = _locked(path, what)
        while not _is_at(self._fd, path):  # its last owner has removed it in between
            os.close(self._fd)
            self._fd = _locked(path, what)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._fd)


def _locked(path: Path, what: str) -> int:
    """Open and lock the file, or say who holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _read_pid(fd)
        os.close(fd)
        who = f"process {pid}" if pid else "another process"
        hint = "Wait until it has finished, stop it, or give another file with -o."
        raise OutputLocked(f"{what} is being written by {who}", pid=pid, hint=hint) from None
    return fd


def _is_at(fd: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    return path.exists() and os.path.samestat(os.fstat(fd), path.stat())


def _read_pid(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else None


def find_owner(path: Path) -> int | None:
    """Return the process that holds the lock on a file, or None.

    A dead owner's number is not asked for the lock: to try it would keep a run from starting at that very moment.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pid = _read_pid(fd)
        return pid if pid is not None and _is_alive(pid) and _is_locked(fd) else None
    finally:
        os.close(fd)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
