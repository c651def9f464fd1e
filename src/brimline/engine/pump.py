"""The pump: performs the dispatcher's steps. The only place that awaits on purpose."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

from brimline.config import Config, ModelLimits
from brimline.core.bundle import pack, split
from brimline.core.dispatcher import Dispatcher
from brimline.core.gate import Group
from brimline.core.lane import Attempt, Lane, Ticket
from brimline.core.learned import Learned
from brimline.core.limits import LimitSet
from brimline.core.route import Way
from brimline.core.scope import LimitScope, Scope
from brimline.core.steps import (
    Divided,
    Final,
    Idle,
    LeftToRival,
    NeedRequests,
    NextTurn,
    Start,
    Stopped,
    TryAgain,
    Verdict,
    Wait,
)
from brimline.core.time import seconds
from brimline.engine.clock import Clock
from brimline.engine.live import LiveEndpoint
from brimline.engine.meter import Meter
from brimline.engine.run import Run
from brimline.engine.sharing import Sharing
from brimline.engine.wake import Wake
from brimline.errors import RunError, UsageError
from brimline.store.appender import FULL, RETRY
from brimline.types import Fault, FaultKind, Operation, Request, Response

ROOM_FOR_BUNDLES = 4
"""It holds fewer of them where each is a bundle of hundreds."""

BURST = 256
"""After so many steps others on the loop get a turn."""

BEATEN = Fault(FaultKind.CANCELLED, "a second attempt was answered first")

ROOM = 64
"""A lane holds so many requests ready, or twice as many as are in flight if that is more."""

Restore: TypeAlias = Callable[[LimitSet, int | None], None]
"""Books in new limits what earlier processes used."""

ROOM_TO_RECALL = 512
"""It holds more where many may be known: those that are share one look into the cache and one sync of the disk."""


class Pump:
    """Starts whatever the limits allow, until closed. Made and used within one event loop.

    Args:
        config: How long to wait, and how often to try.
        rng: For jitter.
    """

    def __init__(self, config: Config, *, rng: random.Random | None = None) -> None:
        self.clock = Clock()
        self._dispatcher = Dispatcher(
            policy=config.run.policy,
            rng=rng or random.Random(),
            max_wait=seconds(config.run.max_wait),
            epoch=self.clock.epoch,
        )
        self._batch_size = config.run.batch_size
        self._wake = Wake()
        self._sharing = Sharing(self.clock, config.environment) if config.run.share else None
        self._shared: list[LimitSet] = []
        self._endpoints: dict[str, LiveEndpoint] = {}
        self._sending: dict[Attempt, asyncio.Task[None]] = {}
        self._starting: list[Attempt] = []
        self._noted: set[Run] = set()
        self._stalls: dict[Run, OSError] = {}
        self._runs: set[Run] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._loop = asyncio.get_running_loop()
        self._main = self._loop.create_task(self._pump(), name="brimline-pump")
        self._main.add_done_callback(self._ended)

    def way(
        self,
        model: str,
        place: str,
        limits: ModelLimits,
        endpoint: LiveEndpoint,
        *,
        weight: float,
        restore: Restore | None,
    ) -> Way:
        """Return a way to an answer, for `open_lane`.

        Args:
            model: The model reference.
            place: The name of the place that answers it.
            limits: What is declared for it.
            endpoint: What answers it.
            weight: Its share of its pool.
            restore: Books in new limits what earlier processes used; it is told since when, in Unix time, what was
                booked is known anyway.
        """

        def make() -> LimitSet:
            daybook = None
            if self._sharing is not None and endpoint.account is not None:
                daybook = self._sharing.daybook(endpoint.account, model, limits)
            learned = Learned(limits.concurrency, is_paced=bool(limits.quotas))
            made = LimitSet(limits.quotas, limits.concurrency, learned=learned, daybook=daybook)
            if daybook is not None:
                self._shared.append(made)
            if restore is not None:
                restore(made, None if daybook is None else daybook.since())
            return made

        self._endpoints[place] = endpoint
        return Way(model, LimitScope(place, limits.scope), make, weight)

    def open_lane(
        self,
        run: Run,
        model: str,
        ways: list[Way],
        *,
        fallbacks: list[tuple[str, list[Way]]],
        falls_on: frozenset[FaultKind],
        operation: Operation = Operation.CHAT,
        group: Group | None = None,
    ) -> Lane:
        """Open a lane of `run`, whose requests it will hold, for the model reference `model`.

        Args:
            run: Whose it is.
            model: The model reference.
            ways: Who may answer.
            fallbacks: Where requests go on in order, by model reference.
            falls_on: For which kinds of faults they do.
            operation: What most of its requests ask for; embeddings go in bundles, if the endpoints take them.
            group: The group that its requests are in, or None.

        Raises:
            RunError: The pump has failed.
        """
        if self._main.done() and not self._main.cancelled():
            raise RunError("the engine has failed and sends nothing any more") from self._main.exception()
        room = ROOM if run.recall is None else ROOM_TO_RECALL
        bundle = self._bundle(operation, [*ways, *(way for _, others in fallbacks for way in others)])
        lane = self._dispatcher.open(
            run,
            model,
            ways,
            room=room if bundle == 1 else ROOM_FOR_BUNDLES,
            hedge=run.hedge,
            fallbacks=fallbacks,
            falls_on=falls_on,
            group=group,
        )
        lane.bundle = bundle
        run.lanes[lane.name] = lane
        is_plain = [route.model for route in lane.members] == [model]
        run.meters[lane.name] = Meter(() if is_plain else (route.model for route in lane.members))
        self.adopt(run)
        if run.paused:
            self._dispatcher.pause(lane)
        if run.closed is not None:  # it was stopped while its endpoint was made ready
            self._dispatcher.close(lane, run.closed)
        self._wake.set()
        return lane

    def _bundle(self, operation: Operation, ways: list[Way]) -> int:
        """Return how many requests may go in one exchange, whoever answers it."""
        if operation is not Operation.EMBEDDING:
            return 1
        return min(self._batch_size, *(self._endpoints[way.key.endpoint].bundle for way in ways))

    def adopt(self, run: Run) -> None:
        """Let a run fail when this does; opening a lane does it, too."""
        self._runs.add(run)

    def forget(self, run: Run) -> None:
        """Let go of a run that is done."""
        self._runs.discard(run)
        self._noted.discard(run)  # its sink may be closed any moment
        self._stalls.pop(run, None)
        for lane in run.lanes.values():
            self._dispatcher.forget(lane)

    def pause(self, run: Run, why: str) -> None:
        """Start nothing of a run until `resume`; what is in flight may end. `why` is for people."""
        run.paused = why
        for lane in run.lanes.values():
            self._dispatcher.pause(lane)

    def resume(self, run: Run) -> None:
        """Go on with a paused run."""
        run.paused = ""
        for lane in run.lanes.values():
            self._dispatcher.resume(self.clock.now(), lane)
        self._wake.set()

    def hold_back(self, run: Run) -> None:
        """Start nothing of a run for a moment, for a reason of its own; what is in flight may end."""
        for lane in run.lanes.values():
            self._dispatcher.pause(lane)

    def let_go(self, run: Run) -> None:
        """Go on with a run that was held back; one that somebody has paused stays so."""
        if not run.paused:
            self.resume(run)

    def misfit(self, scope: Scope, limits: ModelLimits) -> str:
        """Say which request that waits could never be sent under such limits; empty if all could."""
        return self._dispatcher.misfit(scope, limits.quotas)

    def declare(self, scope: Scope, limits: ModelLimits) -> None:
        """Replace what is declared for a scope."""
        self._dispatcher.declare(self.clock.now(), scope, limits.quotas, limits.concurrency)
        self._wake.set()

    def drain(self, run: Run, fault: Fault) -> None:
        """Start nothing more of a run, for the reason in `fault`; what is in flight may end."""
        run.closed = run.closed or fault
        tickets = [ticket for lane in run.lanes.values() for ticket in self._dispatcher.close(lane, fault)]
        self._give_up(run, tickets, fault)
        for attempt in [attempt for attempt in self._starting if attempt.ticket.lane.run is run]:
            self._starting.remove(attempt)  # a full disk has kept it here
            self._abandon(attempt)
        run.look()
        self._wake.set()

    def cancel(self, run: Run, fault: Fault) -> None:
        """Start nothing more of a run and drop what is in flight; what was answered is still kept."""
        self.drain(run, fault)
        for attempt, task in [*self._sending.items()]:
            if attempt.ticket.lane.run is run:
                task.cancel()

    async def join(self, run: Run) -> None:
        """Wait until nothing works for a run any more."""
        await run.join()

    async def close(self) -> None:
        """Drop everything, tell those who still wait, and return when nothing is left."""
        self._is_closing = True
        self._main.cancel()
        for run in self._runs:
            run.fail(UsageError("the engine was closed while it was in use"))
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await asyncio.wait([self._main])
        self._publish()
        if self._sharing is not None:
            self._sharing.close()

    async def _pump(self) -> None:
        """Start whatever the limits allow. Awaits nothing but its own wake-up."""
        steps = 0
        while True:
            match self._dispatcher.next(self.clock.now()):
                case Start(attempt):
                    self._start(attempt)
                case NeedRequests(lane, room):
                    self.spawn(lane.run, self._feed(lane, room))
                case Wait(until):
                    self._launch()
                    await self._wake.until(until)
                case Idle():
                    self._launch()
                    await self._wake.until(None)
            steps += 1
            if steps % BURST == 0:
                self._launch()
                await asyncio.sleep(0)

    def _start(self, attempt: Attempt) -> None:
        run: Run = attempt.ticket.lane.run
        for meter in run.meters_of(attempt):
            meter.started(attempt.started, is_hedge=attempt.is_hedge)
        run.attempts[attempt] = None
        self._noted.add(run)
        self._starting.append(attempt)
        try:
            run.sink.started(attempt)
        except Exception as error:  # noqa: BLE001  a sink's failure is its run's
            self._fail(run, error)

    def _publish(self) -> None:
        """Tell the processes that share limits what has happened since the last start."""
        for limits in self._shared:
            limits.publish(self.clock.now())

    def _launch(self) -> None:
        """Let the started attempts leave, once it is written down that they do. A full disk keeps its run's here."""
        self._publish()
        noted, self._noted = self._noted, set()
        self._noted |= {run for run in noted if not self._flush(run)}
        starting, self._starting = self._starting, []
        for attempt in starting:
            run: Run = attempt.ticket.lane.run
            if run.error is not None:
                self._abandon(attempt)
            elif run in self._noted or run.paused:
                self._starting.append(attempt)
            else:
                task = self.spawn(run, self._perform(attempt))
                self._sending[attempt] = task
                task.add_done_callback(partial(self._drop, attempt))

    def _flush(self, run: Run) -> bool:
        """Hand a run's notes to the kernel; return False if its disk is full, and look again a little later."""
        try:
            run.sink.flush()
        except Exception as error:  # noqa: BLE001  a sink's failure is its run's
            if isinstance(error, OSError) and error.errno in FULL and run.error is None:
                self._stalls[run] = error
                run.sink.stall = run.sink.stall or error
                self._loop.call_later(RETRY, self._wake.set)
                return False
            self._fail(run, error)
        stall = self._stalls.pop(run, None)
        if stall is not None and run.sink.stall is stall:
            run.sink.stall = None
        return True

    def spawn(self, run: Run, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let something work for a run; it is cancelled when the pump is closed."""
        task = self._loop.create_task(work)
        for tasks in (run.tasks, self._tasks):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    def _drop(self, attempt: Attempt, _: asyncio.Task[None]) -> None:
        """Deal with an attempt whose task was cancelled before its exchange had ended."""
        if self._sending.pop(attempt, None) is not None:
            self._abandon(attempt)

    def _abandon(self, attempt: Attempt) -> None:
        lane = attempt.ticket.lane
        for meter in lane.run.meters_of(attempt):
            meter.in_flight -= 1
        del lane.run.attempts[attempt]
        fault = lane.closed or Fault(FaultKind.CANCELLED, "the run could not go on")
        is_last = self._dispatcher.cancel(attempt)
        if attempt.beaten:
            self._note_end(lane.run, attempt, BEATEN)
        elif not attempt.departed:  # it was noted and has never left: nobody is billed for it
            lane.run.sink.ended(attempt, fault)
        if is_last:
            self._give_up(lane.run, [attempt.ticket], fault)
        self._wake.set()

    def _call_off(self, loser: Attempt) -> None:
        """Drop an attempt whose rival was answered first."""
        if loser in self._sending:
            self._sending[loser].cancel()
        else:
            self._starting.remove(loser)  # a full disk has kept it here
            self._abandon(loser)

    def _note_end(self, run: Run, attempt: Attempt, result: Response | Fault) -> None:
        run.sink.ended(attempt, result)
        if run in self._runs:
            self._noted.add(run)

    def _give_up(self, run: Run, tickets: list[Ticket], fault: Fault) -> None:
        """Let tickets go without an outcome."""
        if tickets and not self._is_closing:
            self.spawn(run, self._lose(run, Stopped("", fault, tuple(tickets))))

    def _fail(self, run: Run, error: Exception) -> None:
        """End a run as a whole: nothing more of it is started."""
        run.fail(error)
        self.drain(run, Fault(FaultKind.CANCELLED, f"the run could not go on: {error}"))

    def _ended(self, main: asyncio.Task[None]) -> None:
        """A bug in the pump must not leave anybody waiting."""
        if not main.cancelled() and (error := main.exception()) is not None:
            for run in self._runs:
                run.fail(error)

    async def _feed(self, lane: Lane, room: int) -> None:
        """Get requests for a lane from its source."""
        run: Run = lane.run
        try:
            requests = await run.source.pull(lane, room if lane.bundle == 1 else lane.bundle)
            if requests is None:
                self._dispatcher.exhaust(lane)
            else:
                known = await run.known(requests)
                if lane.bundle > 1:
                    requests, known = _bundled(requests, known, lane.bundle)
                if verdicts := self._dispatcher.offer(lane, requests, answered=known):
                    self._dispatcher.hold(lane)  # a slow disk must not pile up outcomes
                    await self._conclude_all(run, verdicts)
                    self._dispatcher.offer(lane, ())
        except Exception as error:  # noqa: BLE001  a source is the user's: its failure is the run's, not the engine's
            self._dispatcher.exhaust(lane)
            self._fail(run, error)
        run.look()
        self._wake.set()

    async def _perform(self, attempt: Attempt) -> None:
        """One attempt, from permit to durable outcome. A bug in keeping it ends its run, and never another's."""
        lane = attempt.ticket.lane
        run: Run = lane.run
        endpoint = self._endpoints[attempt.route.scope.key.endpoint]
        result = await endpoint.exchange(attempt, partial(self._departed, attempt), run.timeout)
        result = run.shapes.check(attempt.ticket.request, result)
        del self._sending[attempt]
        attempt.ended = True
        now = self.clock.now()
        try:
            verdict = self._dispatcher.settle(now, attempt, result)
            for meter in run.meters_of(attempt):
                meter.ended(now, attempt.started, result)
                if isinstance(result, Fault) and isinstance(verdict, TryAgain | Divided | LeftToRival):
                    meter.tried_again(result)
            if isinstance(verdict, Final | NextTurn) and verdict.loser is not None:
                self._call_off(verdict.loser)
            await self._conclude(verdict)  # durable ...
            self._note_end(run, attempt, result)
        except Exception as error:  # noqa: BLE001  a disk that fails, or a bug
            self._fail(run, error)
        self._dispatcher.release(attempt)  # ... before its slot is free
        del run.attempts[attempt]
        if lane.is_done:
            run.look()
        self._wake.set()

    def _departed(self, attempt: Attempt) -> None:
        attempt.departed = True
        self._dispatcher.depart(self.clock.now(), attempt)

    async def _conclude_all(self, run: Run, verdicts: list[Verdict]) -> None:
        """Do what verdicts ask for, all at once: what is written down shares a sync of the disk."""
        tasks = [self.spawn(run, self._conclude(verdict)) for verdict in verdicts]
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def _conclude(self, verdict: Verdict) -> None:
        """Do what a verdict asks for."""
        match verdict:
            case Final():
                await self._keep(verdict)
            case NextTurn(ticket):
                await ticket.lane.run.sink.keep_turn(verdict)
                following = self._dispatcher.proceed(ticket)
                if following is not None:
                    await self._conclude(following)
            case Divided(ticket):
                for following in self._dispatcher.divide(ticket):
                    await self._conclude(following)
            case Stopped():
                self._stop(verdict)
            case TryAgain() | LeftToRival():
                pass

    async def _keep(self, final: Final) -> None:
        """Make an outcome durable, then show it; those of a bundle's requests are kept together."""
        run: Run = final.ticket.lane.run
        if final.ticket.request.parts:
            finals = [Final(final.ticket, outcome) for outcome in split(final.outcome)]
            await run.sink.keep_all(finals)
        else:
            finals = [final]
            await run.sink.keep(final)
        self._dispatcher.conclude(final.ticket)
        run.finish(self.clock.now(), finals)

    def _stop(self, stopped: Stopped) -> None:
        """Tell each run what it loses; none has to wait for another's disk."""
        for lane in stopped.spared:
            lane.run.spared[stopped.what] = stopped.fault
        losses: dict[Run, list[Ticket]] = {lane.run: [] for lane in stopped.lanes}
        for ticket in stopped.tickets:
            losses.setdefault(ticket.lane.run, []).append(ticket)
        for run, tickets in losses.items():
            if stopped.lanes or run.spared.get(stopped.what) == stopped.fault:
                run.stops[stopped.what] = stopped.fault
            self.spawn(run, self._lose(run, Stopped(stopped.what, stopped.fault, tuple(tickets))))

    async def _lose(self, run: Run, stopped: Stopped) -> None:
        try:
            await run.sink.give_up(stopped)
        except Exception as error:  # noqa: BLE001  a sink's failure is its run's
            self._fail(run, error)
        self._dispatcher.conclude(*stopped.tickets)
        run.look()


def _bundled(
    requests: list[Request], known: list[tuple[Response, ...]], size: int
) -> tuple[list[Request], list[tuple[Response, ...]]]:
    """Put requests into bundles; those whose answer is known stay alone, and none of them is sent."""
    through = [(request, responses) for request, responses in zip(requests, known, strict=True) if responses]
    rest = pack((request for request, responses in zip(requests, known, strict=True) if not responses), size)
    return [*(request for request, _ in through), *rest], [
        *(done for _, done in through),
        *(() for _ in rest),
    ]
