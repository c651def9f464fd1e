"""Where a run listens for commands: a socket that nobody but its owner can open.

It lies in the folder beside the results. The path of a socket may hold about a hundred bytes; where that is too
little, or the folder cannot be made private, it lies in a private folder of the system's, and a link beside the
results names it.
"""

import os
import socket
import stat
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from brimline.errors import OutputError

NAME = "control.sock"

LONGEST = 100
"""Bytes of a path that every system takes (108 with its end on Linux, 104 on macOS)."""


class ControlSocket:
    """Listens for commands until `close`. The lock of the results is held, so whatever lies there is dead.

    Args:
        folder: The folder beside the results.

    Raises:
        OSError: There is no place where a socket can be made.

    Attributes:
        socket: The socket.
    """

    def __init__(self, folder: Path) -> None:
        self._link = folder.resolve() / NAME
        self._path = self._link if _fits(self._link) and _is_private(folder) else _elsewhere(self._link)
        for path in {self._link, self._path}:
            path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.bind(os.fspath(self._path))
            self._path.chmod(0o600)
            self.socket.listen()  # nobody could connect before
            if self._path != self._link:
                self._link.symlink_to(self._path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more, and leave nothing behind."""
        self.socket.close()
        for path in {self._link, self._path}:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def find_socket(folder: Path) -> Path | None:
    """Return the socket of the run with this folder, or None if there is none.

    Raises:
        OutputError: It belongs to another user.
    """
    link = folder.resolve() / NAME
    try:
        path = link.readlink() if link.is_symlink() else link
        owner = path.lstat()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise OutputError(f"{folder} belongs to another user") from None
    if not stat.S_ISSOCK(owner.st_mode):
        raise OutputError(f"{path} is no socket")
    if os.geteuid() not in {0, owner.st_uid}:
        raise OutputError(f"the run of {folder} belongs to another user (uid {owner.st_uid})")
    return path


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST


def _is_private(folder: Path) -> bool:
    """See that nobody else can look into a folder of ours."""
    status = folder.lstat()
    if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
        return False
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return True


def _elsewhere(link: Path) -> Path:
    """Return a place in a private folder of the system's."""
    name = blake2b(os.fsencode(link), digest_size=8).hexdigest() + ".sock"
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108  it is checked
        if not base:
            continue
        path = Path(base) / f"brimline-{os.geteuid()}" / name
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if _fits(path) and _is_private(path.parent):
                return path
    raise OSError("there is no private folder for the control socket")
