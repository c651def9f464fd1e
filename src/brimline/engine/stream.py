"""Iterables as sources and async iterators as sinks: what `Engine.stream` and `Engine.ask` run on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from brimline.core.lane import Lane
from brimline.core.steps import Final, Stopped
from brimline.data.media import Media
from brimline.data.recipe import Recipe, RowError
from brimline.data.rows import Row
from brimline.data.template import Plain
from brimline.engine.clock import ticks
from brimline.engine.run import Run, Sink
from brimline.engine.spill import SpillQueue
from brimline.errors import ConfigError
from brimline.types import Failure, Fault, FaultKind, Outcome, Request

if TYPE_CHECKING:
    from brimline.engine.engine import Engine

Item: TypeAlias = Request | str | Mapping[str, Any] | list[Any]
"""What can be sent: a request, a prompt as text, a row as in a file, a list of turns or of messages."""

AHEAD = 256
"""So many requests are read ahead of the lanes, and so many outcomes wait to be taken."""

BATCH = 64
"""A sync iterable is read in a thread, so many items at a time, or for as long as BATCH_TIME."""

BATCH_TIME = 0.05


class Maker:
    """Makes requests of items.

    Args:
        model: Replaces the items' own.
        system: System message for items without one.
        params: Generation parameters that win over the items' own.
        priority: Replaces the items' own.
    """

    def __init__(
        self,
        model: str | None,
        system: str | None,
        params: Mapping[str, Any] | None,
        *,
        priority: int | None = None,
    ) -> None:
        self._model = model
        self._priority = priority
        self._params = dict(params or {})
        self._recipe = Recipe(
            media=Media(Path()),
            models=(model,) if model else (),
            system=None if system is None else Plain(system),
            params=self._params,
        )

    def make(self, item: Item, number: int) -> Request | Failure:
        """Return the request that an item is, or why it is none; its origin is its number."""
        if isinstance(item, Request):
            params = {**item.params, **self._params}
            changed = replace(item, model=self._model or item.model, params=params, origin=(number, item))
            return self._prioritise(changed)
        columns = dict(item) if isinstance(item, Mapping) else {"prompt": item}
        try:
            (request,) = self._recipe.requests(Row(0, number + 1, columns), number)
        except RowError as error:
            return self.refuse(number, str(error), item)
        return self._prioritise(replace(request, origin=(number, item)))

    def _prioritise(self, request: Request) -> Request:
        return request if self._priority is None else replace(request, priority=self._priority)

    def refuse(self, number: int, reason: str, item: Item) -> Failure:
        """Return the failure of an item that was never sent."""
        request = Request(id=number, model=self._model or "", messages=(), origin=(number, item))
        return Failure(request=request, fault=Fault(FaultKind.INVALID_REQUEST, reason))


class OutcomeQueue(Sink):
    """Hands outcomes to whoever takes them, and keeps slots taken while nobody does."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._is_left = False

    async def keep(self, final: Final) -> None:
        """Hand an outcome over; returns when not too many wait."""
        self.put(final.outcome)
        while self._outcomes.qsize() > AHEAD and not self._is_left:
            self._taken.clear()
            await self._taken.wait()

    async def give_up(self, stopped: Stopped) -> None:
        """A request that is given up fails for the reason why."""
        for ticket in stopped.tickets:
            self.put(ticket.failure(stopped.fault, self._epoch))

    def put(self, outcome: Outcome | None) -> None:
        """Add an outcome; None: there are no more."""
        self._outcomes.put_nowait(outcome)

    async def take(self) -> Outcome | None:
        """Return the next outcome, or None if there are no more."""
        outcome = await self._outcomes.get()
        self._taken.set()
        return outcome

    def leave(self) -> None:
        """Nobody takes outcomes any more."""
        self._is_left = True
        self._taken.set()


class One(Sink):
    """One request and its outcome."""

    def __init__(self, request: Request, epoch: int) -> None:
        self._request: Request | None = request
        self._epoch = epoch
        self.outcome: Outcome | None = None

    async def pull(self, lane: Lane, room: int) -> list[Request] | None:  # noqa: ARG002
        """Return the request, once."""
        request, self._request = self._request, None
        return None if request is None else [request]

    async def keep(self, final: Final) -> None:
        """Note the outcome."""
        self.outcome = final.outcome

    async def give_up(self, stopped: Stopped) -> None:
        """Fail for the reason why it is given up."""
        for ticket in stopped.tickets:
            self.outcome = ticket.failure(stopped.fault, self._epoch)


