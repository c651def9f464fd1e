"""Pieces of one answer on their way to somebody who listens: `Engine.ask(..., stream=True)`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from brimline.errors import UsageError
from brimline.types import Delta, Failure, Fault, FaultKind, Outcome, Response

AHEAD = 64
"""So many pieces wait to be taken; then no more are read."""

LEFT = Fault(FaultKind.CANCELLED, "nobody listens any more")


class Relay:
    """Hands pieces over from an attempt to the one who takes them, and lets the attempt wait while nobody does.

    Attributes:
        is_heard: Whether anything was handed over.
    """

    def __init__(self) -> None:
        self.is_heard = False
        self._loop = asyncio.get_running_loop()
        self._deltas: list[Delta] = []
        self._texts: list[str] = []
        self._told = 0
        self._answered = 0
        self._is_ended = False
        self._taker: asyncio.Future[None] | None = None
        self._giver: asyncio.Future[None] | None = None

    @property
    def partial(self) -> str:
        """What was handed over of the answer that is under way."""
        return "".join(self._texts)

    @property
    def is_full(self) -> bool:
        """Whether so many pieces wait to be taken that there should be no more."""
        return len(self._deltas) >= AHEAD

    def put(self, turn: int, deltas: list[Delta]) -> None:
        """Hand over pieces of the answer to an exchange, from 0."""
        self.is_heard = True
        self._told = turn + 1
        self._texts += [delta.text for delta in deltas if not delta.choice]
        if turn:
            for delta in deltas:
                delta.turn = turn
        self._deltas += deltas
        _wake(self._taker)

    def complete(self, responses: Sequence[Response]) -> None:
        """Note the answers so far; one that nobody was told in pieces (it was cached, or came whole) is told now."""
        for turn in range(self._answered, len(responses)):
            if turn >= self._told:
                self.put(turn, _pieces(responses[turn]))
            self._texts.clear()
        self._answered = len(responses)

    async def room(self) -> None:
        """Wait until there is room for more."""
        while self.is_full:
            self._giver = self._loop.create_future()
            await self._giver

    def end(self) -> None:
        """Nothing more comes."""
        self._is_ended = True
        _wake(self._taker)

    async def take(self) -> list[Delta]:
        """Return what has come, at least one piece; nothing at the end."""
        while not self._deltas and not self._is_ended:
            self._taker = self._loop.create_future()
            await self._taker
        taken, self._deltas = self._deltas, []
        _wake(self._giver)
        return taken


def _pieces(response: Response) -> list[Delta]:
    texts = [response.text] if isinstance(response.text, str) else response.text
    thoughts = response.reasoning or ""
    return [Delta(text, "" if choice else thoughts, choice) for choice, text in enumerate(texts)]


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)


class DeltaStream:
    """An answer as it comes: iterate over it once, then ask for its outcome.

        stream = engine.ask("openai/gpt-5-mini", "Tell me a story", stream=True)
        async for delta in stream:
            print(delta.text, end="")
        outcome = await stream.outcome()

    The request is sent when somebody begins to listen. Leaving the loop early cancels it and closes its connection. Who
    listens slowly slows the server; nothing piles up. A fault before the first piece is retried as usual; after it
    the outcome is a `Failure` with what was handed out as its `partial`.

    Iterating raises a UsageError if somebody has listened before or the engine is not open, and a ConfigError if the
    model's endpoint does not exist or lacks its key.
    """

    def __init__(
        self, ask: Callable[[Relay], Coroutine[Any, Any, Outcome]], left: Callable[[], Failure]
    ) -> None:
        self._ask = ask
        self._left = left
        self._asking: asyncio.Task[Outcome] | None = None
        self._is_over = asyncio.Event()
        self._partial = ""

    def __aiter__(self) -> AsyncIterator[Delta]:
        """Send the request and yield the pieces of its answer."""
        return self._listen()  # nobody else holds it: leaving the loop ends it

    async def outcome(self) -> Outcome:
        """Return what came of the request, once its end has come; who has not listened lets the pieces go.

        Of an answer that nobody listens to any more it is `Failure(cancelled)`.
        """
        if self._asking is None:
            async for _ in self:
                pass
        await self._is_over.wait()
        assert self._asking is not None
        outcome = self._left() if self._asking.cancelled() else self._asking.result()
        return replace(outcome, partial=self._partial) if isinstance(outcome, Failure) else outcome

    async def _listen(self) -> AsyncGenerator[Delta, None]:
        if self._asking is not None:
            raise UsageError("the answer was listened to before", hint="Ask again to hear another one.")
        relay = Relay()
        asking = self._asking = asyncio.create_task(self._ask(relay))
        asking.add_done_callback(lambda _: relay.end())
        try:
            while deltas := await relay.take():
                for delta in deltas:
                    yield delta
            asking.result()
        finally:
            asking.cancel()  # where it is done, it does not mind
            await asyncio.wait([asking])
            _ = asking.cancelled() or asking.exception()  # whoever wants to know asks for the outcome
            self._partial = relay.partial
            self._is_over.set()
