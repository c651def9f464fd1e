"""What came of a run over a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from brimline.core.lane import Lane
from brimline.core.quota import Dimension
from brimline.core.route import Route
from brimline.core.time import SECOND
from brimline.engine.meter import Meter
from brimline.engine.progress import allowed
from brimline.types import Fault, FaultKind, Usage


class StopReason(StrEnum):
    """Why a run was stopped before everything had its outcome."""

    INTERRUPTED = "interrupted"
    """By the user."""
    DEADLINE = "deadline"
    """Its time was over."""
    FAILURES = "failures"
    """Too many requests had failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What came of one model of a run.

    Attributes:
        model: The model reference.
        ok: Answered by this run, with what was cached and duplicates.
        failed: Given up by this run.
        attempts: HTTP requests made, refused ones included.
        hedged: Of those, second ones for requests whose first was late.
        refused: Of those, refused for a rate limit.
        retried: Of those, failed otherwise and tried again, or left to a second one in flight.
        seconds: From the first attempt to the last one, both included.
        allowed: How many attempts the declared limits allowed in that time, or None.
        p50: Median seconds of an answered attempt, or None.
        p95: Seconds that 95% of them do not exceed, or None.
        usage: Tokens used by this run.
        cached: Requests whose answer came from the cache.
        duplicates: Requests that got the outcome of an equal one.
        routes: What came of each member of its pool and of each fallback, where it has any; these are parts of it.
        first_token_p50: Median seconds until a streamed answer began, or None.
        first_token_p95: Seconds that 95% of them do not exceed, or None.
        per_token_p50: Median seconds that a token of a streamed answer took, or None.
        per_token_p95: Seconds that 95% of them do not exceed, or None.
    """

    model: str
    ok: int
    failed: int
    attempts: int
    hedged: int
    refused: int
    retried: int
    seconds: float
    allowed: int | None
    p50: float | None
    p95: float | None
    usage: Usage
    cached: int = 0
    duplicates: int = 0
    routes: tuple["ModelReport", ...] = ()
    first_token_p50: float | None = None
    first_token_p95: float | None = None
    per_token_p50: float | None = None
    per_token_p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run. Iterating over it reads the results file, one dict for each line, as it goes.

    Attributes:
        output: The results file, or None if results went to standard output.
        total: Requests of the input.
        ok: Requests that are answered, by this run or before.
        failed: Requests that are given up.
        pending: Requests that have no outcome.
        answered: Requests that this run answered, with what was cached and duplicates.
        attempts: HTTP requests that this run made.
        hedged: Of those, second ones for requests whose first was late.
        usage: Tokens that this run used.
        cost_usd: What this run cost, or None if a price is not known.
        elapsed: Seconds it took.
        stopped: Why it was stopped early, or None.
        stops: Why endpoints or models have stopped, by name.
        spared: Why others have stopped whose requests members of their pool, or fallbacks, went on to answer.
        unfinished: Requests that were in flight when an earlier run was killed, and may have been billed twice.
        superseded: Answers on file to what is not asked any more: the row has left or was changed, or is repeated less.
        cached: Requests that this run did not send, since their answer was in the cache.
        duplicates: Requests that this run did not send, since they got the outcome of an equal one.
        is_ordered: Whether the results stand in the order of the input.
        models: What came of each model.
        notices: What else people should know.
        error: Why the run could not go on, or None.
    """

    output: Path | None
    total: int
    ok: int
    failed: int
    pending: int
    answered: int = 0
    attempts: int = 0
    hedged: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    elapsed: float = 0.0
    stopped: StopReason | None = None
    stops: Mapping[str, Fault] = field(default_factory=dict)
    spared: Mapping[str, Fault] = field(default_factory=dict)
    unfinished: int = 0
    superseded: int = 0
    cached: int = 0
    duplicates: int = 0
    is_ordered: bool = False
    models: tuple[ModelReport, ...] = ()
    notices: tuple[str, ...] = ()
    error: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every request has its outcome."""
        return self.pending == 0

    @property
    def is_waiting(self) -> bool:
        """Whether a model was given up because its provider asked for too long a wait."""
        return any(fault.kind is FaultKind.RATE_LIMITED for fault in self.stops.values())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the results, one dict for each line of the file."""
        if self.output is None:
            return
        with self.output.open("rb") as results:
            for line in results:
                yield msgspec.json.decode(line)


def report_model(lane: Lane, meter: Meter) -> ModelReport:
    """Return what came of a lane."""
    return _report(
        lane.name,
        lane.stages[0].members,
        meter,
        tuple(
            _report(route.model, [route], meter.routes[route.model]) for route in lane.members if meter.routes
        ),
    )


def _report(
    model: str, routes: Sequence[Route], meter: Meter, parts: tuple[ModelReport, ...] = ()
) -> ModelReport:
    span = meter.last_at - meter.first_at if meter.first_at is not None else 0
    return ModelReport(
        model=model,
        ok=meter.ok,
        failed=meter.failed,
        attempts=meter.attempts,
        hedged=meter.hedged,
        refused=meter.refused,
        retried=meter.retried,
        seconds=span / SECOND,
        allowed=allowed(routes, Dimension.REQUESTS, span, span),
        p50=meter.latencies.quantile(0.5),
        p95=meter.latencies.quantile(0.95),
        usage=meter.usage,
        cached=meter.cached,
        duplicates=meter.duplicates,
        routes=parts,
        first_token_p50=meter.first_tokens.quantile(0.5),
        first_token_p95=meter.first_tokens.quantile(0.95),
        per_token_p50=meter.paces.quantile(0.5),
        per_token_p95=meter.paces.quantile(0.95),
    )
