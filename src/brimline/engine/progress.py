"""How a run stands, as a value: what screens draw and `on_progress` gets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from brimline.core.lane import Attempt, Lane
from brimline.core.quota import Dimension
from brimline.core.route import Route, Stage
from brimline.core.scope import Scope
from brimline.core.time import MINUTE, SECOND
from brimline.core.view import LimitView, group_views, overstated, views
from brimline.engine.meter import Meter
from brimline.engine.run import Run

UNUSUAL = MINUTE
"""What has been in flight for longer is named."""

SHOWN = 5
"""At most so many of a run are named, those that wait for longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteProgress:
    """How a member of a pool, or a fallback, stands.

    Attributes:
        model: The model reference that answers.
        ok: Requests that it has answered.
        in_flight: Attempts in flight.
        requests: Attempts started in the last minute.
        refused: Attempts refused for a rate limit.
        limits: What is declared, advertised and learned, and how much of it is used now.
        limited_by: What limits it now, for people.
    """

    model: str
    ok: int
    in_flight: int
    requests: int
    refused: int
    limits: tuple[LimitView, ...]
    limited_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProgress:
    """How one model of a run stands.

    Attributes:
        model: The model reference.
        total: Requests of the run that go to it, or None where that is not known.
        ok: Answered by this run.
        failed: Given up by this run.
        in_flight: Attempts in flight.
        requests: Attempts started in the last minute.
        requests_allowed: As many as the declared limits allowed in that minute, or None if none is declared.
        tokens: Tokens used in the last minute.
        tokens_allowed: As many as the declared limits allowed in that minute, or None.
        p50: Median seconds of an answered attempt, or None.
        p95: Seconds that 95% of them do not exceed, or None.
        first_token: Median seconds until a streamed answer began, or None.
        per_token: Median seconds that a token of a streamed answer took, or None.
        retried: Attempts that failed and were tried again.
        refused: Attempts refused for a rate limit.
        limits: What is declared, advertised and learned, and how much of it is used now.
        limited_by: What limits it now, for people.
        wait: Seconds until something can start, where that is known.
        left: Requests that have no outcome yet, or None.
        eta: Seconds until it is through at the pace of the last minute, or None if nobody knows.
        routes: How each member of its pool and each fallback stands, where it has any; their limits are theirs.
    """

    model: str
    total: int | None
    ok: int
    failed: int
    in_flight: int
    requests: int
    requests_allowed: int | None
    tokens: int
    tokens_allowed: int | None
    p50: float | None
    p95: float | None
    retried: int
    refused: int
    limits: tuple[LimitView, ...]
    limited_by: str
    wait: float | None
    left: int | None
    eta: float | None
    routes: tuple[RouteProgress, ...] = ()
    first_token: float | None = None
    per_token: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that has been in flight for long.

    Attributes:
        id: The request's id.
        model: The model reference.
        attempt: The attempt's number for the request, from 1.
        what: What it waits for, for people.
        seconds: For how long.
    """

    id: str | float | bool | None
    model: str
    attempt: int
    what: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a run stands.

    Attributes:
        total: Requests of the run, or None where that is not known.
        before: Requests that had their outcome before it began.
        ok: Answered by this run.
        failed: Given up by this run.
        elapsed: Seconds since it began.
        models: How each model stands.
        waiting: What has been in flight for longest, if that is unusually long.
        notice: What people should know now (the disk is full, an endpoint has stopped), or an empty string.
    """

    total: int | None
    before: int
    ok: int
    failed: int
    elapsed: float
    models: tuple[ModelProgress, ...]
    notice: str
    waiting: tuple[Waiting, ...] = ()

    @property
    def done(self) -> int:
        """Requests that have their outcome."""
        return self.before + self.ok + self.failed

    @property
    def eta(self) -> float | None:
        """Seconds until everything is through, or None if nobody knows."""
        etas = [model.eta for model in self.models]
        known = [eta for eta in etas if eta is not None]
        return max(known) if known and len(known) == len(etas) else None

    @property
    def share(self) -> float | None:
        """Requests of the last minute as a share of what the limits allowed, or None if none is declared."""
        allowed = [model for model in self.models if model.requests_allowed]
        if not allowed:
            return None
        return sum(model.requests for model in allowed) / sum(
            model.requests_allowed or 0 for model in allowed
        )


def progress_of(
    runs: Sequence[Run],
    now: int,
    *,
    totals: Mapping[str, int] | None = None,
    before: int = 0,
    elapsed: float = 0.0,
) -> Progress:
    """Return how runs stand at `now`, ns.

    Args:
        runs: The runs.
        now: The present, ns.
        totals: For each model, how many requests go to it, where that is known.
        before: Requests that had their outcome before.
        elapsed: Seconds since it began.
    """
    models = tuple(
        model_progress(lane, run.meters[model], now, None if totals is None else totals[model])
        for run in runs
        for model, lane in run.lanes.items()
    )
    return Progress(
        total=None if totals is None else before + sum(totals.values()),
        before=before,
        ok=sum(model.ok for model in models),
        failed=sum(model.failed for model in models),
        elapsed=elapsed,
        models=models,
        waiting=tuple(one for run in runs for one in waiting(run, now)),
        notice="; ".join(filter(None, (*map(notice, runs), *(late(run, now) for run in runs)))),
    )


