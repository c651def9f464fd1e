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
    """Hands outcomes to whoever takes them.

    While nobody does, nothing more is started. But what is answered gives its slot back: whoever takes the outcomes may
    need one, since what they lead to is often sent through the same engine.

    What is given up is not kept: it is sent the next time.

    Args:
        epoch: Unix time at the clock's zero, ns.
        columns: Returns the columns of a request's row.
        hold: Called with True when so many wait to be taken that nothing more should start, with False when it may.
        kept: Where outcomes are written down first, or None.
    """

    def __init__(
        self,
        epoch: int,
        columns: Callable[[Request], Mapping[str, Any]],
        hold: Callable[[bool], None],
        kept: KeptResults | None = None,
    ) -> None:
        self._epoch = epoch
        self._columns = columns
        self._hold = hold
        self._is_held = False
        self._kept = kept
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._is_left = False
        if kept is not None:
            kept.stalled = self._stalled

    @property
    def is_full(self) -> bool:
        """Whether so many outcomes wait to be taken that there should be no more."""
        return self._outcomes.qsize() > AHEAD and not self._is_left

    async def keep(self, final: Final) -> None:
        """Hand an outcome over."""
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
        """Hand the outcomes of a bundle over."""
        outcomes = [final.outcome for final in finals]
        if self._kept is not None:
            await self._kept.keep([(self._columns(outcome.request), outcome) for outcome in outcomes])
        for outcome in outcomes:
            self.put(outcome)

    def put(self, outcome: Outcome | None) -> None:
        """Add an outcome; None: there are no more."""
        self._outcomes.put_nowait(outcome)
        self._look()

    async def take(self) -> Outcome | None:
        """Return the next outcome, or None if there are no more."""
        outcome = await self._outcomes.get()
        self._look()
        return outcome

    def leave(self) -> None:
        """Nobody takes outcomes any more."""
        self._is_left = True
        self._look()

    def _look(self) -> None:
        if self.is_full != self._is_held:
            self._is_held = self.is_full
            self._hold(self._is_held)

    def _stalled(self, error: OSError | None) -> None:
        self.stall = error
