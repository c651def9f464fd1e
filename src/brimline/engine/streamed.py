"""A streamed exchange: an answer that is read as it comes, and what it took to come."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from brimline.core.lane import Attempt
from brimline.engine.patience import Patience
from brimline.providers import StreamingProvider, StreamReader
from brimline.transport import ByteStream, StreamingTransport
from brimline.types import Delta, Fault, FaultKind, HttpReply, HttpRequest, Request, Response


class Listener(Protocol):
    """Somebody who is told the pieces of an answer as they come."""

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        ...

    def put(self, turn: int, deltas: list[Delta]) -> None:
        """Hand over pieces of the answer to an exchange, from 0."""
        ...

    async def room(self) -> None:
        """Wait until there is room for more."""
        ...


@dataclass(frozen=True, slots=True)
class Streaming:
    """How answers are to be streamed.

    Attributes:
        idle: Seconds in which something has to come.
        listener: Is told the pieces; None: nobody is.
    """

    idle: float
    listener: Listener | None = None


class StreamedExchange:
    """One exchange whose answer comes in pieces.

    Args:
        attempt: Whose exchange it is; it is told what the reply advertises, and that somebody has heard of it.
        request: What is asked.
        provider: The dialect.
        streaming: How it is to be streamed.
    """

    def __init__(
        self, attempt: Attempt, request: Request, provider: StreamingProvider, streaming: Streaming
    ) -> None:
        self._attempt = attempt
        self._request = request
        self._provider = provider
        self._streaming = streaming
        self._patience = Patience(streaming.idle)
        self._left_at = 0.0
        self._first_at: float | None = None
        self._last_at = 0.0
        self._thinks_aloud = False
        self._awaited = "its reply"

    async def perform(
        self, encoded: HttpRequest, transport: StreamingTransport, departed: Callable[[], None]
    ) -> Response | Fault:
        """Send it and return what came of it."""

        def leave() -> None:
            departed()
            self._left_at = self._patience.begin()

        try:
            with self._patience:
                return self._timed(await self._exchange(await transport.stream(encoded, leave)))
        except TimeoutError:
            if not self._patience.is_over:
                raise
            words = f"the server sent nothing for {self._streaming.idle:g} s (idle_timeout) while {self._awaited} was awaited"
            return Fault(FaultKind.TIMEOUT, words)

    async def _exchange(self, reply: ByteStream | HttpReply | Fault) -> Response | Fault:
        if isinstance(reply, Fault):
            return reply
        if isinstance(reply, HttpReply):  # an error, or the answer of a server that streams nothing
            self._attempt.adverts = self._provider.adverts(reply)
            return self._provider.decode(reply, self._request)
        try:
            self._attempt.adverts = self._provider.adverts(reply.head)
            reader = self._provider.reader(reply.head, self._request)
            fault = await self._read(reply, reader)
            if reader.is_over:
                self._patience.rest()
                await reply.finish()
            return reader.result() if fault is None else fault
        finally:
            reply.close()

    async def _read(self, stream: ByteStream, reader: StreamReader) -> Fault | None:
        """Read until the answer is over or nothing more comes; return what has gone wrong on the wire."""
        patience, listener = self._patience, self._streaming.listener
        turn = len(self._attempt.ticket.responses)
        self._awaited = "the first piece of its answer"
        patience.begin()
        while not reader.is_over:
            data = await stream.read()
            if isinstance(data, Fault):
                return data
            if not data:
                return None
            now = patience.begin()
            deltas = reader.feed(data)
            if not deltas:
                continue
            self._last_at = now
            if self._first_at is None:
                self._begin(now, deltas[0])
            if listener is not None:
                self._attempt.is_heard = True
                listener.put(turn, deltas)
                if listener.is_full:
                    patience.rest()
                    await listener.room()
                    patience.begin()
        return None

    def _begin(self, now: float, first: Delta) -> None:
        self._first_at = now
        self._thinks_aloud = bool(first.reasoning)
        self._awaited = "the rest of its answer"

    def _timed(self, result: Response | Fault) -> Response | Fault:
        """Add to a streamed answer what it took."""
        if self._first_at is None or isinstance(result, Fault):
            return result
        usage, pace = result.usage, None
        if usage is not None:
            tokens = usage.output_tokens - (0 if self._thinks_aloud else usage.reasoning_tokens)
            pace = (self._last_at - self._first_at) / (tokens - 1) if tokens > 1 else None
        return replace(result, time_to_first_token=self._first_at - self._left_at, time_per_output_token=pace)
