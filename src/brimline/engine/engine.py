"""The engine: everything a process sends goes through it, so that one set of limits holds for all of it."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from brimline.config import Config, Endpoint, LimitRule, Place, load_config
from brimline.config.limits import GROUP
from brimline.config.run import read_fallback, read_kinds
from brimline.config.size import parse_size
from brimline.core.gate import Gate, Group
from brimline.core.lane import Lane
from brimline.core.quota import parse_quotas
from brimline.core.route import Way
from brimline.data.shape import Schema
from brimline.engine.callables import CallableEndpoint, Function, find_function
from brimline.engine.deltas import DeltaStream
from brimline.engine.live import LiveEndpoint
from brimline.engine.progress import Progress, progress_of
from brimline.engine.pump import Pump, Restore
from brimline.engine.run import Run
from brimline.engine.sharing import Account
from brimline.engine.simulator import SimulatorProcess
from brimline.engine.stream import Item, Maker, Requests, ask_one, ask_streamed, numbered
from brimline.engine.streamed import Listener, Streaming
from brimline.engine.wire import WireEndpoint, open_transport
from brimline.errors import ConfigError, UsageError
from brimline.providers import find_provider
from brimline.types import Fault, FaultKind, Operation, Outcome, Priority, Request

if TYPE_CHECKING:
    from brimline.engine.cache import Cache, Recall

log = logging.getLogger("brimline.engine")

TICK = 0.25
"""Seconds between two calls of `on_progress`."""


class Engine:
    """Sends requests as fast as their limits allow. Use it as an async context manager.

        async with Engine(limits={"openai/gpt-5-mini": "500/min, 200k tokens/min"}) as engine:
            async for outcome in engine.stream(["Say hi", "Say bye"], model="openai/gpt-5-mini"):
                print(outcome.text)

    Args:
        limits: Declared quotas by model reference or pattern, as text (`500/min, 200k tokens/min`).
        concurrency: Attempts in flight at once, for each model or by model reference or pattern; learned if not given.
        endpoints: Endpoints by name, beside those of the configuration; a function of a request can be one.
        config: A configuration, or the path of a file instead of `brimline.toml`.
        timeout: Seconds for one attempt (600).
        max_tries: Tries of one exchange (5).
        max_wait: The longest wait in seconds that a provider may ask for (3600).
        fallback: Model references to which requests go on in order that cannot be answered.
        fallback_on: For which kinds of faults they do (all but `invalid_request`).
        hedge: At the end of a run or stream, send a request once more whose answer is late; both are paid for (False).
        batch_size: How many embeddings go in one HTTP request at most (256); a provider may take fewer.
        stream: Have every answer sent in pieces, so that one that stalls is noticed early (False).
        idle_timeout: Seconds in which something of a streamed answer has to come (60).
        cache: Take answers from the cache and keep them there: True for the user's cache folder, or a folder.
        cache_size: Bytes that the cache may take, or a text like `500MB` (1GB).
        share: Whether other processes of this account on this machine share the declared limits (yes).
        on_progress: Called a few times a second with how things stand while something runs.
        rng: For jitter; give one to repeat a run exactly.
        connect: Makes the live endpoint of that name, instead of what the configuration says; for what is no HTTP.

    Raises:
        ConfigError: A limit, an endpoint or the configuration is wrong.
    """

    def __init__(  # noqa: PLR0913  each is a setting of its own
        self,
        *,
        limits: Mapping[str, str] | None = None,
        concurrency: int | Mapping[str, int] | None = None,
        endpoints: Mapping[str, Endpoint | Function] | None = None,
        config: Config | str | Path | None = None,
        timeout: float | None = None,
        max_tries: int | None = None,
        max_wait: float | None = None,
        fallback: Sequence[str] | None = None,
        fallback_on: Iterable[str] | None = None,
        hedge: bool | None = None,
        batch_size: int | None = None,
        stream: bool | None = None,
        idle_timeout: float | None = None,
        cache: bool | str | Path | None = None,
        cache_size: int | str | None = None,
        share: bool | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        rng: random.Random | None = None,
        connect: Callable[[str], Awaitable[LiveEndpoint]] | None = None,
    ) -> None:
        settings = {
            "timeout": timeout,
            "max_tries": max_tries,
            "max_wait": max_wait,
            "fallback": None if fallback is None else read_fallback(fallback),
            "fallback_on": None if fallback_on is None else read_kinds(fallback_on),
            "hedge": hedge,
            "batch_size": batch_size,
            "stream": stream,
            "idle_timeout": idle_timeout,
            "cache": Path(cache).expanduser() if isinstance(cache, str) else cache,
            "cache_size": None if cache_size is None else parse_size(cache_size),
            "share": share,
        }
        rules = [
            LimitRule(pattern=model, quotas=parse_quotas(text)) for model, text in (limits or {}).items()
        ]
        caps = {"*": concurrency} if isinstance(concurrency, int) else concurrency or {}
        rules += [LimitRule(pattern=model, concurrency=cap) for model, cap in caps.items()]
        self.config = _configure(config, rules, settings, endpoints or {})
        self._on_progress = on_progress
        self._rng = rng
        self._connect = connect
        self._live: dict[str, asyncio.Task[LiveEndpoint]] = {}
        self._simulators: list[SimulatorProcess] = []
        self._runs: set[Run] = set()
        self._pump: Pump | None = None
        self._cache: Cache | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._pump is not None:
            raise UsageError("the engine is open already")
        self._cache = await asyncio.to_thread(open_cache, self.config)
        self._pump = Pump(self.config, rng=self._rng)
        if self._on_progress is not None:
            self._ticker = asyncio.create_task(self._tick(self._on_progress))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop what is in flight and close every connection. Closing twice is harmless.

        Whoever still waits for outcomes gets a UsageError.
        """
        if self._pump is None:
            return
        pump, self._pump = self._pump, None
        cache, self._cache = self._cache, None
        live, self._live = self._live, {}
        simulators, self._simulators = self._simulators, []
        tasks = [*live.values(), *([self._ticker] if self._ticker is not None else [])]
        for task in tasks:
            task.cancel()  # nothing that is done minds
        await pump.close()
        if tasks:
            await asyncio.wait(tasks)
        for made in live.values():
            if not made.cancelled() and made.exception() is None:
                await made.result().close()
        for simulator in simulators:
            await simulator.stop()
        if cache is not None:
            await cache.close()

    async def stream(
        self,
        requests: Requests,
        *,
        model: str | None = None,
        system: str | None = None,
        params: Mapping[str, Any] | None = None,
        embed: bool = False,
        schema: Schema | None = None,
        deadline: float | None = None,
        results: str | PathLike[str] | None = None,
    ) -> AsyncIterator[Outcome]:
        """Send requests as they come and yield outcomes as they are complete, in no order.

        Backpressure goes both ways: no more is read than can be sent soon, and nothing more is sent while nobody
        takes the outcomes. Leaving the loop drops what is in flight.

        Args:
            requests: Prompts, rows as in a file (dicts), or `Request`s; iterable or async iterable, of any length; or a
                pandas or polars data frame, a Hugging Face data set or an Arrow table. What cannot be sent is a
                `Failure(invalid_request)`.
            model: The model reference, for items that name none; it replaces a row's own.
            system: System message for items that have none.
            params: Generation parameters; they win over an item's own.
            embed: Ask for embeddings instead of answers, many in one HTTP request.
            schema: What answers have to be like: a JSON schema, a Pydantic model, a msgspec Struct, a dataclass, ...; an
                outcome's `value` is what the answer says.
            deadline: Seconds; then all that is left is `Failure(cancelled)`.
            results: A file in which every outcome is written down, as `run` does, before it is yielded. What is in it is
                yielded without being sent: answers, and failures that are not worth another try, known by id and key.
                The id of an item without one is its number; equal ones are samples.

        Raises:
            UsageError: The engine is not open.
            ConfigError: The schema is none.
            OutputError: `results` cannot be used, or another process holds it; nothing was sent.
        """
        maker = Maker(model, system, params, embed=embed, schema=schema, keyed=results is not None)
        outcomes = numbered(self, requests, maker, deadline, results)
        try:
            async for _, outcome in outcomes:
                yield outcome
        finally:
            await outcomes.aclose()

    @overload
    def ask(
        self,
        model: str,
        prompt: Item,
        *,
        system: str | None = ...,
        params: Mapping[str, Any] | None = ...,
        embed: bool = ...,
        schema: Schema | None = ...,
        priority: int = ...,
        timeout: float | None = ...,
        stream: Literal[False] = ...,
    ) -> Coroutine[Any, Any, Outcome]: ...

    @overload
    def ask(
        self,
        model: str,
        prompt: Item,
        *,
        system: str | None = ...,
        params: Mapping[str, Any] | None = ...,
        schema: Schema | None = ...,
        priority: int = ...,
        timeout: float | None = ...,
        stream: Literal[True],
    ) -> DeltaStream: ...

    def ask(  # noqa: PLR0913  each is an option of its own
        self,
        model: str,
        prompt: Item,
        *,
        system: str | None = None,
        params: Mapping[str, Any] | None = None,
        embed: bool = False,
        schema: Schema | None = None,
        priority: int = Priority.HIGH,
        timeout: float | None = None,  # the outcome says that it expired, nothing is raised
        stream: bool = False,
    ) -> Coroutine[Any, Any, Outcome] | DeltaStream:
        """Send one request and return its outcome; it goes before the rest of a quota's requests.

        With `stream`, nothing is awaited: the answer is iterated over as it comes.

            stream = engine.ask("openai/gpt-5-mini", "Tell me a story", stream=True)
            async for delta in stream:
                print(delta.text, end="")
            outcome = await stream.outcome()

        Args:
            model: The model reference.
            prompt: A text, a list of texts (a conversation), a list of messages, a row or a `Request`.
            system: System message if the prompt has none.
            params: Generation parameters.
            embed: Ask for the prompt's embedding instead of an answer.
            schema: What the answer has to be like, as for `stream`.
            priority: Higher goes first.
            timeout: Seconds in all, waiting for the limits included; then it is `Failure(timeout)`.
            stream: Whether to return the answer as a `DeltaStream`.

        Raises:
            UsageError: The engine is not open.
            ConfigError: The model's endpoint does not exist or lacks its key, or the schema is none.
        """
        maker = Maker(model, system, params, embed=embed, schema=schema, priority=priority)
        return ask_streamed(self, prompt, maker, timeout) if stream else ask_one(self, prompt, maker, timeout)

    def stats(self) -> Progress:
        """Return how everything that runs now stands."""
        return progress_of([*self._runs], self.pump.clock.now())

    def declare(self, rules: Iterable[LimitRule]) -> None:
        """Change declared limits while requests are under way; the rules win over what was said before.

        What left before counts in the new limits, so that no window holds more than they allow.

        Raises:
            ConfigError: A request that waits could never be sent, or models that share a scope would have different
                limits. Nothing was changed.
        """
        config = self.config.outranked(rules)
        lanes = [lane for run in self._runs for lane in run.lanes.values() if lane.closed is None]
        problems = [*config.conflicts(dict.fromkeys(lane.model for lane in lanes))]
        shared = {route.scope: config.limits(route.model) for lane in lanes for route in lane.routes}
        problems += filter(None, (self.pump.misfit(*changed) for changed in shared.items()))
        if problems:
            raise ConfigError(problems[0])
        self.config = config
        for scope, limits in shared.items():
            self.pump.declare(scope, limits)

    # What runs use.

    @property
    def pump(self) -> Pump:
        """The pump of an open engine.

        Raises:
            UsageError: The engine is not open.
        """
        self._check_open()
        assert self._pump is not None
        return self._pump

    @property
    def cache(self) -> "Cache | None":
        """The answer cache of an open engine, or None if it has none."""
        return self._cache

    def recall(self, number: Callable[[Request], int] | None = None) -> "Recall | None":
        """Return what a run takes from the cache, or None if there is none.

        Args:
            number: Says which of equal requests one is, from 0; if not given they are counted as they come.
        """
        return None if self._cache is None else self._cache.recall(self.config, number)

    def streaming(self, listener: Listener | None = None) -> Streaming | None:
        """Return how a run streams its answers: if somebody listens, or all do."""
        settings = self.config.run
        return Streaming(settings.idle_timeout, listener) if listener is not None or settings.stream else None

    def can_stream(self, model: str) -> bool:
        """Whether all endpoints of a model with an open lane can send an answer in pieces."""
        places = {self.config.resolve(member).name for member in self.config.members(model)}
        made = [self._live[name] for name in places if name in self._live]
        return all(each.done() and each.result().can_stream for each in made)

    def _check_open(self) -> None:
        if self._pump is None:
            raise UsageError(
                "the engine is not open", hint="Use it inside `async with Engine(...) as engine:`."
            )

    async def open_lane(
        self,
        run: Run,
        model: str,
        restorer: Callable[[str], Restore] | None = None,
        operation: Operation = Operation.CHAT,
        group: str = "",
    ) -> Lane:
        """Open a lane of `run` for `model` and a group; whatever may answer it is made ready first.

        `restorer` gives, for a model reference or `group:NAME`, what books in its limits that which earlier processes
        used.

        Raises:
            ConfigError: The endpoint does not exist or lacks its key.
            RunError: The simulator did not start.
        """
        ways = await self._ways(model, restorer)
        fallbacks = [(other, await self._ways(other, restorer)) for other in self.config.fallbacks(model)]
        lane = self.pump.open_lane(
            run,
            model,
            ways,
            fallbacks=fallbacks,
            falls_on=self.config.run.fallback_on,
            operation=operation,
            group=self._group(group, restorer),
        )
        self._runs.add(run)
        return lane

    def _group(self, name: str, restorer: Callable[[str], Restore] | None) -> Group | None:
        """Return a group with what makes its limits, or None if nothing is declared for it."""
        quotas = self.config.group_quotas(name)
        if not quotas:
            return None

        def make() -> Gate:
            gate = Gate(quotas)
            if restorer is not None:
                restorer(f"{GROUP}{name}")(gate.limits, None)
            return gate

        return Group(name, make)

    async def _ways(self, model: str, restorer: Callable[[str], Restore] | None) -> list[Way]:
        """Return the ways to an answer of a model: one, or those of its pool's members."""
        ways = []
        for member, weight in self.config.members(model).items():
            place = self.config.resolve(member)
            endpoint = await self._endpoint(place)
            restore = None if restorer is None else restorer(member)
            limits = self.config.limits(member)
            ways.append(self.pump.way(member, place.name, limits, endpoint, weight=weight, restore=restore))
        return ways

    def end(self, run: Run) -> None:
        """Let go of a run."""
        self._runs.discard(run)
        if run.recall is not None:
            run.recall.close()
        if self._pump is not None:
            self._pump.cancel(run, Fault(FaultKind.CANCELLED, "nobody waits for it any more"))
            self._pump.forget(run)

    async def _endpoint(self, place: Place) -> LiveEndpoint:
        """Return the live endpoint of a place; those who ask together wait for the same one."""
        self._check_open()
        if place.name not in self._live:
            self._live[place.name] = asyncio.create_task(self._make(place))
        made = self._live[place.name]
        try:
            return await asyncio.shield(made)
        except asyncio.CancelledError:
            asker = asyncio.current_task()
            if asker is not None and asker.cancelling():
                raise
            raise UsageError("the engine was closed while it was in use") from None

    async def _make(self, place: Place) -> LiveEndpoint:
        try:
            return await (self._dial(place) if self._connect is None else self._connect(place.configured_as))
        except BaseException:
            self._live.pop(place.name, None)  # the next one who asks may be luckier
            raise

    async def _dial(self, place: Place) -> LiveEndpoint:
        endpoint, key = place.endpoint, place.key()
        if endpoint.function is not None:
            return CallableEndpoint(place.name, find_function(endpoint))
        provider = find_provider(endpoint.provider, endpoint.options, endpoint.base_url)
        base_url = endpoint.base_url
        if base_url is None:
            simulator = SimulatorProcess()
            self._simulators.append(simulator)
            base_url = await simulator.start(endpoint.scenario)
        transport = open_transport(provider, base_url, key)
        return WireEndpoint(provider, transport, key, Account.of(endpoint, key))

    async def _tick(self, on_progress: Callable[[Progress], None]) -> None:
        while True:
            await asyncio.sleep(TICK)
            if self._runs:
                try:
                    on_progress(self.stats())
                except Exception:
                    log.exception("on_progress failed and is not called any more")
                    return


def open_cache(config: Config) -> "Cache | None":
    """Return the answer cache that the configuration asks for, or None if it asks for none.

    Raises:
        ConfigError: It cannot be where it should be.
    """
    if config.cache is None:
        return None
    try:
        from brimline.engine.cache import Cache  # noqa: PLC0415  not every Python has SQLite
    except ImportError:
        raise ConfigError("this Python comes without sqlite3, which the cache needs") from None
    return Cache(config.cache, size=config.run.cache_size)


def _configure(
    config: Config | str | Path | None,
    rules: list[LimitRule],
    settings: Mapping[str, Any],
    endpoints: Mapping[str, Endpoint | Function],
) -> Config:
    made = {
        name: given if isinstance(given, Endpoint) else Endpoint(function=given)
        for name, given in endpoints.items()
    }
    if not isinstance(config, Config):
        file = None if config is None else Path(config)
        return load_config(file, flags=rules, run=settings, endpoints=made)
    return replace(
        config.outranked(rules) if rules else config,
        run=config.run.updated(settings, "Python"),
        endpoints={**config.endpoints, **made},
    )
