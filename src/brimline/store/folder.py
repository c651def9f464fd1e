"""The folder beside the results: lock, manifest, attempts and turns of unfinished conversations.

Losing it loses history and the count of what may have been billed twice, never results.
"""

import json
import os
from pathlib import Path
from typing import Any

from brimline.errors import ConfigError, OutputError
from brimline.store.lock import Lock, find_owner


class FolderView:
    """`<output>.run/` of one results file, to be looked at. A file that is known by several links has one, beside itself.

    Args:
        output: The results file.
    """

    def __init__(self, output: Path) -> None:
        if output.is_symlink():
            output = output.resolve()
        self.path = output.with_name(output.name + ".run")

    @property
    def attempts(self) -> Path:
        """The attempts log."""
        return self.path / "attempts.jsonl"

    @property
    def turns(self) -> Path:
        """Finished turns of unfinished conversations."""
        return self.path / "turns.jsonl"

    def owner(self) -> int | None:
        """Return the process that writes these results now, or None."""
        return find_owner(self.path / "lock")

    def read_manifest(self) -> dict[str, Any]:
        """Return what was run last; empty if that is not known."""
        try:
            manifest = json.loads((self.path / "manifest.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return manifest if isinstance(manifest, dict) else {}


class RunFolder(FolderView):
    """`<output>.run/` of one results file, locked: nobody else writes these results.

    Args:
        output: The results file.

    Raises:
        OutputLocked: Another process writes the same results.
        OutputError: The folder cannot be made.
    """

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        self.is_new = not self.path.exists()
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            self._lock = Lock(self.path / "lock", str(output))
        except OSError as error:
            hint = "Give another file with -o."
            raise OutputError(f"{self.path} cannot be written: {error.strerror}", hint=hint) from None

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write what was run, with what, and when. Never holds a secret."""
        path = self.path / "manifest.json"
        temporary = path.with_suffix(".tmp")
        text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n"
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))  # names of files may be no UTF-8
        temporary.replace(path)

    def discard(self) -> None:
        """Remove the folder if it was made now and holds nothing but the lock: nothing was run."""
        if self.is_new and [entry.name for entry in self.path.iterdir()] == ["lock"]:
            (self.path / "lock").unlink()
            self.path.rmdir()

    def release(self) -> None:
        """Let another process write these results."""
        self._lock.release()


def make_cache_folder(folder: Path) -> None:
    """See that there can be a cache in `folder`; it is made for its owner only.

    Raises:
        ConfigError: There cannot.
    """
    hint = "Give another folder with --cache=DIR, or leave the cache out."
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"the cache folder {folder} is a file", hint=hint) from None
    except OSError as error:
        raise ConfigError(f"the cache folder {folder} cannot be made: {error.strerror}", hint=hint) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the cache folder {folder} cannot be written", hint=hint)
