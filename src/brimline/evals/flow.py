"""One run of a pipeline: a task for each step, a channel between two, and an engine that all share."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from brimline.engine.engine import Engine
from brimline.engine.report import StopReason
from brimline.errors import InputError
from brimline.evals.asking import AskStage
from brimline.evals.channel import Channel
from brimline.evals.intake import as_row, read
from brimline.evals.parcel import Fate, Parcel
from brimline.evals.stages import GatherStage, MapStage, SplitStage, Stage
from brimline.evals.steps import Ask, Gather, Map, PipelineStep, Split
from brimline.evals.tally import FailedRows, StepProgress, broken
from brimline.types import Fault

INPUT = "input"
"""What rows that are none failed at."""


class Flow:
    """One run of a pipeline.

    Args:
        steps: Its steps.
        engine: What sends.
        folder: Where each ask keeps its outcomes.
        failed: Where lost rows are written down.

    Attributes:
        rows: How many rows were read.
        stopped: Why it was stopped, or None.

    Raises:
        ConfigError: A schema is none.
    """

    def __init__(
        self, steps: Sequence[PipelineStep], engine: Engine, folder: Path, failed: FailedRows
    ) -> None:
        self._failed = failed
        self._stages = [_stage(step, engine, folder, failed) for step in steps]
        self._asks = [stage for stage in self._stages if isinstance(stage, AskStage)]
        self._source: asyncio.Task[None] | None = None
        self.rows = 0
        self.stopped: StopReason | None = None

    @property
    def stops(self) -> dict[str, Fault]:
        """Models and endpoints that have stopped, and why."""
        return {what: fault for ask in self._asks for what, fault in ask.stops.items()}

    @property
    def progress(self) -> tuple[StepProgress, ...]:
        """How each step stands."""
        return tuple(
            stage.look() if isinstance(stage, AskStage) else stage.progress for stage in self._stages
        )

    def stop(self, reason: StopReason) -> None:
        """Read and send nothing more; what is in flight may end."""
        if self.stopped is not None:
            return
        self.stopped = reason
        if self._source is not None:
            self._source.cancel()
        for ask in self._asks:
            ask.stop(f"the pipeline was stopped: {reason}")

    async def parcels(self, rows: Any) -> AsyncGenerator[Parcel, None]:
        """Yield what comes out at the end, lost rows among it."""
        out = Channel()
        work = asyncio.create_task(self._work(rows, out))
        work.add_done_callback(lambda _: out.close())
        try:
            async for parcel in out:
                yield parcel
            await work
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work

    async def _work(self, rows: Any, out: Channel) -> None:
        channels = [Channel() for _ in self._stages] + [out]
        try:
            async with asyncio.TaskGroup() as tasks:
                for stage, before, after in zip(self._stages, channels[:-1], channels[1:], strict=True):
                    tasks.create_task(stage.run(before, after))
                self._source = tasks.create_task(self._read(rows, channels[0]))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _read(self, rows: Any, out: Channel) -> None:
        try:
            if self.stopped is None:
                async for item in read(rows):
                    await out.put(self._parcel(item))
        finally:
            out.close()

    def _parcel(self, item: Any) -> Parcel:
        number, self.rows = self.rows, self.rows + 1
        try:
            return Parcel(as_row(item, number), (number,))
        except InputError as error:
            lost = Parcel({"id": number}, (number,), fate=Fate.FAILED)
            self._failed.add(INPUT, lost, broken(error))
            return lost


def _stage(step: PipelineStep, engine: Engine, folder: Path, failed: FailedRows) -> Stage:
    match step:
        case Ask():
            return AskStage(step, engine, folder / f"{step.name}.jsonl", failed)
        case Map():
            return MapStage(step, failed)
        case Split():
            return SplitStage(step, failed)
        case Gather():
            return GatherStage(step, failed)
