"""One model at work: its limits, its slots, its faults, and how they change over time."""

import random
from collections.abc import Iterable
from typing import Generic, Literal, NamedTuple, TypeVar

from brimline.sim.amounts import SECOND
from brimline.sim.errors import Exceeded, Refusal
from brimline.sim.faults import Faults
from brimline.sim.headers import Headers, rate_lines
from brimline.sim.limits import Bucket, Meter, Slots, Window
from brimline.sim.scenario import Change, Model, PartLimit, RequestLimit, TokenLimit

T = TypeVar("T")


class Demand(NamedTuple):
    """What a request is charged when it arrives."""

    tokens: int = 0
    """As the limit on all tokens charges it."""
    input_tokens: int = 0


class Desk(Generic[T]):
    """The state of one model; all limits decide together, and a refusal takes nothing from any."""

    def __init__(self, name: str, model: Model, changes: Iterable[Change], first: int) -> None:
        """Open it; `changes` are those of this model, and count from `first`."""
        self.name, self.model = name, model
        self.faults = Faults(model.faults)
        self.slots: Slots[T] = Slots()
        self.charge: Literal["max_tokens", "actual", "nothing"] = "nothing"
        self._first = first
        self._changes = sorted(changes, key=lambda change: change.at.ns, reverse=True)
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self._input: Bucket | None = None
        self._output: Bucket | None = None
        self._window: Window | None = None
        self._refuses = False
        self._set(first, model)

    def __repr__(self) -> str:
        return f"Desk({self.name!r}, {self._meters(Demand())}, busy={self.slots.busy}, waiting={len(self.slots.line)})"

    def advance(self, now: int) -> None:
        """Bring the limits up to date: each change takes effect at its own moment, not at `now`."""
        while self._changes and self._first + self._changes[-1].at.ns <= now:
            change = self._changes.pop()
            self._set(self._first + change.at.ns, change)

    def limited(self, now: int, demand: Demand) -> Refusal | None:
        """The refusal by the limit that lasts longest, if any refuses."""
        worst: tuple[int, Meter, int] | None = None
        meters = self._meters(demand)
        if self._output is not None:
            meters.append((self._output, 1))  # nobody knows how long the answer will be
        for meter, cost in meters:
            if not meter.holds(cost):
                return Refusal("refused", _exceeded(meter, now, cost).never(self.name))
            wait = meter.wait(now, cost)
            if wait and (worst is None or wait > worst[0]):
                worst = wait, meter, cost
        if worst is not None:
            wait, meter, cost = worst
            return Refusal("refused", _exceeded(meter, now, cost).error(self.name, wait), wait)
        if self._refuses and self.slots.full:
            exceeded = Exceeded("concurrent requests", self.slots.limit or 0, self.slots.busy, 1)
            return Refusal("refused", exceeded.error(self.name, None))
        return None

    def take(self, now: int, demand: Demand) -> None:
        """Charge a request that was not refused."""
        for meter, cost in self._meters(demand):
            meter.take(now, cost)

    def generated(self, now: int, tokens: int) -> None:
        """Charge an answer, which may leave a debt."""
        if self._output is not None:
            self._output.take(now, tokens)

    def latency(self, rng: random.Random) -> int:
        """Nanoseconds until the reply to a request that has just taken its slot."""
        crowd = max(0, self.slots.busy - self.model.knee)
        return round(self.model.latency.draw(rng) * SECOND) + crowd * self.model.latency_per_inflight.ns

    def rate_lines(self, now: int, wall: int, own: Headers) -> str:
        """The headers that say how the limits stand, by default in the API's own form.

        `wall` is the Unix time of `now` in nanoseconds.
        """
        form = own if self.model.headers is Headers.OWN else self.model.headers
        if form is Headers.NONE:
            return ""
        meters = {
            "requests": self._requests or self._window,
            "tokens": self._tokens,
            "input-tokens": self._input,
            "output-tokens": self._output,
        }
        gauges = {what: meter.gauge(now) for what, meter in meters.items() if meter is not None}
        return rate_lines(form, gauges, wall)

    @property
    def tells(self) -> bool:
        """Whether refusals say when to come back."""
        return self.model.retry_after != "none"

    def retry_lines(self, wait: int | None, own: str) -> str:
        """The headers that say when to come back, rounded up; none if nobody knows."""
        form = own if self.model.retry_after == "own" else self.model.retry_after
        if wait is None or form == "none":
            return ""
        seconds = f"retry-after: {-(-wait // SECOND)}\r\n"
        if form == "s":
            return seconds
        return f"retry-after-ms: {-(-wait // 1_000_000)}\r\n{seconds}"

    def _meters(self, demand: Demand) -> list[tuple[Meter, int]]:
        """Each limit that is charged on arrival, with what one request costs it."""
        costs = (
            (self._requests, 1),
            (self._tokens, demand.tokens),
            (self._input, demand.input_tokens),
            (self._window, 1),
        )
        return [(meter, cost) for meter, cost in costs if meter is not None]

    def _set(self, now: int, limits: Model | Change) -> None:
        if limits.requests is not None:
            self._requests = _refitted(self._requests, "requests", limits.requests, now)
        if limits.tokens is not None:
            self._tokens = _refitted(self._tokens, "tokens", limits.tokens, now)
            self.charge = limits.tokens.charge
        if limits.input is not None:
            self._input = _refitted(self._input, "input tokens", limits.input, now)
        if limits.output is not None:
            self._output = _refitted(self._output, "output tokens", limits.output, now)
        if limits.window is not None:
            limit, length = limits.window.limit, limits.window.length
            self._window = self._window or Window(limit, length)
            self._window.change(limit, length)
        if limits.concurrency is not None:
            self.slots.limit = limits.concurrency.limit
            self._refuses = limits.concurrency.over == "refuse"


def _refitted(
    bucket: Bucket | None, what: str, limit: RequestLimit | TokenLimit | PartLimit, now: int
) -> Bucket:
    if bucket is None:
        return Bucket(what, limit.rate, limit.size, now)
    bucket.change(now, limit.rate, limit.size)
    return bucket


def _exceeded(meter: Meter, now: int, cost: int) -> Exceeded:
    gauge = meter.gauge(now)
    return Exceeded(meter.name, gauge.limit, max(0, gauge.limit - gauge.remaining), cost)
