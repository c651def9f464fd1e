"""prompto's data folder: `input/`, `media/`, and `output/<experiment>/` with files named by when they were begun.

What a user gives is copied into the output and read from there; it is never moved, changed or overwritten. An
output belongs to an input by its content: the same file, given again, goes on with the last output of it.
"""

import filecmp
import re
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from brimline.data.inputs import open_table, stem_of
from brimline.errors import InputError, OutputError

STAMP = "%d-%m-%Y-%H-%M-%S"
"""When an output was begun, local time, as prompto writes it."""

_STAMPED = re.compile(r"(\d\d-\d\d-\d{4}-\d\d-\d\d-\d\d)-input-(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """The files of one output of an experiment.

    Attributes:
        folder: Where they are.
        stamp: When it was begun.
        name: The experiment's name: its input's, without what tells the format.
        suffix: What tells the format.
    """

    folder: Path
    stamp: str
    name: str
    suffix: str = ".jsonl"

    @property
    def input(self) -> Path:
        """The copy of the input."""
        return self._path("input", self.suffix)

    @property
    def completed(self) -> Path:
        """The results."""
        return self._path("completed", ".jsonl")

    @property
    def table(self) -> Path:
        """The results as CSV."""
        return self._path("completed", ".csv")

    @property
    def log(self) -> Path:
        """What happened, for people."""
        return self._path("log", ".txt")

    @property
    def as_rows(self) -> Path:
        """The input as JSONL, where it is something else."""
        return self._path("input", ".jsonl")

    @property
    def began(self) -> datetime:
        """When it was begun, local time."""
        return datetime.strptime(self.stamp, STAMP).astimezone()

    def chained(self, prefix: str) -> "OutputFiles":
        """Return the files of what belongs to this output in another folder (`judge-...`); they have its time."""
        name = f"{prefix}-{self.name}"
        return OutputFiles(self.folder.parent / name, self.stamp, name)

    def _path(self, what: str, suffix: str) -> Path:
        return self.folder / f"{self.stamp}-{what}-{self.name}{suffix}"


class DataFolder:
    """A data folder.

    Args:
        path: The folder; it has to exist. What should be in it is made.

    Raises:
        InputError: There is no such folder.
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.input, self.output, self.media = path / "input", path / "output", path / "media"
        if not path.is_dir():
            what = "is no folder" if path.exists() else "does not exist"
            raise InputError(f"the data folder {path} {what}", hint=f"mkdir {path}, or name another one.")
        for folder in (self.input, self.output, self.media):
            self.make(folder)

    def make(self, folder: Path) -> None:
        """Make a folder, unless it is there.

        Raises:
            OutputError: It cannot be made.
        """
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror}") from None

    def find(self, file: Path) -> Path:
        """Return the file that is meant: the one of that name, or the one of `input/`.

        Raises:
            InputError: There is neither.
        """
        for place in (file, self.input / file):
            if place.is_file():
                return place
        raise InputError(f"there is neither {file} nor {self.input / file}")

    def last_output(self, file: Path) -> OutputFiles | None:
        """Return the last output of an input with the content of `file`, finished or not; None if there is none."""
        same = [files for files in self._outputs(file) if filecmp.cmp(files.input, file, shallow=False)]
        return max(same, key=lambda files: files.began, default=None)

    def new_output(self, file: Path, now: datetime) -> OutputFiles:
        """Copy `file` into a new output that begins `now`, or some seconds later if others have begun then.

        Raises:
            OutputError: It cannot be copied.
        """
        name, suffix = _name_of(file)
        folder = self.output / name
        files = OutputFiles(folder, now.strftime(STAMP), name, suffix)
        self.make(folder)
        try:
            with files.input.open("xb") as copy, file.open("rb") as given:
                shutil.copyfileobj(given, copy)
        except FileExistsError:
            return self.new_output(file, now + timedelta(seconds=1))
        except OSError as error:
            raise OutputError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
        return files

    def _outputs(self, file: Path) -> list[OutputFiles]:
        name, suffix = _name_of(file)
        folder = self.output / name
        found = []
        for path in folder.glob(f"*-input-*{suffix}") if folder.is_dir() else ():
            stamped = _STAMPED.fullmatch(path.name)
            if stamped is not None and stamped[2] == f"{name}{suffix}" and _is_time(stamped[1]):
                found.append(OutputFiles(folder, stamped[1], name, suffix))
        return found


def _name_of(file: Path) -> tuple[str, str]:
    """Return the name of the experiment in a file, and what tells the file's format.

    Raises:
        InputError: It is no file of rows.
    """
    open_table(file)
    name = stem_of(file)
    return name, file.name.removeprefix(name)


def _is_time(stamp: str) -> bool:
    try:
        datetime.strptime(stamp, STAMP).astimezone()
    except ValueError:
        return False
    return True
