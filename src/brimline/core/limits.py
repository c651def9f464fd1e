"""All that one attempt needs, in one decision: requests, tokens and a free slot, together or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from brimline.core.limiter import Limiter
from brimline.core.quota import Dimension, Quota
from brimline.types import Usage


class Demand(NamedTuple):
    """What one attempt needs, in the order of `Dimension`; tokens are an estimate until it is settled."""

    requests: int = 1
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class NotUntil:
    """Refused, with the earliest useful time.

    Attributes:
        when: The first nanosecond at which asking again helps, or None: not before a slot is released.
        why: What is in the way, for people.
    """

    when: int | None
    why: str


class Permit:
    """Leave to make one attempt. It is settled exactly once, and its slot is released exactly once."""

    __slots__ = ("_released", "_settled", "demand", "slots")

    def __init__(self, demand: Demand, slots: list[int]) -> None:
        self.demand = demand
        self.slots = slots
        self._settled = False
        self._released = False

    def settle(self) -> None:
        """Mark the permit as settled.

        Raises:
            RuntimeError: It was settled before.
        """
        if self._settled:
            raise RuntimeError("a permit is settled exactly once")
        self._settled = True

    def release(self) -> None:
        """Mark the permit's slot as released.

        Raises:
            RuntimeError: It was released before.
        """
        if self._released:
            raise RuntimeError("a permit is released exactly once")
        self._released = True


class LimitSet:
    """The quotas and the concurrency of one scope.

    Args:
        quotas: What is declared; each becomes a limiter.
        concurrency: Attempts in flight at once, or None for any number.
    """

    __slots__ = (
        "_closed_until",
        "_closed_why",
        "_leaving",
        "_patience",
        "concurrency",
        "counts_tokens",
        "in_flight",
        "limiters",
    )

    def __init__(self, quotas: Sequence[Quota] = (), concurrency: int | None = None) -> None:
        self.limiters = tuple(Limiter(quota) for quota in quotas)
        self.counts_tokens = any(quota.dimension is not Dimension.REQUESTS for quota in quotas)
        self.concurrency = concurrency
        self.in_flight = 0
        self._closed_until = 0
        self._closed_why = ""
        self._leaving: dict[Permit, int] = {}
        self._patience = min((quota.window for quota in quotas), default=0) // 2

    def impossible(self, demand: Demand) -> Quota | None:
        """Return the quota that can never hold `demand`, or None if it can be granted some day."""
        for limiter in self.limiters:
            if demand[limiter.quota.dimension] > limiter.quota.amount:
                return limiter.quota
        return None

    def acquire(self, now: int, demand: Demand) -> Permit | NotUntil:
        """Take everything `demand` asks for, or nothing.

        Raises:
            ValueError: A quota can never hold the demand; ask `impossible` first.
        """
        if self.concurrency is not None and self.in_flight >= self.concurrency:
            return NotUntil(None, f"concurrency {self.concurrency}")
        latest, binding = self._closed_until, None
        for limiter in self.limiters:
            when = limiter.earliest(now, demand[limiter.quota.dimension])
            if when > latest:
                latest, binding = when, limiter
        if latest > now:
            return NotUntil(latest, f"limit {binding.quota}" if binding else self._closed_why)
        self.in_flight += 1
        slots = [limiter.take(now, demand[limiter.quota.dimension]) for limiter in self.limiters]
        permit = Permit(demand, slots)
        if slots:
            self._leaving[permit] = now
        return permit

    def depart(self, now: int, permit: Permit) -> None:
        """Count the permit's attempt as gone only now: its connection had to be made first."""
        self._leaving.pop(permit, None)
        self._move(now, permit)

    def linger(self, now: int) -> None:
        """Count attempts that have not left yet as if they left now.

        To be asked before `acquire`. A connection may take longer to make than a window is long, and what leaves
        late must not come on top of what was let go meanwhile. Each is moved at most twice a window.
        """
        while self._leaving:
            permit, since = next(iter(self._leaving.items()))
            if now - since < self._patience:
                return
            del self._leaving[permit]
            self._leaving[permit] = now
            self._move(now, permit)

    def _move(self, now: int, permit: Permit) -> None:
        for index, limiter in enumerate(self.limiters):
            amount = permit.demand[limiter.quota.dimension]
            permit.slots[index] = limiter.move(permit.slots[index], now, amount)

    def settle(self, permit: Permit, usage: Usage | None) -> bool:
        """Replace the permit's estimate by what was used; without `usage` the estimate stands.

        Returns whether something became possible earlier than before.
        """
        permit.settle()
        self._leaving.pop(permit, None)
        if usage is None:
            return False
        total = usage.input_tokens + usage.output_tokens
        return self._amend(
            permit, Demand(permit.demand.requests, total, usage.input_tokens, usage.output_tokens)
        )

    def refund(self, permit: Permit) -> bool:
        """Give everything back: the attempt never left. Settles the permit."""
        permit.settle()
        self._leaving.pop(permit, None)
        return self._amend(permit, Demand(requests=0))

    def release(self, permit: Permit) -> None:
        """Give the permit's slot back."""
        permit.release()
        self.in_flight -= 1

    def hold(self, until: int, demand: Demand, *, why: str, dimension: Dimension | None = None) -> None:
        """Let nothing go before `until`, because the server says so; then the flow resumes at its rate.

        Args:
            until: The moment that the server names.
            demand: What the refused attempt needed; so much may go at `until`.
            why: The server's reason, for people.
            dimension: The limit that ran out, where the server names it; else each limit is taken as empty.
        """
        if until > self._closed_until:
            self._closed_until, self._closed_why = until, why
        for limiter in self.limiters:
            if dimension is None or limiter.quota.dimension is dimension:
                limiter.hold(until, demand[limiter.quota.dimension])

    def restore(self, at: int, demand: Demand) -> None:
        """Book what an earlier process used at `at`. Call in order of time, before anything is acquired."""
        for limiter in self.limiters:
            limiter.take(at, demand[limiter.quota.dimension])

    def _amend(self, permit: Permit, actual: Demand) -> bool:
        eased = False
        for slot, limiter in zip(permit.slots, self.limiters, strict=True):
            change = actual[limiter.quota.dimension] - permit.demand[limiter.quota.dimension]
            if change:
                limiter.amend(slot, change)
                eased = eased or change < 0
        return eased

    def __repr__(self) -> str:
        return f"<LimitSet {self.in_flight} of {self.concurrency} in flight, {list(self.limiters)}>"
