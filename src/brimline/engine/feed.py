"""An iterable as the source of a run and an async iterator as its sink: what `Engine.stream` runs on."""

import asyncio
import logging
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Sized,
)
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from brimline.core.lane import Lane
from brimline.data.frames import rows_of
from brimline.engine.clock import ticks
from brimline.engine.outcomes import AHEAD, OutcomeQueue
from brimline.engine.run import Run
from brimline.engine.spill import SpillQueue
from brimline.errors import ConfigError
from brimline.store.kept import KeptResults
from brimline.types import Failure, Fault, FaultKind, Outcome, Request

if TYPE_CHECKING:
    from brimline.engine.engine import Engine
    from brimline.engine.stream import Item, Maker, Requests

log = logging.getLogger("brimline.engine")

FAR_AHEAD = 100_000
"""So many are read ahead, most of them into a temporary file, while a lane has nothing to send."""

BATCH = 64
"""A sync iterable is read in a thread, so many items at a time, or for as long as BATCH_TIME."""

BATCH_TIME = 0.05


LINGER = 0.02
"""Seconds that a bundle waits for more texts once it has one."""


class Feed:
    """A run over an iterable, as a source that reads no further ahead than is of use.

    Args:
        engine: What runs it.
        items: The iterable.
        maker: Makes requests of its items.
        kept: Where outcomes are kept and looked for; closed with the feed. None: nothing is kept.

    Attributes:
        run: The run.
        error: What the iterable raised, or None. What it gave before is still sent.
        known: How many outcomes were on file.

    Raises:
        UsageError: The engine is not open, or `items` is one item.
    """

    def __init__(
        self, engine: "Engine", items: "Requests", maker: "Maker", kept: KeptResults | None = None
    ) -> None:
        rows: Any = rows_of(items)
        pump = engine.pump
        self._engine = engine
        self._pump = pump
        self._maker = maker
        self._kept = kept
        self._is_sized = isinstance(rows, Sized)
        self._later: AsyncIterator[Item] | None = aiter(rows) if isinstance(rows, AsyncIterable) else None
        self._rest: Iterator[Item] = iter(()) if isinstance(rows, AsyncIterable) else iter(rows)
        self._unplaced: deque[Item] = deque()
        self._number = 0
        self._outcomes = OutcomeQueue(pump.clock.epoch, maker.columns, self._hold, kept)
        self._buffers: dict[str, SpillQueue[Request]] = {}
        self._arrived: dict[str, asyncio.Event] = {}
        self._thread: asyncio.Task[bool] | None = None
        self._came = asyncio.Event()
        self._hungry: set[Lane] = set()
        self._wanted = asyncio.Event()
        self._is_left = False
        self._fault = Fault(FaultKind.CANCELLED, "nobody waits for it any more")
        self.error: BaseException | None = None
        self.known = 0
        settings = engine.config.run
        self.run = Run(
            self,
            self._outcomes,
            timeout=settings.timeout,
            hedge=settings.hedge,
            recall=engine.recall(),
            shapes=maker.shapes,
            streaming=engine.streaming(),
        )
        self.run.is_open = True
        pump.adopt(self.run)
        self._reader = pump.spawn(self.run, self._read())
        self._end = asyncio.create_task(self._see_end())

    async def pull(self, lane: Lane, room: int) -> list[Request] | None:
        """Return what was read for the lane, as soon as there is something."""
        buffer, arrived = self._buffers[lane.name], self._arrived[lane.name]
        self._hungry.add(lane)
        self._wanted.set()
        while not buffer and self.run.is_open:
            arrived.clear()
            await arrived.wait()
        if lane.bundle > 1:
            await self._fill(buffer, arrived, room)
        self._hungry.discard(lane)
        self._wanted.set()
        if lane.closed is not None:
            return None  # what was read for it is the rest
        return [buffer.pop() for _ in range(min(room, len(buffer)))] or None

    async def take(self) -> Outcome | None:
        """Return the next outcome, or None if there are no more but the rest."""
        outcome = await self._outcomes.take()
        self._wanted.set()
        return outcome

    def _hold(self, is_full: bool) -> None:  # noqa: FBT001  it is called with how things stand
        """Start nothing while nobody takes outcomes."""
        if is_full:
            self._pump.hold_back(self.run)
        else:
            self._pump.let_go(self.run)

    async def _fill(self, buffer: SpillQueue[Request], arrived: asyncio.Event, room: int) -> None:
        """Wait a little until a bundle is full: to send the first of many texts alone would be a waste."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while len(buffer) < room and self.run.is_open:
                    arrived.clear()
                    await arrived.wait()

    def expire(self, deadline: float) -> None:
        """Send nothing more: the deadline has passed."""
        if self.run.error is None:
            self._fault = Fault(FaultKind.CANCELLED, f"the deadline of {deadline:g} s has passed")
            self._reader.cancel()
            self._engine.pump.cancel(self.run, self._fault)

    def stop(self, reason: str) -> None:
        """Send nothing more; what is in flight may end, and all that is left fails."""
        self._fault = Fault(FaultKind.CANCELLED, reason)
        self._reader.cancel()
        self._engine.pump.drain(self.run, self._fault)

    def rest(self) -> Iterator[Outcome]:
        """Yield a failure for everything that was read but never sent, and for the rest of a list."""
        for lane, buffer in self._buffers.items():
            while buffer:
                yield Failure(request=buffer.pop(), fault=self.run.lanes[lane].closed or self._fault)
        if self._is_sized and not self._unplaced:
            self._unplaced.extend(islice(self._rest, 1))
        while self._unplaced:
            made = self._known(self._made())
            yield Failure(request=made, fault=self._fault) if isinstance(made, Request) else made
            self._placed()
            if self._is_sized and self.error is None:
                self._unplaced.extend(islice(self._rest, 1))

    async def close(self) -> None:
        """Drop what is left, and return when nothing works for it any more."""
        self._outcomes.leave()
        self._reader.cancel()
        self._end.cancel()
        self._engine.end(self.run)
        try:
            await asyncio.wait([self._end])
        finally:
            if self._kept is not None:
                await _to_its_end(self._kept.close())  # before the next line: a full disk would keep us there
        try:
            await self.run.join()
        finally:
            for buffer in self._buffers.values():
                buffer.close()

    async def _read(self) -> None:
        """Read on while a lane has nothing, or little is read ahead."""
        try:
            while await self._more():
                await self._place_all()
            await self._place_all()  # what came before an error
        except Exception as error:  # noqa: BLE001  an endpoint cannot be made ready: nobody else may wait for it
            self.run.fail(error)
        finally:
            self._is_left = True
            if self._thread is not None:
                self._thread.cancel()
            self.run.is_open = False
            self.run.look()
            for arrived in self._arrived.values():
                arrived.set()
            await self._let_go()

    async def _more(self) -> bool:
        """Wait until more was read; return False if there is no more to come."""
        try:
            if self._later is not None:
                self._unplaced.append(await anext(self._later))
            elif self._is_sized:
                self._unplaced.append(next(self._rest))
            else:
                return await self._more_from_thread()
        except (StopIteration, StopAsyncIteration):
            return False
        except Exception as error:  # noqa: BLE001  the iterable is the user's
            self.error = error
            return False
        return True

    async def _more_from_thread(self) -> bool:
        """Read in a thread: a generator may take long, or wait for an answer to what it gave last."""
        if self._thread is None:
            loop = asyncio.get_running_loop()
            notify = partial(loop.call_soon_threadsafe, self._came.set)
            work = asyncio.to_thread(_read_some, self._rest, self._unplaced, notify, lambda: self._is_left)
            self._thread = loop.create_task(work)
            self._thread.add_done_callback(lambda _: self._came.set())
        self._came.clear()
        if not self._unplaced and not self._thread.done():
            await self._came.wait()
        if not self._thread.done():
            return True
        thread, self._thread = self._thread, None
        return thread.result()

    async def _place_all(self) -> None:
        while self._unplaced:
            await self._place()
            while not self._has_room():
                self._wanted.clear()
                await self._wanted.wait()

    async def _place(self) -> None:
        """Put the next item into its lane's buffer, or its failure among the outcomes; all of it or nothing."""
        made = self._known(self._made())
        if isinstance(made, Request) and made.lane not in self.run.lanes:
            try:
                await self._open(made)
            except ConfigError as error:
                made = Failure(request=made, fault=Fault(FaultKind.INVALID_REQUEST, str(error)))
        if isinstance(made, Request) and (fault := self.run.lanes[made.lane].closed) is not None:
            made = Failure(request=made, fault=fault)
        if isinstance(made, Request):
            self._buffers[made.lane].push(made)
            self._arrived[made.lane].set()
        else:
            self._outcomes.put(made)
        self._placed()
        if isinstance(made, Request) and len(self._buffers[made.lane]) >= AHEAD:
            await self._let_take(made.lane)

    async def _let_take(self, lane: str) -> None:
        """Let a lane that waits take what is there; else a list would go to disk before its first request is sent."""
        if self.run.lanes[lane] in self._hungry:
            await asyncio.sleep(0)

    def _made(self) -> Request | Failure:
        return self._maker.make(self._unplaced[0], self._number)

    def _known(self, made: Request | Failure) -> Request | Outcome:
        """Return the outcome that is on file of a request, or what has to be sent; an answer must still follow its schema."""
        found = None if self._kept is None or isinstance(made, Failure) else self._kept.find(made)
        if found is None:
            return made
        renewed = self._maker.renewed(found)
        self.known += renewed is not None
        return renewed or found.request

    def _placed(self) -> None:
        self._unplaced.popleft()
        self._number += 1

    async def _open(self, first: Request) -> None:
        lane = first.lane
        self._buffers[lane], self._arrived[lane] = SpillQueue(AHEAD), asyncio.Event()
        try:
            await self._engine.open_lane(self.run, first.model, group=first.group, operation=first.operation)
        except BaseException:
            del self._buffers[lane], self._arrived[lane]
            raise

    def _has_room(self) -> bool:
        """Whether to read on: not while nobody takes outcomes, nor further ahead than is of use."""
        lanes = self.run.lanes
        ahead = sum(len(buffer) for lane, buffer in self._buffers.items() if lanes[lane].closed is None)
        is_hungry = any(lane.closed is None for lane in self._hungry)
        return not self._outcomes.is_full and ahead < (FAR_AHEAD if is_hungry else AHEAD)

    async def _let_go(self) -> None:
        """Close an async generator: nobody else will iterate over it."""
        aclose = getattr(self._later, "aclose", None)
        if aclose is not None:
            try:
                await aclose()
            except Exception:
                log.exception("closing the async generator of a stream failed")

    async def _see_end(self) -> None:
        await self.run.done.wait()
        self._outcomes.put(None)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do something, also if who waits for it is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _read_some(
    items: "Iterator[Item]",
    into: "deque[Item]",
    notify: Callable[[], object],
    is_over: Callable[[], bool],
) -> bool:
    """Read a batch, or less if it takes long; return False if there is no more."""
    end = ticks() + BATCH_TIME
    for number, item in enumerate(items, 1):
        into.append(item)
        if is_over():
            return False
        if len(into) == 1:
            notify()  # there was nothing, and somebody may wait for it
        if number == BATCH or ticks() > end:
            return True
    return False
