"""An endpoint that answers by script: after so long, with this, never, or by raising. It counts what left and when.

    lab = ScriptedEndpoint(lambda exchange: Reply(latency=2.0))
    lab = ScriptedEndpoint(in_turn(Reply(Fault(FaultKind.OVERLOADED)), Reply(latency=1.0)))

It is provider and transport in one, so that everything in between is the real thing.
"""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from brimline.engine.live import LiveEndpoint
from brimline.engine.wire import WireEndpoint
from brimline.types import Advert, Fault, HttpReply, HttpRequest, Operation, Request, Response, Secret, Usage

FOREVER = float("inf")


@dataclass(slots=True, eq=False)
class Exchange:
    """One exchange as the endpoint saw it; times are seconds on the loop's clock.

    Attributes:
        request: What was asked.
        turn: Which exchange of a conversation it is, from 0.
        number: The attempt's number for that turn, from 1.
        place: How many exchanges began before it.
        began_at: When it was begun.
        left_at: When it left, or None: its connection was never made.
        ended_at: When it ended, or None: it has not, or was cancelled.
        was_cancelled: Whether it was dropped before it ended.
    """

    request: Request
    turn: int
    number: int
    place: int
    began_at: float
    left_at: float | None = None
    ended_at: float | None = None
    was_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of one exchange.

    Attributes:
        result: What comes back, or what is raised; None: an echo of the request's text.
        latency: Seconds from leaving to the end; `FOREVER`: it hangs.
        connect: Seconds before it leaves.
        leaves: Whether it leaves; if not, the result comes when no connection was made.
        until: Waited for after the latency, for tests that decide when.
        adverts: What the reply says about the limits; a raised exception says nothing.
    """

    result: Response | Fault | BaseException | None = None
    latency: float = 0.0
    connect: float = 0.0
    leaves: bool = True
    until: asyncio.Event | None = None
    adverts: tuple[Advert, ...] = ()


Script: TypeAlias = Callable[[Exchange], Reply]


def in_turn(*replies: Reply, then: Reply | None = None) -> Script:
    """Return a script that gives these replies one after another, and `then` an echo or what is given."""
    rest = iter(replies)
    return lambda _: next(rest, then or Reply())


class _Letter(HttpRequest):
    """A request that was not put into words."""

    def __init__(self, request: Request, turn: int) -> None:
        super().__init__("/", b"", {})
        self.__dict__.update(request=request, turn=turn)

    request: Request
    turn: int


class _Answer(HttpReply):
    """A reply that was not put into words."""

    def __init__(self, result: Response | Fault, adverts: tuple[Advert, ...]) -> None:
        super().__init__(200, {}, b"")
        self.__dict__.update(result=result, adverts=adverts)

    result: Response | Fault
    adverts: tuple[Advert, ...]


class ScriptedEndpoint:
    """Answers by script.

    Args:
        script: What becomes of each exchange; an immediate echo if not given.

    Attributes:
        exchanges: Every exchange that was begun, in order.
        in_flight: Those that have not ended.
        most_in_flight: The most there were at a time.
        is_closed: Whether the connections were closed.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or (lambda _: Reply())
        self.exchanges: list[Exchange] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.is_closed = False
        self._numbers: defaultdict[tuple[object, int], int] = defaultdict(int)

    def live(self, key: Secret | None = None) -> LiveEndpoint:
        """Return it as the engine wants it."""
        return WireEndpoint(self, self, key)

    @property
    def departures(self) -> list[float]:
        """When requests left, seconds."""
        return sorted(exchange.left_at for exchange in self.exchanges if exchange.left_at is not None)

    # The provider's part.

    BUNDLE = 256

    def headers(self, key: Secret | None) -> dict[str, str]:  # noqa: ARG002
        """There are none."""
        return {}

    def problem(self, request: Request) -> str | None:  # noqa: ARG002
        """Everything can be said."""
        return None

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Pass the request on as it is."""
        return _Letter(request, len(responses))

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return what the script says."""
        assert isinstance(reply, _Answer)
        return reply.result

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the script says about the limits."""
        assert isinstance(reply, _Answer)
        return reply.adverts

    # The transport's part.

    async def send(self, request: HttpRequest, departed: Callable[[], None]) -> HttpReply | Fault:
        """Do what the script says."""
        assert isinstance(request, _Letter)
        exchange = self._begin(request)
        try:
            reply = self.script(exchange)
            await _pass(reply.connect)
            if reply.leaves:
                departed()
                exchange.left_at = _now()
                await _pass(reply.latency)
            if reply.until is not None:
                await reply.until.wait()
        except asyncio.CancelledError:
            exchange.was_cancelled = True
            raise
        finally:
            self.in_flight -= 1
        exchange.ended_at = _now()
        if isinstance(reply.result, BaseException):
            raise type(reply.result)(*reply.result.args)  # a fresh one: tracebacks would pile up
        return _Answer(reply.result or echo(exchange), reply.adverts)

    async def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def _begin(self, letter: _Letter) -> Exchange:
        key = id(letter.request), letter.turn
        self._numbers[key] += 1
        exchange = Exchange(letter.request, letter.turn, self._numbers[key], len(self.exchanges), _now())
        self.exchanges.append(exchange)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return exchange


def vector_of(text: str) -> "array[float]":
    """Return the vector that stands for a text."""
    return array("f", [len(text), *text.encode()[:16]])


def echo(exchange: Exchange, usage: Usage | None = Usage(10, 5)) -> Response:  # noqa: B008  it is frozen
    """Return the text of a request as its response; of one that is to be embedded its vectors."""
    if exchange.request.operation is Operation.EMBEDDING:
        parts = exchange.request.parts or (exchange.request,)
        texts = [message["content"] for part in parts for message in part.messages]
        return Response(text="", usage=usage, embeddings=tuple(vector_of(text) for text in texts))
    messages, follow_ups = exchange.request.messages, exchange.request.follow_ups
    text = follow_ups[exchange.turn - 1] if exchange.turn else messages[-1]["content"] if messages else ""
    return Response(text=f"echo: {text}", usage=usage)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _pass(span: float) -> None:
    """Wait for a span; without end if it is infinite."""
    if span == FOREVER:
        await asyncio.get_running_loop().create_future()
    elif span:
        await asyncio.sleep(span)
