"""Files that cannot be run are put aside, each with the reason beside it."""

from collections.abc import Iterator
from contextlib import suppress
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
    for target in _names(folder / file.name):
        beside = target.with_name(target.name + REASON)
        if target.exists():
            continue
        with suppress(FileExistsError), beside.open("x", encoding="utf-8", errors="backslashreplace") as text:
            text.write(reason.rstrip() + "\n")
            break
    try:
        file.rename(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return target


def _names(path: Path) -> Iterator[Path]:
    """Yield names that nothing else may have yet: `a.jsonl`, `a-2.jsonl`, ..."""
    yield path
    stem, dot, ending = path.name.partition(".")
    for number in count(2):
        yield path.with_name(f"{stem}-{number}{dot}{ending}")
