"""Files as source and sink of a run: rows in by their place, outcomes out to a results file that is the journal."""

import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice, starmap
from pathlib import Path

from brimline.core.lane import Attempt, Lane
from brimline.core.steps import Final, NextTurn
from brimline.data.plan import Plan
from brimline.data.recipe import Origin
from brimline.engine.clock import Clock
from brimline.engine.copies import BATCH, Copier
from brimline.engine.run import Sink
from brimline.errors import OutputError
from brimline.store.appender import Appender
from brimline.store.attempts import AttemptsLog
from brimline.store.folder import RunFolder
from brimline.store.lines import batch_line, result_line
from brimline.store.outlet import Outlet
from brimline.store.turns import TurnLog
from brimline.store.vectors import embedding_lines
from brimline.types import Fault, Outcome, Request, Response


class FileSource:
    """The rows of a checked file that are to be sent.

    Args:
        plan: The file.
        pending: For each lane, the numbers of its requests, in order.
    """

    def __init__(self, plan: Plan, pending: "dict[str, array[int]]") -> None:
        self._plan = plan
        self._pending = pending
        self._given = dict.fromkeys(pending, 0)

    async def pull(self, lane: Lane, room: int) -> list[Request] | None:
        """Read the lane's next rows."""
        given = self._given[lane.name]
        numbers = self._pending[lane.name][given : given + room]
        self._given[lane.name] = given + len(numbers)
        return self._plan.read(numbers) if numbers else None


class FileSink(Sink):
    """A results file and the folder beside it.

    Args:
        output: The results file.
        folder: The folder.
        clock: For Unix time.
        lines: How many lines the file holds.
        line_of: For each request, the number of its line; kept up to date.
        copier: Makes the lines of duplicates.
        raw: Whether results hold the provider's whole reply.
    """

    def __init__(
        self,
        output: Path,
        folder: RunFolder,
        clock: Clock,
        copier: Copier,
        *,
        lines: int,
        line_of: "array[int]",
        raw: bool,
    ) -> None:
        self._clock = clock
        self._copier = copier
        self._lines = lines
        self._line_of = line_of
        self._raw = raw
        self._results = Appender(output, stalled=self._stalled)
        self._turns = TurnLog(folder.turns, stalled=self._stalled)
        self._attempts = AttemptsLog(folder.attempts, at=clock.wall())
        self._numbers: dict[Attempt, int] = {}

    async def keep(self, final: Final) -> None:
        """Write the result down, and those of its duplicates; durable when this returns."""
        number, line = _write(final.outcome, raw=self._raw)
        await self._keep([(number, line)], self._copier.copies(number, line))
        self._turns.forget(final.outcome)

    async def keep_all(self, finals: Sequence[Final]) -> None:
        """Write several results down at once, and those of their duplicates; durable when this returns."""
        lines = _write_all([final.outcome for final in finals], raw=self._raw)
        await self._keep(lines, chain.from_iterable(starmap(self._copier.copies, [*lines])))

    async def _keep(self, lines: list[tuple[int, bytes]], copies: Iterator[tuple[int, bytes]]) -> None:
        try:
            lines.extend(islice(copies, BATCH))
        finally:
            await self.add(lines)  # it is paid for, whatever is wrong with its duplicates
        while lines := [*islice(copies, BATCH)]:
            await self.add(lines)

    async def add(self, lines: list[tuple[int, bytes]]) -> None:
        """Append the lines of requests, by their numbers; durable when this returns."""
        for number, _ in lines:
            self._lines += 1
            self._line_of[number] = self._lines
        await self._results.append(b"".join(line for _, line in lines))

    async def keep_turn(self, turn: NextTurn) -> None:
        """Write a finished turn down."""
        await self._turns.append(turn.ticket.request, turn.response)

    def kept_turns(self, request: Request) -> tuple[Response, ...]:
        """Return the turns that an earlier run has kept."""
        return self._turns.kept(request)

    def _stalled(self, error: OSError | None) -> None:
        self.stall = error

    def started(self, attempt: Attempt) -> None:
        """Note that an attempt is about to leave."""
        ticket, route = attempt.ticket, attempt.route
        shared = route.scope.limits.is_shared
        self._numbers[attempt] = self._attempts.start(
            self._clock.wall(),
            ticket.request,
            ticket.demand,
            model=route.model,
            group=ticket.lane.group,
            shared=shared,
        )

    def ended(self, attempt: Attempt, result: Response | Fault) -> None:
        """Note how an attempt ended, if it was noted that it began."""
        number = self._numbers.pop(attempt, None)
        if number is None:
            return
        usage = None if isinstance(result, Fault) else result.usage
        tokens = (usage.input_tokens, usage.output_tokens) if usage is not None else None
        status = result.kind if isinstance(result, Fault) else "ok"
        self._attempts.end(self._clock.wall(), number, status, tokens)

    def flush(self) -> None:
        """Hand what was noted to the kernel."""
        self._attempts.flush()

    async def settle(self) -> None:
        """Write what is left; what a full disk does not take by now fails."""
        await self._results.close()
        await self._turns.close()

    def close(self) -> None:
        """Close the attempts log."""
        with suppress(OSError):
            self._attempts.close()


class StdoutSink(Sink):
    """Standard output, in completion order. Nothing is kept, so nothing can be resumed.

    Args:
        copier: Makes the lines of duplicates.
        raw: Whether results hold the provider's whole reply.

    Raises:
        OutputError: There is none.
    """

    def __init__(self, copier: Copier, *, raw: bool) -> None:
        self._copier = copier
        self._raw = raw
        self._outlet = Outlet(_standard_output(), stalled=self._stalled)

    async def keep(self, final: Final) -> None:
        """Write the result out, and those of its duplicates."""
        number, line = _write(final.outcome, raw=self._raw)
        await self._outlet.write(line)
        for _, copy in self._copier.copies(number, line):
            await self._outlet.write(copy)

    def _stalled(self, error: OSError | None) -> None:
        self.stall = error

    async def settle(self) -> None:
        """Wait for the reader no longer."""
        self._outlet.close()


def _standard_output() -> int:
    try:
        sys.stdout.flush()
        return sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # a notebook's, or closed
        raise OutputError("there is no standard output here", hint="Name a file as the output.") from None


def _write(outcome: Outcome, *, raw: bool) -> tuple[int, bytes]:
    """Return the number of an outcome's request, and its line."""
    origin = outcome.request.origin
    assert isinstance(origin, Origin)
    line = batch_line(outcome) if origin.is_batch else result_line(origin.columns, outcome, raw=raw)
    return origin.number, line


def _write_all(outcomes: Sequence[Outcome], *, raw: bool) -> list[tuple[int, bytes]]:
    """Return the numbers and the lines of a bundle's outcomes, or of one."""
    origins = [outcome.request.origin for outcome in outcomes]
    plain = [origin for origin in origins if isinstance(origin, Origin) and not origin.is_batch]
    if raw or len(outcomes) == 1 or len(plain) < len(outcomes) or not outcomes[0].ok:
        return [_write(outcome, raw=raw) for outcome in outcomes]
    columns = [origin.columns for origin in plain]
    lines = embedding_lines([*zip(columns, outcomes, strict=True)])
    return [(origin.number, line) for origin, line in zip(plain, lines, strict=True)]
