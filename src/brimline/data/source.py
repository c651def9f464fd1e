"""Where the bytes of an input are, and what its user calls their places."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from brimline.errors import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table's bytes are, and what people call it.

    Attributes:
        name: For messages: the user's own file, also where its rows were copied to another.
        open: Opens it, at its beginning; also while it is open elsewhere.
        stamp: What tells one state of it from another.
        has_lines: Whether the user's file has lines; of one that has none (Parquet) line n holds row n - 1.
    """

    name: str
    open: Callable[[], BinaryIO]
    stamp: list[int]
    has_lines: bool = True

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Return the source that a file is."""
        return cls(str(path), lambda: path.open("rb"), stamp_of(path))

    def where(self, *lines: int) -> str:
        """Name a line, or several, as the user would find them."""
        if self.has_lines and len(lines) == 1:
            return f"{self.name}:{lines[0]}"
        noun = "line" if self.has_lines else "row"
        numbers = " and ".join(str(line if self.has_lines else line - 1) for line in lines)
        return f"{self.name}: {noun if len(lines) == 1 else noun + 's'} {numbers}"

    def changed(self) -> InputError:
        """Return the error of a file that is not any more what it was when it was checked."""
        return InputError(f"{self.name} was changed while it was being run", hint="Run it again.")


def stamp_of(path: Path) -> list[int]:
    """Return what tells one state of a file from another."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
