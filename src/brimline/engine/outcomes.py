"""The outcomes of a stream on their way to who takes them; where they are kept, they are durable before."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brimline.core.bundle import split
from brimline.core.steps import Final, NextTurn, Stopped
from brimline.engine.run import Sink
from brimline.store.kept import KeptResults
from brimline.types import Outcome, Request, Response

AHEAD = 256
"""So many requests are read ahead of the lanes, and so many outcomes wait to be taken."""


class OutcomeQueue(Sink):
    """Hands outcomes to whoever takes them, and keeps slots taken while nobody does.

    What is given up is not kept: it is sent the next time.

    Args:
        epoch: Unix time at the clock's zero, ns.
        columns: Returns the columns of a request's row.
        kept: Where outcomes are written down first, or None.
    """

    def __init__(
        self,
        epoch: int,
        columns: Callable[[Request], Mapping[str, Any]],
        kept: KeptResults | None = None,
    ) -> None:
        self._epoch = epoch
        self._columns = columns
        self._kept = kept
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._is_left = False
        if kept is not None:
            kept.stalled = self._stalled

    @property
    def is_full(self) -> bool:
        """Whether so many outcomes wait to be taken that there should be no more."""
        return self._outcomes.qsize() > AHEAD and not self._is_left

    async def keep(self, final: Final) -> None:
        """Hand an outcome over; returns when not too many wait."""
        await self.keep_all([final])

    async def keep_turn(self, turn: NextTurn) -> None:
        """Write a finished turn of a conversation down."""
        if self._kept is not None:
            await self._kept.turns.append(turn.ticket.request, turn.response)

    def kept_turns(self, request: Request) -> tuple[Response, ...]:
        """Return the turns that an earlier process has kept."""
        return () if self._kept is None else self._kept.turns.kept(request)

    async def give_up(self, stopped: Stopped) -> None:
        """A request that is given up fails for the reason why."""
        for ticket in stopped.tickets:
            for outcome in split(ticket.failure(stopped.fault, self._epoch)):
                self.put(outcome)

    async def keep_all(self, finals: Sequence[Final]) -> None:
        """Hand the outcomes of a bundle over; returns when not too many wait."""
        outcomes = [final.outcome for final in finals]
        if self._kept is not None:
            await self._kept.keep([(self._columns(outcome.request), outcome) for outcome in outcomes])
        for outcome in outcomes:
            self.put(outcome)
        while self.is_full:
            self._taken.clear()
            await self._taken.wait()

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

    def _stalled(self, error: OSError | None) -> None:
        self.stall = error
