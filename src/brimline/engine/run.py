"""A run: a source of requests, a sink for outcomes, and how it stands."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from brimline.core.lane import Attempt, Lane
from brimline.core.steps import Final, NextTurn, Stopped
from brimline.data.shape import Shapes
from brimline.engine.meter import Meter
from brimline.engine.streamed import Streaming
from brimline.types import Fault, Outcome, Request, Response

if TYPE_CHECKING:
    from brimline.engine.cache import Recall


class Source(Protocol):
    """Where requests come from."""

    async def pull(self, lane: Lane, room: int) -> list[Request] | None:
        """Return up to `room` requests for `lane`, at least one; None if there are no more to come."""
        ...


class Sink(ABC):
    """Where outcomes go. What is not durable keeps no notes, so most of it may stay as it is here.

    Attributes:
        stall: Why nothing can be written at the moment (the disk is full), or None.
    """

    stall: OSError | None = None

    @abstractmethod
    async def keep(self, final: Final) -> None:
        """Make an outcome durable, or hand it over; its slot stays taken until this returns."""

    async def keep_all(self, finals: Sequence[Final]) -> None:
        """Make the outcomes of a bundle durable, or hand them over."""
        for final in finals:
            await self.keep(final)

    async def keep_turn(self, turn: NextTurn) -> None:
        """Make a finished turn of a conversation durable; the next one is sent after this returns."""

    async def give_up(self, stopped: Stopped) -> None:
        """Deal with requests that get no outcome because their model or endpoint has stopped."""

    def kept_turns(self, request: Request) -> tuple[Response, ...]:  # noqa: ARG002
        """Return the turns of a conversation that an earlier run has kept."""
        return ()

    def started(self, attempt: Attempt) -> None:
        """Note that an attempt is about to leave."""

    def ended(self, attempt: Attempt, result: Response | Fault) -> None:
        """Note how an attempt ended, after what came of it was kept."""

    def flush(self) -> None:
        """Hand what was noted to the kernel; called before anything noted leaves."""

    async def settle(self) -> None:
        """Write what is left; what a full disk does not take by now fails."""

    def close(self) -> None:
        """Let go of everything."""


class Run:
    """One execution of many requests.

    It is done when each of its lanes is: everything its source had has an outcome, or was given up.

    Args:
        source: Where requests come from.
        sink: Where outcomes go.
        timeout: Seconds for one attempt.
        hedge: Whether what is late at its end gets a second attempt.
        watch: Called with each outcome once it is durable.
        recall: What it takes from the cache and gives to it, or None.
        shapes: What its answers have to be like, where requests have a schema.
        streaming: How its answers are streamed, or None: they come whole.

    Attributes:
        lanes: Its lanes by name: the model reference, and the group if they have one.
        meters: Their counters.
        stops: Why endpoints or models have stopped, by name, so that requests get no outcome.
        spared: Why others have stopped, for which pools or fallbacks answer.
        error: Why the run as a whole could not go on, or None.
        closed: Why nothing more of it is started, or None.
        paused: Why nothing of it is started for now, for people; empty if it flows.
        is_open: Whether lanes may still be added; it is not done before.
        done: Set when there is nothing more to do.
        tasks: What works for it now.
        attempts: Its attempts that are under way, in the order in which they started.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        *,
        timeout: float,
        hedge: bool = False,
        watch: Callable[[Outcome], None] | None = None,
        recall: "Recall | None" = None,
        shapes: Shapes | None = None,
        streaming: Streaming | None = None,
    ) -> None:
        self.source = source
        self.sink = sink
        self.timeout = timeout
        self.hedge = hedge
        self.watch = watch
        self.recall = recall
        self.shapes = shapes or Shapes()
        self.streaming = streaming
        self.lanes: dict[str, Lane] = {}
        self.meters: dict[str, Meter] = {}
        self.stops: dict[str, Fault] = {}
        self.spared: dict[str, Fault] = {}
        self.error: BaseException | None = None
        self.closed: Fault | None = None
        self.paused = ""
        self.is_open = False
        self.done = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.attempts: dict[Attempt, None] = {}

    async def known(self, requests: list[Request]) -> list[tuple[Response, ...]]:
        """Return the responses to each request that need not be paid for: all of them, some turns, or none."""
        kept = [self.sink.kept_turns(request) for request in requests]
        if self.recall is None:
            return kept
        found = await self.recall.find(requests)
        return [
            turns if answer is None or not self.shapes.accept(request, answer) else answer
            for request, turns, answer in zip(requests, kept, found, strict=True)
        ]

    def finish(self, now: int, finals: Sequence[Final]) -> None:
        """Count the outcomes of a ticket and show them: they are durable now."""
        ticket = finals[0].ticket
        meter = self.meters[ticket.lane.name]
        is_own = ticket.stage is ticket.lane.stages[0]
        for final in finals:
            outcome = final.outcome
            meter.finished(now, ok=outcome.ok, cached=outcome.cached)
            if meter.routes and outcome.served_by is not None:
                meter.routes[outcome.served_by].finished(now, ok=outcome.ok)
            if self.recall is not None:
                self.recall.finish(outcome, is_own=is_own)
            if self.watch is not None:
                self.watch(outcome)

    def meters_of(self, attempt: Attempt) -> tuple[Meter, ...]:
        """Return what counts an attempt: the meter of its lane, and where that has several routes that of its own."""
        meter = self.meters[attempt.ticket.lane.name]
        return (meter, meter.routes[attempt.route.model]) if meter.routes else (meter,)

    def look(self) -> None:
        """See whether the run is done."""
        if not self.is_open and all(lane.is_done for lane in self.lanes.values()):
            self.done.set()

    async def join(self) -> None:
        """Wait until nothing works for it any more."""
        while self.tasks:
            await asyncio.wait(self.tasks)

    def fail(self, error: BaseException) -> None:
        """Note that the run as a whole cannot go on."""
        self.error = self.error or error
        self.done.set()
