"""The disk under a folder: it can fail, and it can lose power.

What power loss leaves behind is a model that is worse than any file system: a file keeps what it held at its last
sync, and behind that nothing, a part, zeros or everything, each file by itself; a name (new, moved or gone) is kept
once its folder was synced, and before that it is as it was or as it is, each name by itself.
"""

import os
import threading
from pathlib import Path

from brimline.store import appender

CALLS = ("write", "fsync", "fdatasync", "ftruncate", "replace", "rename", "unlink")


class Disk:
    """Sees every call that changes something in a folder, one at a time, from whatever thread.

    Args:
        folder: The folder; what is elsewhere is left alone.
        patch: Pytest's `monkeypatch`.

    Attributes:
        before: Called with the call's name and path before each; raises OSError to let it fail.
        after: Called with them after each.
    """

    def __init__(self, folder, patch):
        self._folder = folder
        self._lock = threading.RLock()
        self.before = self.after = lambda name, path: None
        for name in CALLS:
            if hasattr(os, name):
                patch.setattr(os, name, self._watched(name, getattr(os, name)))
        patch.setattr(appender, "_sync", getattr(os, "fdatasync", os.fsync))

    def _watched(self, name, call):
        def watched(target, *more, **options):
            path = self._path_of(target)
            if path is None:
                return call(target, *more, **options)
            with self._lock:
                self.before(name, path)
                result = call(target, *more, **options)
                self.after(name, path)
            return result

        return watched

    def _path_of(self, target):
        """Return the path of a file in the folder, given by path or by number; None: it is elsewhere."""
        if not isinstance(target, int):
            path = Path(target)
            return path if self._folder in path.parents else None
        wanted = os.fstat(target)
        for path in (self._folder, *self._folder.rglob("*")):
            if path.exists() and os.path.samestat(path.stat(), wanted):
                return path
        return None


class Power:
    """What a folder would hold if the power failed now. At first everything in it is safe."""

    def __init__(self, folder):
        self._folder = folder
        self._held = []
        self._content = {}
        self._names = self._current()
        for path in self._names:
            self._keep(path)

    def note(self, name, path):
        """Note a sync."""
        if name not in {"fsync", "fdatasync"}:
            return
        self._keep(path)
        if path.is_dir():
            self._names = {name: number for name, number in self._names.items() if name.parent != path}
            self._names |= {name: number for name, number in self._current().items() if name.parent == path}

    def fail(self, to, rng, mode):
        """Write down what is left.

        Args:
            to: A folder that does not exist yet.
            rng: For what is left to chance.
            mode: `least` of what may be left, `all`, or `any` of it.
        """
        to.mkdir()
        current = self._current()
        inside = {number: path for path, number in current.items()}
        for path in sorted({*self._names, *current}):
            was, is_now = self._names.get(path), current.get(path)
            number = {"least": was, "all": is_now, "any": rng.choice([was, is_now])}[mode]
            target = to / path.relative_to(self._folder)
            if number is None or not target.parent.exists():
                continue
            if number in inside and inside[number].is_dir():
                target.mkdir()
            else:
                now = inside[number].read_bytes() if number in inside else None
                target.write_bytes(_left(self._content.get(number, b""), now, rng, mode))

    def _keep(self, path):
        """Keep what a file holds; it stays open, so that its number is not used for another."""
        if path.is_file():
            self._held.append(path.open("rb"))
            self._content[path.stat().st_ino] = path.read_bytes()

    def _current(self):
        """The names of files and folders; the socket of a run is neither."""
        return {
            path: path.stat().st_ino for path in self._folder.rglob("*") if path.is_file() or path.is_dir()
        }

    def close(self):
        """Let go of the files."""
        for file in self._held:
            file.close()


def _left(safe, now, rng, mode):
    """Return what is left of a file that held `safe` at its last sync and holds `now`."""
    if now is None or mode == "least":
        return safe
    if mode == "all":
        return now
    if not now.startswith(safe):
        return rng.choice([safe, now])
    cut = rng.randint(len(safe), len(now))
    zeros = bytes(rng.choice([0, len(now) - cut]))
    return now[:cut] + zeros