def model_progress(lane: Lane, meter: Meter, now: int, total: int | None) -> ModelProgress:
    """Return how a lane stands at `now`, ns."""
    flow = meter.flow.last_minute(now)
    elapsed = now - meter.first_at if meter.first_at is not None else 0
    left = None if total is None else total - meter.ok - meter.failed
    moments = [route.scope.wake_at for route in lane.routes if route.scope.wake_at is not None]
    return ModelProgress(
        model=lane.name,
        total=total,
        ok=meter.ok,
        failed=meter.failed,
        in_flight=meter.in_flight,
        requests=flow.requests,
        requests_allowed=allowed(lane.stages[0].members, Dimension.REQUESTS, elapsed),
        tokens=flow.tokens,
        tokens_allowed=allowed(lane.stages[0].members, Dimension.TOKENS, elapsed),
        p50=meter.latencies.quantile(0.5),
        p95=meter.latencies.quantile(0.95),
        first_token=meter.first_tokens.quantile(0.5),
        per_token=meter.paces.quantile(0.5),
        retried=meter.retried,
        refused=meter.refused,
        limits=(*group_views(lane, now), *(() if meter.routes else views(lane.scope.limits, now))),
        limited_by=_limited_by(lane),
        wait=None if not moments or lane.paused else max(0, min(moments) - now) / SECOND,
        left=left,
        eta=None if left and lane.paused else _eta(left, flow.finished, min(elapsed, MINUTE)),
        routes=tuple(
            _route_progress(route, meter.routes[route.model], now) for route in lane.members if meter.routes
        ),
    )


def _route_progress(route: Route, meter: Meter, now: int) -> RouteProgress:
    scope, stage = route.scope, route.stage
    blocked = scope.blocked.words if scope.blocked and stage.queue else ""
    return RouteProgress(
        model=route.model,
        ok=meter.ok,
        in_flight=meter.in_flight,
        requests=meter.flow.last_minute(now).requests,
        refused=meter.refused,
        limits=views(scope.limits, now),
        limited_by=blocked if route in stage.routes else "stopped",
    )


def _eta(left: int | None, finished: int, span: int) -> float | None:
    if not left:
        return 0.0 if left == 0 else None
    return left * span / finished / SECOND if finished else None


def allowed(routes: Iterable[Route], dimension: Dimension, elapsed: int, span: int = MINUTE) -> int | None:
    """Return how much declared limits allowed in the last `span` on routes that began `elapsed` ns ago, together."""
    amounts = [_allowed(scope, dimension, elapsed, span) for scope in {route.scope for route in routes}]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _allowed(scope: Scope, dimension: Dimension, elapsed: int, span: int) -> int | None:
    amounts = []
    for limiter in scope.limits.limiters:
        quota = limiter.quota
        if quota.dimension is dimension:
            flowed = quota.burst + quota.amount * min(elapsed, span) // quota.window
            whole = quota.amount * -(-max(span, 1) // quota.window)
            amounts.append(min(flowed, whole))
    return min(amounts) if amounts else None


def _limited_by(lane: Lane) -> str:
    if lane.closed is not None:
        return f"stopped: {lane.closed.kind}"
    if lane.paused and not lane.is_done:
        return "paused"
    if lane.is_waiting:
        return _blocked(next(stage for stage in lane.stages if stage.queue))
    if lane.is_done:
        return "done"
    if lane.exhausted:
        return "retries" if lane.later else "last answers"
    return "input" if lane.asked else ""


def _blocked(stage: Stage) -> str:
    """Say what holds back the first of those routes that may start next; nothing if one of them is free."""
    scopes = [route.scope for route in stage.routes]
    if not all(scope.blocked for scope in scopes):
        return ""
    soonest = min(scopes, key=lambda scope: (scope.wake_at is None, scope.wake_at or 0), default=None)
    return "" if soonest is None or soonest.blocked is None else soonest.blocked.words


def waiting(run: Run, now: int) -> list[Waiting]:
    """Return the attempts of a run that have been under way for longest, if that is unusually long."""
    oldest = islice(run.attempts, SHOWN)
    return [_waiting(attempt, now) for attempt in oldest if now - attempt.started > UNUSUAL]


def _waiting(attempt: Attempt, now: int) -> Waiting:
    if attempt.ended:
        what = "to be written down"
    elif attempt.departed:
        what = "for its answer"
    else:
        what = "for a connection"
    ticket = attempt.ticket
    return Waiting(
        id=ticket.request.id,
        model=attempt.route.model,
        attempt=attempt.number,
        what=what,
        seconds=(now - attempt.started) / SECOND,
    )


def late(run: Run, now: int) -> str:
    """Say what has been in flight for unusually long; in words that do not change each time."""
    oldest = waiting(run, now)
    if not oldest:
        return ""
    first = oldest[0]
    return (
        f"request {first.id!r} to {first.model} has been waiting {first.what} for more than "
        f"{UNUSUAL // SECOND} s (attempt {first.attempt})"
    )


def notice(run: Run) -> str:
    """Return what people should know about a run now."""
    if run.sink.stall is not None:
        return f"cannot write: {run.sink.stall.strerror}; nothing more is sent until there is room"
    notices = [run.paused] if run.paused and run.closed is None else []
    notices += [f"{what} has stopped: {fault.kind}: {fault.detail}" for what, fault in run.stops.items()]
    notices += [
        f"{what} has stopped: {fault.kind}: {fault.detail}; others answer"
        for what, fault in run.spared.items()
        if what not in run.stops
    ]
    return "; ".join((*notices, *declared_too_much(run)))


def declared_too_much(run: Run) -> list[str]:
    """Say for which models more is declared than their provider advertises."""
    routes = (route for lane in run.lanes.values() for route in lane.members)
    found = {route.model: overstated(route.scope.limits) for route in routes}
    return [f"{model}: {said}" for model, said in found.items() if said]
