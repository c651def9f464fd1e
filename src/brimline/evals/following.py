"""Judging while the run that is judged still goes on: its answers are taken as they become durable."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from os import SEEK_CUR
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from brimline.core.faults import CONSEQUENCES
from brimline.engine.engine import Engine
from brimline.engine.feed import Feed
from brimline.engine.options import RunOptions
from brimline.engine.stream import Maker, numbered
from brimline.errors import InputError
from brimline.evals.answers import Presenter
from brimline.evals.panel import Panel
from brimline.evals.records import Names
from brimline.store.folder import FolderView
from brimline.types import Failure

PAUSE = 0.5
"""Seconds between two looks for new lines."""

APPEARS = 15.0
"""Seconds in which a run that was started at the same time has to have made its results."""


class Following:
    """Judges the answers of a live run until it has ended. What it does not get to is left to an ordinary run.

    Args:
        path: The results that grow.
        panel: The judges.
        options: The run that asks them: its results, parameters, schema and deadline.
        prompt: A template of the prompt that was answered, for rows that do not hold it.

    Attributes:
        answers: How many answers were taken.
        replies: How many requests to judges have their outcome, whether now or from before.
    """

    def __init__(self, path: Path, panel: Panel, options: RunOptions, prompt: str | None = None) -> None:
        self._path, self._panel, self._options, self._prompt = path, panel, options, prompt
        self._feed: Feed | None = None
        self._stopped = asyncio.Event()
        self.answers = 0
        self.replies = 0

    async def run(self, engine: Engine) -> None:
        """Judge until the run has ended, the deadline has passed, or a judge has stopped for good.

        Raises:
            InputError: There are no such results, or a row has no prompt.
            OutputError: The replies cannot be written, or another process holds them.
        """
        options = self._options
        maker = Maker(None, None, options.params, schema=options.schema, keyed=True)
        outcomes = numbered(engine, self._rows(), maker, options.deadline, options.results, opened=self._open)
        async with aclosing(outcomes):
            async for _, outcome in outcomes:
                self.replies += 1
                if isinstance(outcome, Failure) and CONSEQUENCES[outcome.fault.kind].stops:
                    self.stop()

    def stop(self) -> None:
        """Send nothing more; what is in flight is finished."""
        self._stopped.set()
        if self._feed is not None:
            self._feed.stop("the judging was stopped")

    def _open(self, feed: Feed) -> None:
        self._feed = feed

    async def _rows(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the rows for judges of each answer, as soon as it is durable; ends with the run."""
        presenter: Presenter | None = None
        names = Names([])
        async for line in self._lines():
            row = msgspec.json.decode(line)
            if presenter is None:  # the manifest is there before the first line
                presenter = Presenter(self._path, self._prompt)
                names = Names([], with_model=presenter.has_several_models)
            if row.get("status") == "ok":
                self.answers += 1
                for made in self._panel.rows([presenter.present(row, names.of(0, row))]):
                    yield made

    async def _lines(self) -> AsyncIterator[bytes]:
        """Yield whole lines as they are appended."""
        await self._appear()
        with self._path.open("rb") as file:
            is_live = True
            while is_live and not self._stopped.is_set():
                is_live = FolderView(self._path).owner() is not None  # first: what it wrote last is read now
                for line in _whole_lines(file):
                    yield line
                if is_live:
                    await self._pause()

    async def _appear(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + APPEARS
        while not self._path.is_file() and not self._stopped.is_set():
            if loop.time() > end:
                raise InputError(f"{self._path} does not exist, and no run has made it")
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE):
                await self._stopped.wait()


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that are whole; what is being written is read the next time."""
    while (line := file.readline()).endswith(b"\n"):
        yield line
    file.seek(-len(line), SEEK_CUR)
