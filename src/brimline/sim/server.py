"""The thin shell: sockets, the clock, and nothing to decide. It plays the scripts that the world writes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from brimline.sim.amounts import SECOND
from brimline.sim.control import control
from brimline.sim.ledger import Entry, Ledger, Stats
from brimline.sim.listener import Listener, drop
from brimline.sim.replay import Replay
from brimline.sim.routes import find
from brimline.sim.scenario import Scenario
from brimline.sim.script import Script
from brimline.sim.session import Session
from brimline.sim.tables import ScenarioError
from brimline.sim.world import Exchange, World

Clock = Callable[[], int]
"""Nanoseconds that only go forward."""
_FLUSH_EVERY = 0.5
_MAX_BODY = 256 * 1024 * 1024  # images travel inside the request


@asynccontextmanager
async def simulate(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ledger: str | Path | None = None,
    clock: Clock = time.monotonic_ns,
    grace: float = 1.0,
) -> AsyncIterator["Simulator"]:
    """A server for as long as the block runs; at its end requests in flight get `grace` seconds.

    Port 0 takes a free one; `ledger` is a file that the entries are appended to, at least once a second.
    Raises OSError when the port or the file is not to be had, ScenarioError for a file to replay.
    """
    with _appended(ledger) as file:
        simulator = Simulator(scenario, host, port, ledger=file, clock=clock)
        await simulator.start()
        try:
            yield simulator
        finally:
            await simulator.stop(grace)


class Simulator:
    """A running server; `simulate` starts and stops it."""

    def __init__(
        self, scenario: Scenario, host: str, port: int, *, ledger: BinaryIO | None, clock: Clock
    ) -> None:
        self.scenario = scenario
        self._clock, self._file = clock, ledger
        self._replays = _load_replays(scenario)
        self._session = self._new_session()
        self._server = web.Server(
            self._handle, request_factory=_make_request, handler_cancellation=True, access_log=None
        )
        self._listener = Listener(self._server, host, port)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return f"Simulator({self._listener!r}, in_flight={self._in_flight})"

    @property
    def url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self._listener.url}/v1"

    @property
    def ledger(self) -> Ledger:
        """What was served since the start or the last reset."""
        return self._session.ledger

    @property
    def entries(self) -> list[Entry]:
        """The requests that are over, in the order of their end."""
        return self.ledger.entries()

    @property
    def stats(self) -> Stats:
        """The sums of the ledger."""
        return self.ledger.stats(self._clock())

    async def reset(self) -> None:
        """Begin anew: full buckets, an empty ledger, the seed's first draw, time zero.

        Requests in flight are still answered, but not counted; a ledger file keeps what it holds.
        """
        self.ledger.flush()
        self._session = self._new_session()
        self._cancel("outages")
        if not self._listener.is_open:
            await self._listener.open()

    async def start(self) -> None:
        """Accept connections."""
        await self._listener.open()
        if self._file is not None:
            self._tasks["flushing"] = asyncio.create_task(self._keep_flushing())

    async def stop(self, grace: float) -> None:
        """Refuse new requests, give those in flight so many seconds, then cut them off."""
        self._cancel("outages")
        self._listener.release()
        self._server.pre_shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._idle.wait()
        for connection in self._server.connections:
            connection.force_close()
        await self._idle.wait()
        self._cancel("flushing")
        self.ledger.flush()

    def _new_session(self) -> Session:
        now = self._clock()
        epoch = time.time_ns() - now
        rng = random.Random(self.scenario.seed)
        world = World(self.scenario, rng, epoch=epoch, replays=self._replays)
        return Session(world, Ledger(now, epoch, self._file))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        dialect = find(request, self._session.files) if request.method == "POST" else None
        if dialect is None:
            return await control(request, self._session, self._clock(), self.reset)
        if "Expect" in request.headers and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await request.read()
        now = self._clock()
        exchange = self._session.arrive(now, dialect.key(request.headers), body, dialect)
        if exchange.number == 1:
            self._cancel("outages")
            self._tasks["outages"] = asyncio.create_task(self._go_and_come_back(now))
        self._in_flight += 1
        self._idle.clear()
        return await self._serve(request, self._session, exchange)

    async def _serve(
        self, request: web.BaseRequest, session: Session, exchange: Exchange
    ) -> web.StreamResponse:
        """Play the script of one request, and note how it ended whatever happens."""
        kind = "gone"
        try:
            script = exchange.script or await session.turn(exchange)
            if await self._play(request, script, exchange):
                kind = exchange.kind
                await _end(request, script)
        except asyncio.CancelledError:
            kind = "cut" if kind == "gone" and not self._listener.is_open else kind
            raise
        finally:
            session.leave(self._clock(), exchange, kind)
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
        return _KEEP if script.ending == "keep" and request.keep_alive else _CLOSE

    async def _play(self, request: web.BaseRequest, script: Script, exchange: Exchange) -> bool:
        """Hand over each piece at its moment; False when the client has gone."""
        for at, data in script.pieces:
            if at:
                await self._until(exchange.began + at)
            if request.transport is None or request.transport.is_closing():
                return False
            request.transport.write(data)
            exchange.told = script.status
            try:
                await request.writer.drain()
            except ConnectionError:
                return False
        return True

    async def _go_and_come_back(self, first: int) -> None:
        """Be away in each outage of the kind "gone"; `first` is when the first request came."""
        gone = [outage for outage in self.scenario.outages if outage.kind == "gone"]
        for outage in sorted(gone, key=lambda outage: outage.start.ns):
            await self._until(first + outage.start.ns)
            self._listener.close()
            for connection in self._server.connections:
                drop(connection.transport)
            await self._until(first + outage.end.ns)
            await self._listener.open()

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_EVERY)
            self.ledger.flush()

    def _cancel(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def _until(self, moment: int) -> None:
        left = moment - self._clock()
        if left > 0:
            await asyncio.sleep(left / SECOND)


class _Played(web.StreamResponse):
    """Tells aiohttp that the reply is on the wire already, and whether to keep the connection.

    A script holds the bytes of the whole reply: that serves broken ones, and costs 8 us less than
    aiohttp's own way of putting headers together.
    """

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self._kept = keep

    @property
    def keep_alive(self) -> bool:
        return self._kept

    async def prepare(self, _request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, _data: bytes = b"") -> None:
        return None


_KEEP, _CLOSE = _Played(keep=True), _Played(keep=False)


async def _end(request: web.BaseRequest, script: Script) -> None:
    """End an exchange other than by a whole reply."""
    if script.ending == "stall":
        await asyncio.Event().wait()  # until the connection is lost, which cancels us
    if script.ending == "reset":
        drop(request.transport)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)


def _load_replays(scenario: Scenario) -> dict[str, Replay]:
    replays: dict[str, Replay] = {}
    for model in scenario.models.values():
        if model.replay is not None and model.replay not in replays:
            try:
                replays[model.replay] = Replay.load(model.replay)
            except (OSError, ValueError) as error:
                raise ScenarioError(model.replay, "", f"cannot be replayed: {error}") from error
    return replays


def _appended(path: str | Path | None) -> AbstractContextManager[BinaryIO | None]:
    return nullcontext() if path is None else Path(path).open("ab")
