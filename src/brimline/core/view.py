"""What limits a scope, for people: what is declared, advertised and learned, and how much of it is used."""

from dataclasses import dataclass, replace
from enum import StrEnum

from brimline.core.lane import Lane
from brimline.core.limits import LimitSet


class Source(StrEnum):
    """Who says so."""

    DECLARED = "declared"
    ADVERTISED = "advertised"
    LEARNED = "learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """One limit of a model.

    Attributes:
        source: Who says so.
        limit: What it is: `500/min`, `concurrency 57`.
        used: How much of it is used now: in the window that ends now, or in flight; None where that is not known.
        amount: How much there is, in the same unit, or None.
    """

    source: Source
    limit: str
    used: int | None = None
    amount: int | None = None


def views(limits: LimitSet, now: int) -> tuple[LimitView, ...]:
    """Return every limit that holds for a scope at `now`, ns."""
    return (*_declared(limits, now), *_advertised(limits, now), *_learned(limits))


def group_views(lane: Lane, now: int) -> tuple[LimitView, ...]:
    """Return the limits of a lane's group at `now`, ns."""
    if lane.gate is None:
        return ()
    declared = _declared(lane.gate.limits, now)
    return tuple(replace(view, limit=f"{view.limit} in group {lane.group}") for view in declared)


def overstated(limits: LimitSet) -> str:
    """Say which declared quota is more than its provider advertises, for people; empty if none is."""
    for limiter in limits.limiters:
        quota = limiter.quota
        for tide in limits.tides.values():
            is_same = tide.dimension == quota.dimension.words
            if is_same and tide.rate and tide.limit / tide.span < 0.99 * quota.amount / quota.window:
                return f"{tide.name} are advertised, less than the {quota} that are declared"
    return ""


def _declared(limits: LimitSet, now: int) -> list[LimitView]:
    found = [
        LimitView(
            source=Source.DECLARED,
            limit=str(limiter.quota),
            used=limiter.used(now),
            amount=limiter.quota.amount,
        )
        for limiter in limits.limiters
    ]
    if limits.concurrency is not None:
        text = f"concurrency {limits.concurrency}"
        found.append(
            LimitView(source=Source.DECLARED, limit=text, used=limits.in_flight, amount=limits.concurrency)
        )
    return found


def _advertised(limits: LimitSet, now: int) -> list[LimitView]:
    return [
        LimitView(
            source=Source.ADVERTISED,
            limit=tide.name,
            used=max(0, round(tide.size - tide.level(now))),
            amount=round(tide.size),
        )
        for tide in limits.tides.values()
        if tide.limit
    ]


def _learned(limits: LimitSet) -> list[LimitView]:
    learned = limits.learned
    if learned is None:
        return []
    found = [
        LimitView(source=Source.LEARNED, limit=pace.name) for pace in learned.paces.values() if pace.found
    ]
    size = int(learned.crowd.size)
    if limits.concurrency is None or size < limits.concurrency:
        found.append(
            LimitView(source=Source.LEARNED, limit=f"concurrency {size}", used=limits.in_flight, amount=size)
        )
    return found
