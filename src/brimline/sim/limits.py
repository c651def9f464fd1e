"""What a provider counts: buckets that refill continuously, fixed windows, and slots.

Theory of operation. A bucket holds units (requests or tokens). In its own scale one unit is worth
`period` points and each nanosecond brings `amount` points, so that levels, waits and refills are
integers and nothing is ever rounded: a cost fits exactly `wait` nanoseconds from now and not one
earlier. Time comes in as `now`; a clock that goes back brings nothing and takes nothing.

These classes are written for the simulator alone. The engine has its own, so that the two can disagree.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from brimline.sim.amounts import SECOND, Rate

T = TypeVar("T")


class Gauge(NamedTuple):
    """What a provider tells its clients about one limit."""

    limit: int
    remaining: int
    reset: int
    """Nanoseconds until the limit is whole again, which is later than the next request fits."""


class Meter(Protocol):
    """One limit: ask all of them first, then charge all of them or none."""

    @property
    def name(self) -> str:
        """As OpenAI calls it: "requests per min (RPM)"."""

    def holds(self, cost: int) -> bool:
        """Whether the cost can ever fit."""

    def wait(self, now: int, cost: int) -> int:
        """Nanoseconds until the cost fits; 0 when it does now."""

    def take(self, now: int, cost: int) -> None:
        """Charge the cost, whether or not it fits."""

    def gauge(self, now: int) -> Gauge:
        """What to tell the clients."""


class Bucket:
    """A continuously refilled bucket of requests or tokens that starts full."""

    __slots__ = ("_at", "_level", "_rate", "_size", "_unit", "_what")

    def __init__(self, what: str, rate: Rate, size: int, now: int) -> None:
        self._what, self._rate, self._size, self._unit = what, rate, size, rate.period_ns
        self._level, self._at = size * self._unit, now

    def __repr__(self) -> str:
        return f"Bucket({self._rate}, {self._level / self._unit:.3f} of {self._size})"

    @property
    def name(self) -> str:
        """As OpenAI calls it: "requests per min (RPM)"."""
        per = {"s": "sec", "h": "hour"}.get(self._rate.period, self._rate.period)
        initials = "".join(word[0].upper() for word in self._what.split())
        return f"{self._what} per {per} ({initials}P{per[0].upper()})"

    def holds(self, cost: int) -> bool:
        """Whether the cost can ever fit: it is within the bucket, or within one period's amount."""
        return cost <= max(self._size, self._rate.amount)

    def wait(self, now: int, cost: int) -> int:
        """Nanoseconds until the cost fits; 0 when it does now.

        A cost above the size waits for a full bucket and leaves a debt: a provider whose limit is
        30,000 a minute answers a request of 20,000 even if its bucket holds ten seconds' worth.
        """
        self._refill(now)
        lacking = min(cost, self._size) * self._unit - self._level
        return max(0, -(-lacking // self._rate.amount))

    def take(self, now: int, cost: int) -> None:
        """Charge the cost, whether or not it fits."""
        self._refill(now)
        self._level -= cost * self._unit

    def change(self, now: int, rate: Rate, size: int) -> None:
        """Go on at another rate and size with what is in the bucket; never mints units."""
        self._refill(now)
        unit = rate.period_ns
        self._level = min(self._level * unit // self._unit, size * unit)
        self._rate, self._size, self._unit = rate, size, unit

    def gauge(self, now: int) -> Gauge:
        """Limit, what is left, and the time until the bucket is full."""
        self._refill(now)
        lacking = self._size * self._unit - self._level
        remaining = max(0, self._level // self._unit)
        return Gauge(self._rate.amount, remaining, -(-lacking // self._rate.amount))

    def _refill(self, now: int) -> None:
        if now > self._at:
            gained = (now - self._at) * self._rate.amount
            self._level = min(self._size * self._unit, self._level + gained)
            self._at = now


class Window:
    """A fixed window that opens at the first request after the last one closed.

    This is what FastAPI's slowapi does (limits.storage.MemoryStorage): the window is aligned to the
    traffic, not to the wall clock, and a refused request does not make it longer.
    """

    __slots__ = ("_closes", "_length", "_limit", "_used")

    def __init__(self, limit: int, length: int) -> None:
        self._limit, self._length = limit, length
        self._closes: int | None = None
        self._used = 0

    def __repr__(self) -> str:
        return f"Window({self._used} of {self._limit}, closes at {self._closes})"

    @property
    def name(self) -> str:
        """As the refusals call it: "requests per 1s"."""
        return f"requests per {self._length / SECOND:g}s"

    def holds(self, cost: int) -> bool:
        """Whether the cost can ever fit."""
        return cost <= self._limit

    def wait(self, now: int, cost: int = 1) -> int:
        """Nanoseconds until the cost fits; 0 when it does now."""
        if self._closes is None or now >= self._closes or self._used + cost <= self._limit:
            return 0
        return self._closes - now

    def take(self, now: int, cost: int = 1) -> None:
        """Count the cost, and open a window if none is open."""
        if self._closes is None or now >= self._closes:
            self._closes, self._used = now + self._length, 0
        self._used += cost

    def change(self, limit: int, length: int) -> None:
        """Go on with another limit; a window that is open closes when it was going to."""
        self._limit, self._length = limit, length

    def gauge(self, now: int) -> Gauge:
        """Limit, what is left, and the time until the window closes."""
        if self._closes is None or now >= self._closes:
            return Gauge(self._limit, self._limit, 0)
        return Gauge(self._limit, max(0, self._limit - self._used), self._closes - now)


@dataclass(slots=True)
class Slots(Generic[T]):
    """Places for requests that are being answered, and the line of those that wait for one."""

    limit: int | None = None
    busy: int = 0
    line: deque[T] = field(default_factory=deque)

    @property
    def full(self) -> bool:
        """Whether one more would have to wait or be refused."""
        return self.limit is not None and self.busy >= self.limit

    def enter(self, who: T) -> bool:
        """Take a place, or join the end of the line (False)."""
        if self.full or self.line:
            self.line.append(who)
            return False
        self.busy += 1
        return True

    def abandon(self, who: T) -> None:
        """Leave the line."""
        self.line.remove(who)

    def leave(self) -> list[T]:
        """Give a place back; those who now have one, in order."""
        self.busy -= 1
        moved = []
        while self.line and not self.full:
            self.busy += 1
            moved.append(self.line.popleft())
        return moved
