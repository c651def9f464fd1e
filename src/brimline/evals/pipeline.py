"""A pipeline: steps through which rows flow, each as soon as it is ready.

What was paid for is on file, so running it again goes on in the middle.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Self

from brimline.engine.api import on_a_loop
from brimline.engine.clock import ticks
from brimline.engine.engine import Engine
from brimline.engine.report import StopReason
from brimline.errors import OutputError
from brimline.evals.asking import check_models
from brimline.evals.flow import Flow
from brimline.evals.intake import Rows, given
from brimline.evals.parcel import Parcel
from brimline.evals.rows_file import RowsFile, read_rows
from brimline.evals.steps import Ask, PipelineStep, Row, check_steps
from brimline.evals.tally import FailedRows, StepProgress, broken
from brimline.store.lock import Lock
from brimline.types import Fault, Usage

log = logging.getLogger("brimline.evals")

TICK = 0.25
"""Seconds between two calls of `on_progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineReport:
    """What came of a pipeline. Iterating over it reads the rows that it gave.

    Attributes:
        output: Where these rows are, in the order of the input.
        failed_rows: Where the rows are that were lost, with the step and the reason.
        rows: How many rows were read.
        given: How many came out at the end.
        failed: How many were lost on the way, whatever they were pieces of.
        steps: How each step stands.
        stops: Models and endpoints that have stopped, and why; their rows are pending.
        stopped: Why not everything was dealt with, or None.
        elapsed: Seconds.
    """

    output: Path
    failed_rows: Path
    rows: int
    given: int
    failed: int
    steps: tuple[StepProgress, ...]
    stops: Mapping[str, Fault] = field(default_factory=dict)
    stopped: StopReason | None = None
    elapsed: float = 0.0

    @property
    def pending(self) -> int:
        """How many rows a step did not deal with; running it again does."""
        return sum(step.pending for step in self.steps)

    @property
    def is_complete(self) -> bool:
        """Whether every row that was given has come out, was dropped or has failed."""
        return self.stopped is None and not self.pending

    @property
    def usage(self) -> Usage:
        """What all answers used, those of earlier runs included."""
        return sum((step.usage for step in self.steps), start=Usage())

    def __iter__(self) -> Iterator[Row]:
        return read_rows(self.output)

    @property
    def failures(self) -> Iterator[Row]:
        """The rows that were lost: `id`, `step` and `error`."""
        return read_rows(self.failed_rows)


class Pipeline:
    r"""Steps through which rows flow.

        pipeline = Pipeline(
            [
                Split("text", into="chunk", size=2000),
                Ask("summary", model="openai/gpt-5-mini", prompt="Summarise: {{ chunk }}"),
                Gather(lambda rows: {"summary": "\n".join(row["summary"] for row in rows)}),
            ],
            folder="summaries",
        )
        report = pipeline.run(documents)

    Each row goes on as soon as a step is done with it. All steps share one engine, and so its limits. Every answer is on
    file in the folder before its row goes on: running it again sends only what has no answer yet, and after a change of a
    prompt only that step and what follows.

    Args:
        steps: The steps, in order.
        folder: Where outcomes are kept: `<name>.jsonl` for each ask, `failed.jsonl`, and `output.jsonl`.
        output: Where the rows go that come out at the end, instead.
        deadline: Seconds; then nothing more is sent, and what is in flight may end.
        stop_after_failed: Stop in the same way when more rows than this have failed.
        on_progress: Called a few times a second with how each step stands.
        options: Settings of the `Engine`: limits, concurrency, endpoints, config, timeout, max_tries, cache, ...

    Raises:
        ConfigError: A step or a setting is wrong.
    """

    def __init__(
        self,
        steps: Sequence[PipelineStep],
        *,
        folder: str | PathLike[str],
        output: str | PathLike[str] | None = None,
        deadline: float | None = None,
        stop_after_failed: int | None = None,
        on_progress: Callable[[tuple[StepProgress, ...]], None] | None = None,
        **options: Any,
    ) -> None:
        check_steps(steps)
        self.steps = (*steps,)
        self.folder = Path(folder)
        self.output = self.folder / "output.jsonl" if output is None else Path(output)
        self._deadline = deadline
        self._most_failed = stop_after_failed
        self._on_progress = on_progress
        self._options = options
        self._check()

    def run(self, rows: Rows) -> PipelineReport:
        """Let rows flow, and return what came of it; calling it again goes on where it ended.

        Args:
            rows: Rows (dicts), or texts, which become their `prompt`; a table as for `brimline.run`; or a file's name.
                Give them ids where you can: answers on file are known by id and what was asked, and without one a row
                is known by its number.

        Raises:
            InputError: The file cannot be used; nothing was sent.
            OutputError: The folder or the output cannot be used, or another process works in it; nothing was sent.
            RunError: It could not go on. What was answered is kept.
        """
        return on_a_loop(lambda: self.execute(rows))

    async def execute(self, rows: Rows, opened: Callable[[Flow], None] | None = None) -> PipelineReport:
        """Do as `run`, on the loop that runs; `opened` is told the flow, which can be stopped."""
        began = ticks()
        async with _Execution(self, rows, opened) as execution, aclosing(execution.parcels()) as parcels:
            with closing(RowsFile(self.output)) as file:
                async for parcel in parcels:
                    _write(file, parcel, execution.failed)
                await asyncio.to_thread(file.finish)
        flow = execution.flow
        return PipelineReport(
            output=self.output,
            failed_rows=execution.failed_path,
            rows=flow.rows,
            given=file.count,
            failed=execution.failed.count,
            steps=flow.progress,
            stops=flow.stops,
            stopped=flow.stopped,
            elapsed=ticks() - began,
        )

    async def stream(self, rows: Rows) -> AsyncGenerator[Row, None]:
        """Yield the rows that come out at the end, as they come; nobody taking them slows everything.

        Args:
            rows: As for `run`; also without end.

        Raises:
            InputError: As for `run`.
            OutputError: As for `run`.
        """
        async with _Execution(self, rows, None) as execution, aclosing(execution.parcels()) as parcels:
            async for parcel in parcels:
                if not parcel.is_lost:
                    yield dict(parcel.columns)

    # What an execution uses.

    @property
    def limits(self) -> tuple[float | None, int | None]:
        """The deadline, and how many rows may fail."""
        return self._deadline, self._most_failed

    def engine(self) -> Engine:
        """Return a new engine."""
        return Engine(**self._options)

    async def tick(self, flow: Flow) -> None:
        """Say how it stands, again and again."""
        while self._on_progress is not None:
            await asyncio.sleep(TICK)
            try:
                self._on_progress(flow.progress)
            except Exception:
                log.exception("on_progress failed and is not called any more")
                return

    def _check(self) -> None:
        check_models([step for step in self.steps if isinstance(step, Ask)], self.engine().config)


class _Execution:
    """One run of a pipeline, with all that it holds open meanwhile."""

    def __init__(self, pipeline: Pipeline, rows: Rows, opened: Callable[[Flow], None] | None) -> None:
        self._pipeline = pipeline
        self._rows = given(rows)
        self._opened = opened
        self._open = AsyncExitStack()
        self.failed_path = pipeline.folder / "failed.jsonl"
        self.failed: FailedRows
        self.flow: Flow

    async def __aenter__(self) -> Self:
        async with self._open as stack:
            await self._enter(stack)
            self._open = stack.pop_all()
        if self._opened is not None:
            self._opened(self.flow)
        return self

    async def _enter(self, stack: AsyncExitStack) -> None:
        folder = self._pipeline.folder
        deadline, most = self._pipeline.limits
        loop = asyncio.get_running_loop()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(Lock(folder / "lock", str(folder)).release)
            self.failed = FailedRows(self.failed_path)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror}") from None
        stack.callback(self.failed.close)
        engine = await stack.enter_async_context(self._pipeline.engine())
        self.flow = Flow(self._pipeline.steps, engine, folder, self.failed)
        if deadline is not None:
            stack.callback(loop.call_later(deadline, self.flow.stop, StopReason.DEADLINE).cancel)
        if most is not None:
            self.failed.watch = lambda count: self.flow.stop(StopReason.FAILURES) if count > most else None
        ticker = loop.create_task(self._pipeline.tick(self.flow))
        stack.callback(ticker.cancel)

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def parcels(self) -> AsyncGenerator[Parcel, None]:
        """Yield what comes out at the end."""
        return self.flow.parcels(self._rows)


def _write(file: RowsFile, parcel: Parcel, failed: FailedRows) -> None:
    if parcel.is_lost:
        return
    try:
        file.add(parcel)
    except (TypeError, ValueError, RecursionError) as error:
        failed.add("output", parcel, broken(error))
