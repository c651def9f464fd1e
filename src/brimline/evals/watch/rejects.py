"""Files that cannot be run are put aside, each with the reason beside it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

FOLDER = "rejected"
REASON = ".reason.txt"


def reject(file: Path, folder: Path, reason: str) -> Path:
    """Move a file to `folder` with its reason in `<name>.reason.txt`; return where it is.

    The reason is written first: a file that was put aside is never without one.

    Raises:
        OSError: It cannot be moved, or nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = next(name for name in _names(folder / file.name) if _explain(name, reason))
    try:
        file.rename(target)
    except OSError:
        _beside(target).unlink(missing_ok=True)
        raise
    return target


def _explain(target: Path, reason: str) -> bool:
    """Write the reason beside a name, unless something else has that name."""
    if target.exists():
        return False
    try:
        with _beside(target).open("x", encoding="utf-8", errors="backslashreplace") as text:
            text.write(reason.rstrip() + "\n")
    except FileExistsError:
        return False
    return True


def _beside(target: Path) -> Path:
    return target.with_name(target.name + REASON)


def _names(path: Path) -> Iterator[Path]:
    """Yield names that nothing else may have yet: `a.jsonl`, `a-2.jsonl`, ..."""
    yield path
    stem, dot, ending = path.name.partition(".")
    for number in count(2):
        yield path.with_name(f"{stem}-{number}{dot}{ending}")