class Feed:
    """A run over an iterable, as a source that reads no further ahead than is of use.

    Args:
        engine: What runs it.
        items: The iterable.
        maker: Makes requests of its items.
    """

    def __init__(self, engine: "Engine", items: Iterable[Item] | AsyncIterable[Item], maker: Maker) -> None:
        self._engine = engine
        self._maker = maker
        self._items = items
        self._rest: Iterator[Item] = iter(()) if isinstance(items, AsyncIterable) else iter(items)
        self._number = 0
        self.outcomes = OutcomeQueue(engine.pump.clock.epoch)
        self.run = Run(self, self.outcomes, timeout=engine.config.run.timeout)
        self.run.is_open = True
        self._buffers: dict[str, SpillQueue[Request]] = {}
        self._arrived = asyncio.Condition()
        self._waiting = 0
        self._fault = Fault(FaultKind.CANCELLED, "nobody waits for it any more")
        self._reader = asyncio.create_task(self._read())
        self._end = asyncio.create_task(self._see_end())

    async def pull(self, lane: Lane, room: int) -> list[Request] | None:
        """Return what was read for the lane, as soon as there is something."""
        buffer = self._buffers[lane.model]
        async with self._arrived:
            self._waiting += 1
            self._arrived.notify_all()
            await self._arrived.wait_for(lambda: buffer or not self.run.is_open)
            self._waiting -= 1
            requests = [buffer.pop() for _ in range(min(room, len(buffer)))]
            self._arrived.notify_all()
        return requests or None

    def expire(self, deadline: float) -> None:
        """Send nothing more: the deadline has passed."""
        self._fault = Fault(FaultKind.CANCELLED, f"the deadline of {deadline:g} s has passed")
        self._reader.cancel()
        self._engine.pump.cancel(self.run, self._fault)

    def rest(self) -> Iterator[Failure]:
        """Yield a failure for everything that was read but never sent, and for the rest of a list."""
        for model, buffer in self._buffers.items():
            while buffer:
                yield Failure(request=buffer.pop(), fault=self.run.lanes[model].closed or self._fault)
        if isinstance(self._items, Sized):
            for item in self._rest:
                made = self._maker.make(item, self._next_number())
                yield made if isinstance(made, Failure) else Failure(request=made, fault=self._fault)

    async def close(self) -> None:
        """Drop what is left."""
        self.outcomes.leave()
        self._reader.cancel()
        self._end.cancel()
        self._engine.end(self.run)
        await asyncio.wait([self._reader, self._end])
        for buffer in self._buffers.values():
            buffer.close()

    async def _read(self) -> None:
        """Read on while a lane has nothing, or little is read ahead."""
        try:
            async for item in self._iterate():
                await self._place(item)
        except Exception as error:  # noqa: BLE001  the iterable is the user's: its failure ends its run
            self.run.fail(error)
        finally:
            self.run.is_open = False
            self.run.look()
            async with self._arrived:
                self._arrived.notify_all()

    async def _place(self, item: Item) -> None:
        made = self._maker.make(item, self._next_number())
        if isinstance(made, Request) and made.model not in self.run.lanes:
            try:
                await self._open(made.model)
            except ConfigError as error:
                made = Failure(request=made, fault=Fault(FaultKind.INVALID_REQUEST, str(error)))
        if isinstance(made, Failure):
            self.outcomes.put(made)
            return
        lane = self.run.lanes[made.model]
        if lane.closed is not None:
            self.outcomes.put(Failure(request=made, fault=lane.closed))
            return
        async with self._arrived:
            self._buffers[made.model].push(made)
            self._arrived.notify_all()
            await self._arrived.wait_for(lambda: self._waiting or self._ahead() < AHEAD)

    async def _open(self, model: str) -> None:
        self._buffers[model] = SpillQueue(AHEAD)
        try:
            await self._engine.open_lane(self.run, model)
        except ConfigError:
            del self._buffers[model]
            raise

    def _ahead(self) -> int:
        lanes = self.run.lanes
        return sum(len(buffer) for model, buffer in self._buffers.items() if lanes[model].closed is None)

    def _next_number(self) -> int:
        self._number += 1
        return self._number - 1

    async def _iterate(self) -> AsyncIterator[Item]:
        if isinstance(self._items, AsyncIterable):
            async for item in self._items:
                yield item
            return
        while batch := await self._some():
            for item in batch:
                yield item

    async def _some(self) -> list[Item]:
        """Return the next few items; what may take long to make them is not waited for on the loop."""
        if isinstance(self._items, Sized):
            return [*islice(self._rest, 1)]
        return await asyncio.to_thread(_read_some, self._rest)

    async def _see_end(self) -> None:
        await self.run.done.wait()
        self.outcomes.put(None)


def _read_some(items: Iterator[Item]) -> list[Item]:
    """Read a batch, or less if it takes long."""
    end = ticks() + BATCH_TIME
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH or ticks() > end:
            break
    return batch


async def numbered(
    engine: "Engine", items: Iterable[Item] | AsyncIterable[Item], maker: Maker, deadline: float | None
) -> AsyncGenerator[tuple[int, Outcome], None]:
    """Yield outcomes with the number of their item, as they are complete."""
    feed = Feed(engine, items, maker)
    timer = deadline and asyncio.get_running_loop().call_later(deadline, feed.expire, deadline)
    try:
        while (outcome := await feed.outcomes.take()) is not None:
            yield _unwrap(outcome)
        if feed.run.error is not None:
            raise feed.run.error
        for failure in feed.rest():
            yield _unwrap(failure)
    finally:
        if timer:
            timer.cancel()
        await feed.close()


def _unwrap(outcome: Outcome) -> tuple[int, Outcome]:
    """Give back the request that the user gave."""
    number, item = cast(tuple[int, Item], outcome.request.origin)
    request = item if isinstance(item, Request) else replace(outcome.request, origin=item)
    return number, replace(outcome, request=request)


async def ask_one(engine: "Engine", item: Item, maker: Maker, timeout: float | None) -> Outcome:  # noqa: ASYNC109
    """Send one request and return its outcome."""
    made = maker.make(item, 0)
    if isinstance(made, Failure):
        return _unwrap(made)[1]
    one = One(made, engine.pump.clock.epoch)
    run = Run(one, one, timeout=min(timeout or engine.config.run.timeout, engine.config.run.timeout))
    await engine.open_lane(run, made.model)
    try:
        async with asyncio.timeout(timeout):
            await run.done.wait()
    except TimeoutError:
        fault = Fault(FaultKind.TIMEOUT, f"no outcome within {timeout:g} s")
        return _unwrap(Failure(request=made, fault=fault))[1]
    finally:
        engine.end(run)
    if run.error is not None:
        raise run.error
    assert one.outcome is not None
    return _unwrap(one.outcome)[1]
