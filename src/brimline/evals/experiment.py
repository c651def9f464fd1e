"""Experiments: files of rows run in a data folder, as prompto runs them, each with its queues and its own output.

data = DataFolder(Path("data"))
experiment = open_experiment(Path("questions.jsonl"), data, Queues(max_queries=500), now=now)
async with Engine(config=experiment.configured(config)) as engine:
report = await run_experiment(engine, experiment)
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brimline.config import Config
from brimline.data.inputs import open_table
from brimline.data.recipe import given_params
from brimline.data.rows import Row, Table
from brimline.engine.engine import Engine
from brimline.engine.execution import Execution
from brimline.engine.options import RunOptions
from brimline.engine.prepare import check_input, make_recipe
from brimline.engine.prepared import Prepared, prepare
from brimline.engine.report import Report
from brimline.evals.data_folder import DataFolder, OutputFiles
from brimline.evals.experiment_log import ExperimentLog, failures, last_words, write_table
from brimline.evals.queues import Queues
from brimline.evals.scoring import write_lines


@dataclass(frozen=True, slots=True)
class Experiment:
    """A file of rows with its place in a data folder.

    Attributes:
        file: The file as its user calls it.
        data: The data folder.
        files: The files of its output.
        queues: How its rows are queued.
        is_new: Whether this output begins now; else it goes on.
        max_attempts: Tries of one request; None: as configured (5).
    """

    file: Path
    data: DataFolder
    files: OutputFiles
    queues: Queues
    is_new: bool = True
    max_attempts: int | None = None

    def options(self, **given: Any) -> RunOptions:
        """Return the run that answers its rows; `given` are options of it."""
        return RunOptions(
            input=self.files.input,
            output=self.files.completed,
            media_folder=self.data.path,
            grouping=self.queues.grouping,
            **given,
        )

    def configured(self, config: Config) -> Config:
        """Return a configuration with its queues; what is declared for models holds beside them."""
        return self.queues.configured(config, self.max_attempts)

    def check(self, options: RunOptions, config: Config) -> None:
        """See that its rows can be run, where something else is paid for before.

        Raises:
            InputError: They cannot; all their problems are in it.
            ConfigError: A template is none.
        """
        recipe = make_recipe(options, options.input.parent, config)
        check_input(self._table(), recipe, config, with_keys=False).require()

    def prepare(self, options: RunOptions, config: Config) -> Prepared:
        """Check its rows and lock its results; where it cannot be run, no trace of it is left.

        Raises:
            InputError: It cannot be run; nothing was sent.
            OutputError: Another process runs it, or something cannot be written.
            ConfigError: A setting is wrong.
        """
        try:
            prepared = prepare(options, config, self._table())
        except BaseException:
            self.discard()
            raise
        try:
            self._note_begin(prepared)
        except BaseException:
            prepared.release()
            raise
        return prepared

    def discard(self) -> None:
        """Remove an output that has begun now and holds nothing."""
        if self.is_new:
            self.files.input.unlink(missing_ok=True)
            with suppress(OSError):  # it holds others
                self.files.folder.rmdir()

    def idle_rates(self, prepared: Prepared) -> list[str]:
        """Return the groups, APIs and models that rates name and no row has: a slip of the pen, mostly."""
        return self.queues.idle(group for _, group in prepared.checked.plan.lanes.values())

    def finish(self, report: Report, *, as_csv: bool = False) -> None:
        """Write what came of it into its log, and its results as CSV if that is asked for.

        Raises:
            OutputError: They cannot be written.
        """
        log = ExperimentLog(self.files.log)
        now = _now()
        log.add(now, *report.notices, *failures(self.files.completed))
        for what, fault in report.stops.items():
            log.add(now, f"{what} has stopped: {fault.kind}: {fault.detail}")
        if report.error is not None:
            log.add(now, f"Experiment could not go on: {report.error}")
        log.add(now, last_words(self.file.name, report))
        if as_csv:
            write_table(self.files.completed, self.files.table)

    def _table(self) -> Table:
        """Return its rows; what is wrong with them is said of the user's own file."""
        table = open_table(self.files.input)
        table.source = replace(table.source, name=str(self.file))
        return table

    def _note_begin(self, prepared: Prepared) -> None:
        plan = prepared.checked.plan
        begun = "Started" if self.is_new else "Resumed"
        ExperimentLog(self.files.log).add(
            _now(), f"{begun} experiment: {self.file.name}, number of queries: {plan.requests}"
        )
        if self.is_new and self.files.as_rows != self.files.input:
            write_lines(_rows(plan.table), self.files.as_rows)


def open_experiment(
    file: Path,
    data: DataFolder,
    queues: Queues | None = None,
    *,
    now: datetime,
    max_attempts: int | None = None,
    fresh: bool = False,
) -> Experiment:
    """Return the experiment in a file: the last output of the same content goes on, or a new one begins.

    Args:
        file: The file, also by its name in `input/`; it stays as and where it is.
        data: The data folder.
        queues: How rows are queued; prompto's defaults if not given.
        now: The present.
        max_attempts: Tries of one request; as configured if not given (5).
        fresh: Whether a new output begins in any case.

    Raises:
        InputError: There is no such file, or it is no file of rows.
        OutputError: It cannot be copied.
    """
    path = data.find(file)
    files = None if fresh else data.last_output(path)
    return Experiment(
        file=path,
        data=data,
        files=files or data.new_output(path, now.astimezone()),
        queues=queues or Queues(),
        is_new=files is None,
        max_attempts=max_attempts,
    )


async def run_experiment(
    engine: Engine,
    experiment: Experiment,
    *,
    as_csv: bool = False,
    say: Callable[[str], None] = lambda _: None,
    begun: Callable[[Execution], None] = lambda _: None,
    **given: Any,
) -> Report:
    """Run an experiment; several may run in one engine, and share its limits.

    Args:
        engine: An open engine with the experiment's configuration.
        experiment: The experiment.
        as_csv: Whether the results are also written as CSV.
        say: Shows a line to those who watch.
        begun: Gets the execution, to look at its progress and to stop it.
        given: Options of the run.

    Raises:
        InputError: It cannot be run; nothing was sent, and nothing is left of it.
        OutputError: Another process runs it, or something cannot be written.
        ConfigError: A setting is wrong.
        RunError: It could not start.
    """
    options = experiment.options(**given)
    prepared = await asyncio.to_thread(experiment.prepare, options, engine.config)
    execution = Execution(engine, prepared, say=say)
    begun(execution)
    report = await execution.run()
    await asyncio.to_thread(experiment.finish, report, as_csv=as_csv)
    return report


def _rows(table: Table) -> Iterator[dict[str, Any]]:
    """Yield rows with the parameters of their columns together, as prompto writes them."""
    for row in table.scan():
        if isinstance(row, Row):
            params = given_params(row.columns)
            yield {**row.columns, "parameters": params} if params else row.columns


def _now() -> datetime:
    return datetime.now(UTC).astimezone()
