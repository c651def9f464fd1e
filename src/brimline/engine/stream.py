"""Requests from Python: what items mean, and what `Engine.stream` and `Engine.ask` do with them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from brimline.core.lane import Lane
from brimline.core.steps import Final, NextTurn, Stopped
from brimline.data.frames import Frame
from brimline.data.key import request_key
from brimline.data.media import Media
from brimline.data.recipe import Recipe
from brimline.data.rows import Row, RowError
from brimline.data.shape import Schema, Shapes, shape_of
from brimline.data.template import Plain
from brimline.engine.deltas import LEFT, DeltaStream, Relay
from brimline.engine.feed import Feed
from brimline.engine.run import Run, Sink
from brimline.errors import ConfigError
from brimline.store.kept import KeptResults
from brimline.types import Failure, Fault, FaultKind, Operation, Outcome, Request, Response

if TYPE_CHECKING:
    from brimline.engine.engine import Engine

Item: TypeAlias = Request | str | Mapping[str, Any] | list[Any]
"""What can be sent: a request, a prompt as text, a row as in a file, a list of turns or of messages."""

Requests: TypeAlias = Iterable[Item] | AsyncIterable[Item] | Frame
"""Several of them, or a table whose rows they are."""


class Maker:
    """Makes requests of items.

    Args:
        model: Replaces the items' own.
        system: System message for items without one.
        params: Generation parameters that win over the items' own.
        embed: Whether embeddings are asked for instead of answers; a `Request` says that itself, too.
        priority: Replaces the items' own.
        schema: What answers have to be like; replaces the items' own.
        keyed: Whether every request needs a key, since its outcome is kept.

    Attributes:
        shapes: The shapes of their answers.

    Raises:
        ConfigError: The schema is none.
    """

    def __init__(
        self,
        model: str | None,
        system: str | None,
        params: Mapping[str, Any] | None,
        *,
        embed: bool = False,
        priority: int | None = None,
        schema: Schema | None = None,
        keyed: bool = False,
    ) -> None:
        self._model = model
        self._keyed = keyed
        self._priority = priority
        self._params = dict(params or {})
        shape = None if schema is None else shape_of(schema)
        self.shapes = Shapes(shape)
        self._schema = None if shape is None else shape.schema
        self._recipe = Recipe(
            media=Media(Path()),
            models=(model,) if model else (),
            embed=embed,
            system=None if system is None else Plain(system),
            params=self._params,
            schema=self._schema,
        )

    def make(self, item: Item, number: int) -> Request | Failure:
        """Return the request that an item is, or why it is none; its origin is its number. Never raises."""
        if isinstance(item, Request):
            return self._remake(item, number)
        try:
            columns = dict(item) if isinstance(item, Mapping) else {"prompt": item}
            row = Row(0, number + 1, columns)
            (request,) = self._recipe.requests(row, number, origin=(number, item))
        except RowError as error:
            return self.refuse(number, str(error), item)
        except Exception as error:  # noqa: BLE001  an item may be anything, and one must not end the others
            return self.refuse(number, f"is no request: {type(error).__name__}: {error}", item)
        return self._prioritise(request)

    def _remake(self, request: Request, number: int) -> Request | Failure:
        schema = request.schema if self._schema is None else self._schema
        operation = Operation.EMBEDDING if self._recipe.embed else request.operation
        if schema is not None and operation is Operation.EMBEDDING:
            return self.refuse(number, "asks for an embedding, which follows no schema", request)
        try:
            if schema is not None:
                self.shapes.of(schema)
        except (ConfigError, TypeError, ValueError, RecursionError) as error:
            return self.refuse(number, str(error), request)
        changed = replace(
            request,
            model=self._model or request.model,
            params={**request.params, **self._params},
            operation=operation,
            schema=schema,
            key="",
            origin=(number, request),
        )
        if self._keyed:
            try:
                changed = replace(changed, key=_key(changed))
            except (TypeError, ValueError, RecursionError) as error:
                return self.refuse(number, f"holds what is not JSON: {error}", request)
        return self._prioritise(changed)

    @staticmethod
    def columns(request: Request) -> Mapping[str, Any]:
        """Return the columns of a request's row; of a prompt it is the only one."""
        _, item = cast(tuple[int, Item], request.origin)
        if isinstance(item, Request):
            return {}
        return item if isinstance(item, Mapping) else {"prompt": item}

    def renewed(self, outcome: Outcome) -> Outcome | None:
        """Return an outcome that was kept as it would be now; None if its answer is not what is asked for any more."""
        request = outcome.request
        if request.schema is None:
            return outcome
        responses = [self.shapes.check(request, response) for response in outcome.responses]
        checked = tuple(response for response in responses if isinstance(response, Response))
        if outcome.ok and checked[-1].rejection is not None:
            return None
        return replace(outcome, responses=checked)

    def unwrap(self, outcome: Outcome) -> tuple[int, Outcome]:
        """Return the number of an outcome's item, and the outcome with its value, of the request that the user gave."""
        number, item = cast(tuple[int, Item], outcome.request.origin)
        request = item if isinstance(item, Request) else replace(outcome.request, origin=item)
        if isinstance(outcome, Failure):
            return number, replace(outcome, request=request)
        return number, replace(outcome, request=request, value=self.shapes.value(outcome))

    def _prioritise(self, request: Request) -> Request:
        return request if self._priority is None else replace(request, priority=self._priority)

    def refuse(self, number: int, reason: str, item: Item) -> Failure:
        """Return the failure of an item that was never sent."""
        request = Request(id=number, model=self._model or "", messages=(), origin=(number, item))
        return Failure(request=request, fault=Fault(FaultKind.INVALID_REQUEST, reason))


