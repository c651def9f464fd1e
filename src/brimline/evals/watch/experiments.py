"""What a watcher does with a file: the experiments of a data folder."""

import filecmp
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brimline.config import Config
from brimline.data.inputs import stem_of
from brimline.engine.prepared import Prepared
from brimline.engine.report import Report
from brimline.errors import OutputError
from brimline.evals.data_folder import DataFolder, OutputFiles
from brimline.evals.experiment import Experiment, open_experiment
from brimline.evals.queues import Queues
from brimline.store.folder import FolderView
from brimline.store.lock import Lock

CLAIMS = ".claims"
"""The folder of claims, in `output/`."""


class FileClaim:
    """A file of a data folder is ours until it is released, or until this process is no more.

    Args:
        data: The data folder.
        file: The file; those that differ only in what tells their format have one output and one claim.

    Raises:
        OutputLocked: Another process has it.
        OutputError: It cannot be written down.
    """

    def __init__(self, data: DataFolder, file: Path) -> None:
        folder = data.output / CLAIMS
        data.make(folder)
        self._path = folder / stem_of(file)
        try:
            self._lock = Lock(self._path, str(file))
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}") from None

    def release(self) -> None:
        """Let others have it."""
        self._path.unlink(missing_ok=True)
        self._lock.release()


class Experiments:
    """The experiments in the files of a data folder, each prepared as `brimline experiment run` would.

    Args:
        data: The data folder.
        queues: How rows are queued.
        config: The configuration, with these queues.
        options: Options of each run.
        as_csv: Whether results are also written as CSV.
        moves: Whether a file whose requests all have their outcome goes to its output.
    """

    def __init__(
        self,
        data: DataFolder,
        queues: Queues,
        config: Config,
        options: Mapping[str, Any],
        *,
        as_csv: bool = False,
        moves: bool = False,
    ) -> None:
        self._data = data
        self._queues = queues
        self._config = config
        self._options = options
        self._as_csv = as_csv
        self._moves = moves
        self._open: dict[Path, Experiment] = {}

    def claim(self, file: Path) -> FileClaim:
        """Take a file.

        Raises:
            OutputLocked: Another process has it.
            OutputError: The claim cannot be written down.
        """
        return FileClaim(self._data, file)

    def is_done(self, file: Path) -> bool:
        """Whether the last output of this content has an outcome for each request."""
        files = self._data.last_output(file)
        return files is not None and _is_complete(files)

    def prepare(self, file: Path) -> Prepared:
        """Check a file and lock its results; the last output of this content goes on, or a new one begins.

        Raises:
            InputError: It cannot be run; nothing was sent, and nothing is left of it.
            OutputError: Its results cannot be written, or another process writes them.
            ConfigError: A setting is wrong.
        """
        experiment = open_experiment(file, self._data, self._queues, now=datetime.now(UTC))
        prepared = experiment.prepare(experiment.options(**self._options), self._config)
        self._open[file] = experiment
        return prepared

    def finish(self, file: Path, report: Report) -> None:
        """Write what came of a run into its log, and the results as CSV if that is asked for.

        Raises:
            OutputError: They cannot be written.
        """
        self._open.pop(file).finish(report, as_csv=self._as_csv)

    def put_away(self, file: Path) -> None:
        """Let a file that is done go to its output, if that is asked for; one that was changed since stays.

        Raises:
            OutputError: It cannot be moved.
        """
        if not self._moves:
            return
        files = self._data.last_output(file)
        if files is None or not filecmp.cmp(files.input, file, shallow=False):
            return
        try:
            file.replace(files.input)
        except OSError as error:
            raise OutputError(f"{file} cannot be moved to {files.input}: {error.strerror}") from None


def _is_complete(files: OutputFiles) -> bool:
    """Whether an output has everything: its last run says so, and the results are still there."""
    return files.completed.exists() and FolderView(files.completed).read_manifest().get("missing") == 0
