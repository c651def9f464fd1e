"""The watcher: takes files as they arrive, runs several at a time in one engine, and survives each of them.

What it needs to know of experiments is `Work`. A file is claimed with the kernel's lock before anything is done with it, so
two watchers never run the same one, and what a killed one has left is taken on by whoever comes next.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from brimline.core.time import SECOND
from brimline.engine.clock import effort
from brimline.engine.engine import Engine
from brimline.engine.execution import Execution
from brimline.engine.prepared import Prepared
from brimline.engine.progress import Progress
from brimline.engine.report import Report, StopReason
from brimline.engine.wake import Wake
from brimline.errors import BrimlineError, InputError, OutputError, OutputLocked
from brimline.evals.watch.arrivals import Arrivals, Sighting
from brimline.evals.watch.events import (
    Done,
    Elsewhere,
    Event,
    Interrupted,
    Notice,
    Postponed,
    Rejected,
    Taken,
)
from brimline.evals.watch.inbox import Inbox
from brimline.evals.watch.outlook import Outlook, Part
from brimline.evals.watch.rejects import reject

LOOK, RARELY = SECOND, 15 * SECOND
"""Between two looks at the folder, at least and at most."""

THRIFT = 2500
"""In between, so many times as long as a look keeps the CPU busy: a thousand finished files cost no more than none."""

AGAIN = 2 * SECOND
"""What another process has is looked at again after this."""

log = logging.getLogger("brimline.watch")


class Claim(Protocol):
    """A file is ours until it is released."""

    def release(self) -> None:
        """Let others have it."""
        ...


class Work(Protocol):
    """What is done with a file. All of it may block; it is called in threads."""

    def claim(self, file: Path) -> Claim:
        """Take a file, or raise OutputLocked: another process has it."""
        ...

    def is_done(self, file: Path) -> bool:
        """Whether a file with this very content was run to its end before."""
        ...

    def prepare(self, file: Path) -> Prepared:
        """Make a file ready to be sent, or go on with what is on file. Raises InputError if it cannot be run."""
        ...

    def finish(self, file: Path, report: Report) -> None:
        """Write down what came of a file that was prepared, whether it was run to its end or not."""
        ...

    def put_away(self, file: Path) -> None:
        """Do what is to be done with a file that needs nothing more."""
        ...


@dataclass(slots=True)
class _Running:
    execution: Execution
    size: int
    before: float

    def part(self, progress: Progress) -> Part:
        total = progress.total or 1
        return Part(self.size, self.before, progress.done / total)


class Watcher:
    """Runs the files of a folder as they arrive.

    Args:
        engine: An open engine, for all files.
        work: What is done with a file.
        inbox: The folder.
        rejected: Where files go that cannot be run.
        at_once: How many files run at a time.
        tell: Called with what there is to tell.
    """

    def __init__(
        self,
        engine: Engine,
        work: Work,
        inbox: Inbox,
        *,
        rejected: Path,
        at_once: int,
        tell: Callable[[Event], None],
    ) -> None:
        self._engine = engine
        self._clock = engine.pump.clock
        self._work = work
        self._inbox = inbox
        self._rejected = rejected
        self._at_once = at_once
        self._tell = tell
        self._arrivals = Arrivals()
        self._outlook = Outlook()
        self._wake = Wake()
        self._next_look = 0
        self._jobs: set[asyncio.Task[None]] = set()
        self._running: dict[str, _Running] = {}
        self._elsewhere: dict[str, int | None] = {}
        self._told: set[str] = set()
        self._stopped = False

    async def run(self, *, once: bool) -> None:
        """Run files until stopped, or with `once` until there is nothing more to do for now."""
        while not self._stopped:
            if self._now() >= self._next_look:
                await self._look()
            while len(self._jobs) < self._at_once and (taken := self._arrivals.take()) is not None:
                self._start(taken)
            if once and self._arrivals.is_quiet(self._now()):
                break
            await self._wake.until(self._next_look)
        while self._jobs:
            await asyncio.wait(self._jobs)

    def stop(self) -> None:
        """Take no more files and send nothing more; what is in flight may end."""
        self._stopped = True
        for running in self._running.values():
            running.execution.stop(StopReason.INTERRUPTED)
        self._wake.set()

    def abort(self) -> None:
        """Drop what is in flight, too."""
        self.stop()
        for running in self._running.values():
            running.execution.abort(StopReason.INTERRUPTED)

    def progress(self) -> dict[str, Progress]:
        """Return how each file that runs stands."""
        return {name: running.execution.progress() for name, running in self._running.items()}

    def waiting(self) -> int:
        """Return how many files wait."""
        return len(self._arrivals.waiting)

    def left(self, progress: dict[str, Progress]) -> float | None:
        """Return seconds until all files are through that are there, or None if nobody knows."""
        parts = [self._running[name].part(one) for name, one in progress.items()]
        waiting = [file.size for file in self._arrivals.waiting if file.name not in self._elsewhere]
        return self._outlook.left(self._now(), parts, waiting)

    def _now(self) -> int:
        return self._clock.now()

    async def _look(self) -> None:
        try:
            seen, cost = await asyncio.to_thread(self._measured_look)
        except OSError as error:
            self._tell_once(f"{self._inbox.path} cannot be read: {error.strerror}; looking again")
            seen, cost = [], 0
        self._arrivals.look(self._now(), seen)
        self._next_look = self._now() + min(max(LOOK, THRIFT * cost), RARELY)
        for name in sorted(self._inbox.others):
            self._tell_once(
                f"{self._inbox.path / name} is left alone: rows are read from .jsonl, .csv and .parquet"
            )

    def _measured_look(self) -> tuple[list[Sighting], int]:
        """Return what the folder holds and what the look has cost, ns of CPU."""
        began = effort()
        seen = self._inbox.look()
        return seen, effort() - began

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(Notice(text))

    def _start(self, taken: Sighting) -> None:
        job = asyncio.create_task(self._perform(taken))
        self._jobs.add(job)
        job.add_done_callback(self._end)

    def _end(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._wake.set()

    async def _perform(self, taken: Sighting) -> None:
        """Do what a file needs now. Never raises: one file is never the others' problem."""
        path = self._inbox.path / taken.name
        try:
            claim = await asyncio.to_thread(self._work.claim, path)
            self._elsewhere.pop(taken.name, None)
            try:
                await self._perform_claimed(path, taken)
            except InputError as error:
                await self._reject(path, taken, error)
            finally:
                claim.release()
        except OutputLocked as error:
            self._leave(taken, error.pid)
        except Exception as error:  # noqa: BLE001  the task boundary
            self._postpone(taken, _reason(error))

    async def _perform_claimed(self, path: Path, taken: Sighting) -> None:
        if not self._inbox.holds(taken):  # whoever had it before has moved it, or it is written again
            self._arrivals.postpone(taken, 0)
        elif await asyncio.to_thread(self._work.is_done, path):
            await self._put_away(path, taken)
        else:
            prepared = await asyncio.to_thread(self._work.prepare, path)
            if self._stopped:
                prepared.release()
                self._arrivals.postpone(taken, 0)
                return
            report = await self._execute(prepared, taken)
            await asyncio.to_thread(self._work.finish, path, report)
            if report.is_complete and report.error is None:
                await self._put_away(path, taken)
            self._settle(taken, report, prepared)

    async def _put_away(self, path: Path, taken: Sighting) -> None:
        self._arrivals.finish(taken)
        try:
            await asyncio.to_thread(self._work.put_away, path)
        except OutputError as error:
            self._tell(Notice(str(error)))

    async def _execute(self, prepared: Prepared, taken: Sighting) -> Report:
        requests = prepared.checked.plan.requests
        to_send = sum(map(len, prepared.choice.pending.values()))
        execution = Execution(
            self._engine, prepared, say=lambda text: self._tell(Notice(f"{taken.name}: {text}"))
        )
        running = _Running(execution, taken.size, 1 - to_send / requests)
        self._running[taken.name] = running
        self._tell(Taken(taken.name, requests, to_send))
        self._outlook.begin(self._now())
        try:
            return await execution.run()
        finally:
            self._outlook.end(running.part(execution.progress()))
            del self._running[taken.name]
            if not self._running:
                self._outlook.rest(self._now())

    def _settle(self, taken: Sighting, report: Report, prepared: Prepared) -> None:
        """Tell what came of a file that was run."""
        for notice in report.notices:
            self._tell(Notice(f"{taken.name}: {notice}"))
        if report.error is not None:
            self._postpone(taken, report.error)
        elif report.is_complete:
            ok, failed, results = report.ok, report.failed, str(report.output)
            too_many = failed > prepared.options.max_failed.of(report.total)
            self._tell(Done(taken.name, ok, failed, report.elapsed, results, too_many))
        elif report.stopped is not None:
            self._arrivals.postpone(taken, 0)
            self._tell(Interrupted(taken.name, report.pending))
        else:
            stops = [
                f"{what} has stopped: {fault.kind}: {fault.detail}" for what, fault in report.stops.items()
            ]
            self._postpone(taken, "; ".join(stops), waits=report.is_waiting)

    async def _reject(self, path: Path, taken: Sighting, error: InputError) -> None:
        """Put a file aside, unless it is not to blame, or is not any more the one that was read."""
        if error.is_setup:
            self._postpone(taken, str(error))
            return
        if not self._inbox.holds(taken):
            self._arrivals.postpone(taken, 0)
            return
        problems = error.problems or (str(error),)
        try:
            target = await asyncio.to_thread(reject, path, self._rejected, "\n".join(problems))
        except OSError as why:
            self._postpone(taken, f"it is bad and cannot be put aside ({why.strerror}): {problems[0]}")
            return
        self._arrivals.finish(taken)
        self._tell(Rejected(taken.name, str(target), problems))

    def _leave(self, taken: Sighting, pid: int | None) -> None:
        """Let another process have a file; or another file of ours that has the same name but for its ending."""
        if self._elsewhere.get(taken.name, 0) != pid and pid != os.getpid():
            self._elsewhere[taken.name] = pid
            self._tell(Elsewhere(taken.name, pid))
        self._arrivals.postpone(taken, self._now() + AGAIN)

    def _postpone(self, taken: Sighting, reason: str, *, waits: bool = False) -> None:
        delay = self._arrivals.fail(taken, self._now())
        self._tell(Postponed(taken.name, reason, delay / SECOND, waits))


def _reason(error: Exception) -> str:
    if isinstance(error, BrimlineError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'the disk'}: {error.strerror or error}"
    log.error("a file could not be run", exc_info=error)
    return f"internal error: {type(error).__name__}: {error}"
