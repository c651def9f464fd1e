"""A run over a file under way: from what was prepared to its report."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial

import msgspec

from brimline.config.limits import GROUP
from brimline.core.faults import CONSEQUENCES
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand
from brimline.core.time import SECOND
from brimline.core.view import LimitView, group_views, views
from brimline.data.recipe import Origin
from brimline.data.shape import Shapes
from brimline.engine.clock import wall_clock
from brimline.engine.control import Control
from brimline.engine.copies import Copier, pay_out
from brimline.engine.engine import Engine
from brimline.engine.files import FileSink, FileSource, StdoutSink
from brimline.engine.manifest import describe_command, describe_limits, describe_process, moment
from brimline.engine.prepared import Prepared
from brimline.engine.progress import Progress, declared_too_much, progress_of
from brimline.engine.pump import Restore
from brimline.engine.rebase import Rebase
from brimline.engine.report import Report, StopReason, report_model
from brimline.engine.run import Run, Sink
from brimline.engine.status import Limits, State, Status
from brimline.engine.steering import Steering
from brimline.errors import InputError, OutputError
from brimline.store.matching import Standing
from brimline.store.ordering import NoRoom, order_results
from brimline.store.results import recorded_lines
from brimline.types import Fault, FaultKind, Operation, Outcome, Request, Success, Usage

GRACE = 25.0
"""Seconds that requests in flight have after a deadline."""

WATCH = 1.0
"""Seconds between two looks at a full disk."""


class Execution:
    """Runs what was prepared.

    Args:
        engine: An open engine.
        prepared: What to run; its lock is released at the end.
        say: Shows a line to those who watch it.

    Raises:
        OutputError: The results or what stands beside them cannot be written.
    """

    def __init__(
        self, engine: Engine, prepared: Prepared, *, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._engine = engine
        self._say = say
        self._prepared = prepared
        self._options = prepared.options
        self._plan = prepared.checked.plan
        self._standing = prepared.matched.standing
        self._duplicates = prepared.choice.duplicates
        self._copier = Copier(self._plan, self._duplicates)
        self._clock = engine.pump.clock
        self._began = self._clock.now()
        self._stopped: StopReason | None = None
        self._is_ordered = False
        self._sink = self._make_sink()
        source = FileSource(self._plan, prepared.choice.pending)
        recall, settings = engine.recall(self._sample), engine.config.run
        self._run = Run(
            source,
            self._sink,
            timeout=settings.timeout,
            hedge=settings.hedge,
            watch=self._note,
            recall=recall,
            shapes=Shapes(self._options.schema),
            streaming=engine.streaming(),
        )
        self._copied = 0
        self._count()

    async def run(self) -> Report:
        """Send everything, put the results into order, and say what came of it.

        Raises:
            ConfigError: An endpoint cannot be used.
            RunError: The simulator did not start.
        """
        control = self._make_control()
        try:
            self._write_manifest(ended=False)
            if control is not None:
                await control.open()
            await self._flow()
            if self._run.error is None:
                await self._order()
            self._write_manifest(ended=True)
        finally:
            if control is not None:
                control.close()  # before another process may listen there
            self._prepared.release()
        return self._report()

    def stop(self, reason: StopReason) -> None:
        """Send nothing more; what is in flight may end."""
        if self._stopped is None:
            self._stopped = reason
            self._engine.pump.drain(self._run, Fault(FaultKind.CANCELLED, f"the run was stopped: {reason}"))

    def abort(self, reason: StopReason) -> None:
        """Drop what is in flight, too; what was answered is still kept."""
        self.stop(reason)
        self._engine.pump.cancel(self._run, Fault(FaultKind.CANCELLED, f"the run was stopped: {reason}"))
        if self._sink.stall is not None:
            self._run.fail(self._sink.stall)

    def progress(self) -> Progress:
        """Return how the run stands."""
        now = self._clock.now()
        elapsed = (now - self._began) / SECOND
        return progress_of([self._run], now, totals=self._totals, before=self._before, elapsed=elapsed)

    def status(self) -> Status:
        """Return how the run stands, for those who ask from outside."""
        ok, missing = self._standing.count(Standing.OK), self._standing.count(Standing.MISSING)
        paused = State.PAUSED if self._run.paused else State.RUNNING
        return Status(
            output=str(self._options.results),
            state=paused if self._run.closed is None else State.STOPPING,
            pid=os.getpid(),
            total=self._plan.requests,
            ok=ok,
            failed=self._plan.requests - ok - missing,
            pending=missing,
            stopped=self._stopped,
            began=self._began_at(),
            limits=self._limits(),
            progress=self.progress(),
        )

    def _make_control(self) -> Control | None:
        """Return what takes commands; without a folder there is no place for it."""
        folder = self._prepared.folder
        if folder is None:
            return None

        def end(now: bool) -> None:  # noqa: FBT001
            (self.abort if now else self.stop)(StopReason.INTERRUPTED)

        output = self._options.results
        models = self._engine.config.answering(self._plan.models)
        steering = Steering(self._engine, self._run, output, models, end, self.status, self._say)
        return Control(steering, folder.path)

    def _began_at(self) -> str:
        return moment(wall_clock() - (self._clock.now() - self._began))

    def _limits(self) -> dict[str, Limits]:
        config = self._engine.config
        return {model: describe_limits(config.limits(model)) for model in config.answering(self._plan.models)}

    async def _flow(self) -> None:
        """Send everything, and let go of what that needed."""
        timers = self._set_timers()
        guard = asyncio.create_task(self._guard())
        try:
            await self._send()
        finally:
            guard.cancel()
            for timer in timers:
                timer.cancel()
            self._engine.end(self._run)
            await self._sink.settle()
            await self._engine.pump.join(self._run)
            self._sink.close()
        if self._run.recall is not None:
            await self._run.recall.flush()

    def _count(self) -> None:
        """Count how many requests of each lane get their outcome now, and how many had theirs before."""
        choice, stands = self._prepared.choice, self._standing
        self._totals = {lane: len(numbers) for lane, numbers in choice.pending.items() if numbers}
        again = sum(1 for numbers in choice.pending.values() for number in numbers if stands[number])
        for lane, number in choice.copied():
            self._totals[lane] += 1
            again += bool(stands[number])
        owed = sum(1 for number in choice.owed() if not stands[number])
        self._before = self._plan.requests - stands.count(Standing.MISSING) - again + owed

    async def _send(self) -> None:
        self._run.is_open = True
        for name in self._totals:
            model, group = self._plan.lanes[name]
            await self._engine.open_lane(self._run, model, self._restorer, self._asked(name), group=group)
        self._note_whole()
        self._engine.pump.spawn(self._run, self._pay_out())
        await self._run.done.wait()

    def _asked(self, lane: str) -> Operation:
        """Return what the first request of a lane asks for; most of the others will ask for the same."""
        try:
            (request,) = self._plan.read(self._prepared.choice.pending[lane][:1])
        except InputError:  # it was changed; whoever reads it to be sent says so
            return Operation.CHAT
        return request.operation

    def _note_whole(self) -> None:
        """Say which answers come whole although all should be streamed."""
        if self._run.streaming is not None:
            asked = dict.fromkeys(self._plan.lanes[lane][0] for lane in self._totals)
            names = [model for model in asked if not self._engine.can_stream(model)]
            if names:
                self._prepared.notices.append(
                    f"{', '.join(names)}: answers cannot be streamed and come whole"
                )

    async def _pay_out(self) -> None:
        """Give duplicates what is on file; only after that the run may be done."""
        prepared, run = self._prepared, self._run
        try:
            if prepared.choice.recorded:
                assert isinstance(self._sink, FileSink)
                given = prepared.choice.recorded
                lines = recorded_lines(self._options.results, prepared.matched.line_of, given)
                await pay_out(lines, self._copier, self._sink, run, self._note_copy)
        except Exception as error:  # noqa: BLE001  a disk that fails, or an input that was changed
            run.fail(error)
        run.is_open = False
        run.look()

    def _sample(self, request: Request) -> int:
        """Say which of equal requests one is; of duplicates only the repeats are."""
        assert isinstance(request.origin, Origin)
        samples = self._prepared.choice.samples
        return samples[request.origin.number] if samples else request.repeat or 0

    def _note_copy(self, original: int, duplicate: int) -> None:
        self._standing[duplicate] = self._standing[original]
        self._copied += 1

    def _make_sink(self) -> Sink:
        prepared, options = self._prepared, self._options
        if prepared.folder is None:
            return StdoutSink(self._copier, raw=options.raw)
        try:
            return FileSink(
                options.results,
                prepared.folder,
                self._clock,
                self._copier,
                lines=prepared.lines,
                line_of=prepared.matched.line_of,
                raw=options.raw,
            )
        except OSError as error:
            prepared.release()
            raise OutputError(f"{options.results} cannot be written: {error.strerror}") from None

    def _restorer(self, model: str) -> Restore:
        """Return what books in a scope's limits that which earlier processes sent: a restart does not reset them.

        What the daybook that processes share has held since it happened is not booked twice.
        """
        config, epoch = self._engine.config, self._clock.epoch
        if model.startswith(GROUP):
            return partial(self._restore_group, model.removeprefix(GROUP))
        limited = config.resolve(model).name, config.limits(model).scope

        @cache
        def is_same(used: str) -> bool:
            """Whether a model had the same limits; only one of the same endpoint can have."""
            if used.partition("/")[0] != model.partition("/")[0]:
                return False
            return (config.resolve(used).name, config.limits(used).scope) == limited

        def restore(limits: LimitSet, since: int | None) -> None:
            for used in self._prepared.history.recent:
                if used.shared and since is not None and since <= used.at:
                    continue
                if is_same(used.model):
                    tokens = used.input_tokens + used.output_tokens
                    demand = Demand(used.requests, tokens, used.input_tokens, used.output_tokens)
                    limits.restore(used.at - epoch, demand)

        return restore

    def _restore_group(self, group: str, limits: LimitSet, since: int | None) -> None:  # noqa: ARG002  none is shared
        """Book in a group's limits what earlier processes sent."""
        for used in self._prepared.history.recent:
            if used.group == group:
                limits.restore(used.at - self._clock.epoch, Demand(used.requests))

    def _note(self, outcome: Outcome) -> None:
        """Note a durable outcome and those of its duplicates, and stop if too many have failed."""
        assert isinstance(outcome.request.origin, Origin)
        number = outcome.request.origin.number
        self._standing[number] = _standing(outcome)
        for duplicate in self._duplicates.of(number) if self._duplicates else ():
            self._standing[duplicate] = self._standing[number]
            self._run.meters[outcome.request.lane].copied(self._clock.now(), ok=outcome.ok)
        most = self._options.stop_after_failed
        if most is not None and not outcome.ok:
            failed = sum(meter.failed for meter in self._run.meters.values())
            if failed >= max(1, most.of(self._plan.requests)):
                self.stop(StopReason.FAILURES)

    def _set_timers(self) -> list[asyncio.TimerHandle]:
        deadline = self._options.deadline
        if deadline is None:
            return []
        loop = asyncio.get_running_loop()
        return [
            loop.call_later(deadline, self.stop, StopReason.DEADLINE),
            loop.call_later(deadline + GRACE, self.abort, StopReason.DEADLINE),
        ]

    async def _guard(self) -> None:
        """A full disk is waited for as long as a provider would be."""
        waited = 0.0
        while True:
            await asyncio.sleep(WATCH)
            waited = waited + WATCH if self._sink.stall is not None else 0.0
            if self._sink.stall is not None and waited > self._engine.config.run.max_wait:
                self._run.fail(self._sink.stall)

    async def _order(self) -> None:
        """Put the results into the order of the input, if each request has one."""
        matched, folder = self._prepared.matched, self._prepared.folder
        if folder is None or Standing.MISSING in self._standing:
            return
        output = self._options.results
        rebase = Rebase(self._plan, matched.moved, is_stale=self._prepared.is_stale)
        try:
            await asyncio.to_thread(
                order_results,
                output,
                matched.line_of,
                matched.strays,
                superseded=output.with_name(output.name + ".superseded.jsonl"),
                patch=rebase if rebase.is_needed else None,
            )
            self._is_ordered = True
            self._prepared.is_stale = False
        except NoRoom:
            self._prepared.notices.append(
                f"{output}: no room to put it into order; it is in order of completion"
            )
        except (OSError, InputError) as error:
            self._run.fail(error)

    def _write_manifest(self, *, ended: bool) -> None:
        folder, options, config = self._prepared.folder, self._options, self._engine.config
        if folder is None:
            return
        with suppress(OSError):  # a full disk: history is not worth a run
            folder.write_manifest({
                **describe_process(),
                "began": self._began_at(),
                "ended": moment(wall_clock()) if ended else None,
                "command": describe_command(
                    replace(options, only=None), replace(config, run=self._prepared.config.run)
                ),
                "input_stamp": self._plan.table.source.stamp,
                "stale": self._prepared.is_stale,
                "models": msgspec.to_builtins(self._limits()),
                "limits": msgspec.to_builtins(self._seen()),
                "requests": self._plan.requests,
                "missing": self._standing.count(Standing.MISSING),
                "stopped": self._stopped,
            })

    def _seen(self) -> dict[str, tuple[LimitView, ...]]:
        now = self._clock.now()
        lanes = self._run.lanes.values()
        seen = {route.model: views(route.scope.limits, now) for lane in lanes for route in lane.members}
        return seen | {f"{GROUP}{lane.group}": group_views(lane, now) for lane in lanes if lane.group}

    def _report(self) -> Report:
        run, now = self._run, self._clock.now()
        ok = self._standing.count(Standing.OK)
        missing = self._standing.count(Standing.MISSING)
        models = tuple(report_model(lane, run.meters[model]) for model, lane in run.lanes.items())
        return Report(
            output=self._options.results if self._prepared.folder is not None else None,
            total=self._plan.requests,
            ok=ok,
            failed=self._plan.requests - ok - missing,
            pending=missing,
            answered=sum(model.ok for model in models),
            attempts=sum(model.attempts for model in models),
            hedged=sum(model.hedged for model in models),
            usage=sum((model.usage for model in models), start=Usage()),
            elapsed=(now - self._began) / SECOND,
            stopped=self._stopped,
            stops=dict(run.stops),
            spared={what: fault for what, fault in run.spared.items() if what not in run.stops},
            unfinished=len(self._prepared.history.unfinished),
            superseded=len(self._prepared.matched.strays),
            cached=sum(model.cached for model in models),
            duplicates=self._copied + sum(model.duplicates for model in models),
            is_ordered=self._is_ordered,
            models=models,
            notices=tuple(self._notices()),
            error=None if run.error is None else str(run.error) or type(run.error).__name__,
        )

    def _notices(self) -> Iterator[str]:
        yield from self._prepared.notices
        yield from declared_too_much(self._run)
        if self._engine.cache is not None:
            yield from self._engine.cache.notices


def _standing(outcome: Outcome) -> Standing:
    """Return how a request with this outcome stands."""
    if isinstance(outcome, Success):
        return Standing.OK
    return Standing.TRANSIENT if CONSEQUENCES[outcome.fault.kind].transient else Standing.HOPELESS
