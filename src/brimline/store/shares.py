"""The folder in which processes of one user share limits: its daybooks, and who of the members lives.

Whether a member lives is told by the kernel: each holds the lock of a file of its own until its process ends.
"""

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from brimline.core.time import DAY
from brimline.store.daybook import FileDaybook, Surroundings

FORGOTTEN = 2 * DAY
"""A daybook that nobody has written to for so long is removed: no window is as long."""


class ShareFolder:
    """The folder of a user's daybooks, and this process's membership.

    Args:
        path: The folder; made if it does not exist.
        now: The clock of entries, ns.
        offset: What is to be added to it for the machine's, which is the same for all processes, ns.
        wall: Unix time, ns.
        lost: Called with the reason when a daybook cannot be used any more.

    Raises:
        OSError: It cannot be used, or belongs to somebody else.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], int],
        wall: Callable[[], int],
        lost: Callable[[str], None],
        offset: int = 0,
    ) -> None:
        self.path = path
        path.mkdir(mode=0o700, exist_ok=True)
        _check(path)
        self.member, self._fd = self._join()
        self._around = Surroundings(
            member=self.member,
            is_alive=self.is_alive,
            boot=_boot(),
            now=now,
            offset=offset,
            wall=wall,
            lost=lost,
        )
        self._sweep()

    def daybook(self, name: str, *, window: int) -> FileDaybook:
        """Open the daybook called `name`; `window` is the longest that counts in it, ns."""
        return FileDaybook(self.path / f"{name}.daybook", self._around, window)

    def is_alive(self, member: int) -> bool:
        """Whether the process of a member lives."""
        if member == self.member:
            return True
        try:
            fd = os.open(self._card(member), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            self._card(member).unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)

    def close(self) -> None:
        """Leave: slots that are still held count as free."""
        with suppress(OSError):
            self._card(self.member).unlink(missing_ok=True)
        os.close(self._fd)

    def _join(self) -> tuple[int, int]:
        """Make and lock a file of our own."""
        while True:
            member = int.from_bytes(os.urandom(4))
            fd = os.open(self._card(member), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with suppress(BlockingIOError):  # somebody looks whether it is a dead one's
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:  # and has not taken it for one meanwhile
                    return member, fd
            os.close(fd)

    def _card(self, member: int) -> Path:
        return self.path / f"{member:08x}.member"

    def _sweep(self) -> None:
        """Remove what the dead have left."""
        for path in self.path.iterdir():
            with suppress(OSError, ValueError):
                if path.suffix == ".member":
                    self.is_alive(int(path.stem, 16))
                elif self._around.wall() - path.stat().st_mtime_ns > FORGOTTEN:
                    path.unlink()


def _boot() -> bytes:
    """Return what tells this boot of the machine from others; empty where nothing does."""
    with suppress(OSError, ValueError):
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return bytes.fromhex(name.replace("-", ""))[:16]
    return bytes(16)


def _check(path: Path) -> None:
    """See that a folder is ours alone."""
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(0, "is no folder", str(path))
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(0, "belongs to somebody else, or others may look into it", str(path))