def _key(request: Request) -> str:
    return request_key(
        request.model,
        request.messages,
        request.follow_ups,
        request.params,
        request.operation,
        schema=request.schema,
    )


class One(Sink):
    """One request and its outcome; a relay hears of the answers that nobody was told in pieces."""

    def __init__(self, request: Request, epoch: int, relay: Relay | None = None) -> None:
        self._request: Request | None = request
        self._epoch = epoch
        self._relay = relay
        self.outcome: Outcome | None = None

    async def pull(self, lane: Lane, room: int) -> list[Request] | None:  # noqa: ARG002
        """Return the request, once."""
        request, self._request = self._request, None
        return None if request is None else [request]

    async def keep(self, final: Final) -> None:
        """Note the outcome."""
        self._tell(final.outcome.responses)
        self.outcome = final.outcome

    async def keep_turn(self, turn: NextTurn) -> None:
        """Tell of a finished turn."""
        self._tell(turn.ticket.responses)

    def _tell(self, responses: tuple[Response, ...]) -> None:
        if self._relay is not None:
            self._relay.complete(responses)

    async def give_up(self, stopped: Stopped) -> None:
        """Fail for the reason why it is given up."""
        for ticket in stopped.tickets:
            self.outcome = ticket.failure(stopped.fault, self._epoch)


async def numbered(
    engine: "Engine",
    items: Requests,
    maker: Maker,
    deadline: float | None,
    results: str | PathLike[str] | None = None,
    *,
    opened: Callable[[Feed], None] | None = None,
) -> AsyncGenerator[tuple[int, Outcome], None]:
    """Yield outcomes with the number of their item, as they are complete, and durable in `results` if that is given.

    `opened` is told the feed, which can be stopped.
    """
    _ = engine.pump  # it is open, or nothing is touched
    kept = None if results is None else await _open_results(Path(results))
    try:
        feed = Feed(engine, items, maker, kept)
    except BaseException:
        if kept is not None:
            await kept.close()
        raise
    if opened is not None:
        opened(feed)
    loop = asyncio.get_running_loop()
    timer = None if deadline is None else loop.call_later(deadline, feed.expire, deadline)
    try:
        while (outcome := await feed.take()) is not None:
            yield maker.unwrap(outcome)
        if feed.run.error is not None:
            raise feed.run.error
        for failure in feed.rest():
            yield maker.unwrap(failure)
        if feed.error is not None:
            raise feed.error
    finally:
        if timer is not None:
            timer.cancel()
        await feed.close()


async def _open_results(path: Path) -> KeptResults:
    """Open the file in a thread, since it may be long; who leaves meanwhile leaves no lock behind."""
    opening = asyncio.create_task(asyncio.to_thread(KeptResults, path))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        if opening.exception() is None:
            await opening.result().close()
        raise


async def ask_one(
    engine: "Engine",
    item: Item,
    maker: Maker,
    timeout: float | None,  # noqa: ASYNC109
    relay: Relay | None = None,
) -> Outcome:
    """Send one request and return its outcome; a relay is told the pieces of its answer."""
    made = maker.make(item, 0)
    if isinstance(made, Failure):
        return maker.unwrap(made)[1]
    one = One(made, engine.pump.clock.epoch, relay)
    longest = engine.config.run.timeout
    run = Run(
        one,
        one,
        timeout=min(timeout or longest, longest),
        recall=engine.recall(lambda _: 0),
        shapes=maker.shapes,
        streaming=engine.streaming(relay),
    )
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            lane = await engine.open_lane(run, made.model)
            await run.done.wait()
    except TimeoutError:
        if not limit.expired():
            raise
        fault = Fault(FaultKind.TIMEOUT, f"no outcome within {timeout:g} s")
        return maker.unwrap(one.outcome or Failure(request=made, fault=fault))[1]
    finally:
        engine.end(run)
    if one.outcome is None and run.error is not None:
        raise run.error
    if one.outcome is None:  # its endpoint has stopped before it was even queued
        assert lane.closed is not None
        return maker.unwrap(Failure(request=made, fault=lane.closed))[1]
    return maker.unwrap(one.outcome)[1]


def ask_streamed(engine: "Engine", item: Item, maker: Maker, timeout: float | None) -> DeltaStream:
    """Return the answer to one request as it comes; nothing is sent yet."""

    def left() -> Failure:
        made = maker.make(item, 0)
        failure = made if isinstance(made, Failure) else Failure(request=made, fault=LEFT)
        return cast(Failure, maker.unwrap(failure)[1])

    return DeltaStream(lambda relay: ask_one(engine, item, maker, timeout, relay), left)
