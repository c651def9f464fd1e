"""One quota as a state machine: when may so much go, and what has gone.

Theory of operation. Two things limit a smooth quota of N per W with burst B. A bucket that holds B and fills
with N per W spreads the flow evenly; it is kept as GCRA keeps it (ITU-T I.371), as one number: the time `full`
at which the bucket would be full again. And a log of the last W makes sure that no window of length W, wherever
it begins, holds more than N: a bucket alone would let B + N through. A window quota has only the log.

Everything is integer. The bucket counts in `1/N` nanoseconds, so that no rate needs rounding and a promised time
is exact: refused one nanosecond before it, granted at it.

A limiter decides nothing alone. `earliest` asks, `take` books; a `LimitSet` asks all of its limiters before it
books any.
"""

from collections import deque
from collections.abc import Iterable

from brimline.core.quota import Discipline, Quota
from brimline.core.time import MILLISECOND

GUARD = 30 * MILLISECOND
"""A window that a server counts opens when our request arrives, not when it left. This much jitter of the
network is allowed for (measured: 10 ms is too little on loopback, 30 ms had no refusal)."""

LONG_AGO = -(1 << 100)

SLOTS = 4096
"""The log keeps at most about this many entries: what is granted within W/4096 shares one."""


class Limiter:
    """The state of one quota."""

    __slots__ = ("_full", "_log", "quota")

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        smooth = quota.discipline is Discipline.SMOOTH
        self._log = _Log(quota.amount, quota.window if smooth else quota.window + GUARD)
        self._full: int | None = LONG_AGO if smooth else None

    @property
    def words(self) -> str:
        """The quota, for people."""
        return f"limit {self.quota}"

    def earliest(self, now: int, amount: int) -> int:
        """Return the time from which `amount` may go; it is `now` or before if it may go now.

        The amount must not exceed the quota's. More than the burst may go when the bucket is full, and then
        leaves a debt that later requests wait for.
        """
        when = self._log.earliest(now, amount)
        if self._full is not None:
            quota = self.quota
            spare = quota.burst - amount
            full = self._full - spare * quota.window if spare > 0 else self._full
            return max(when, -(-full // quota.amount))
        return when

    def take(self, now: int, amount: int) -> None:
        """Book `amount` at `now`."""
        if self._full is not None:
            self._full = max(self._full, now * self.quota.amount) + amount * self.quota.window
        self._log.add(now, amount)

    def amend(self, at: int, change: int) -> None:
        """Correct a booking of `at`: `change` more was used, or less if it is negative."""
        if self._full is not None:
            self._full += change * self.quota.window
        self._log.amend(at, change)

    def move(self, at: int, now: int, amount: int) -> None:
        """Book what was booked at `at` as gone only `now`."""
        self._log.amend(at, -amount)
        self._log.add(now, amount)

    def is_apart(self, one: int, other: int) -> bool:
        """Whether it makes a difference at which of two times something is booked."""
        return self._log.slot(one) != self._log.slot(other)

    def hold(self, until: int, amount: int) -> None:
        """Believe a server that says it is empty: `amount` may go at `until`, and then the flow resumes.

        Never makes anything possible earlier than it was.
        """
        if self._full is not None:
            quota = self.quota
            spare = max(0, quota.burst - amount)
            self._full = max(self._full, until * quota.amount + spare * quota.window)

    def carry(self, now: int, gone: Iterable[tuple[int, int]] = ()) -> None:
        """Book what left before this quota was declared.

        Args:
            now: When it is declared.
            gone: When and how much, in order of time. If that is more than the quota would have let go, it leaves
                no more debt than one window's worth: the log holds back the rest.
        """
        for at, amount in gone:
            self.take(at, amount)
        if self._full is not None:
            self._full = min(self._full, (now + self.quota.window) * self.quota.amount)

    def used(self, now: int) -> int:
        """Return how much has gone in the window that ends now."""
        return self._log.used(now)

    def __repr__(self) -> str:
        return f"<Limiter {self.quota.explain()}: {self._log!r}>"


class _Log:
    """What went within the last window, exact to window/4096, never counted too short."""

    __slots__ = ("_amount", "_amounts", "_grain", "_order", "_sum", "_window")

    def __init__(self, amount: int, window: int) -> None:
        self._amount = amount
        self._window = window
        self._grain = max(1, window // SLOTS)
        self._order: deque[int] = deque()
        self._amounts: dict[int, int] = {}
        self._sum = 0

    def earliest(self, now: int, amount: int) -> int:
        """Return the time at which enough has left the window, or `now`."""
        self._expire(now)
        over = self._sum + amount - self._amount
        if over <= 0:
            return now
        for slot in self._order:
            over -= self._amounts[slot]
            if over <= 0:
                return slot + self._window
        raise ValueError(f"{amount} never fits into {self._amount}")

    def slot(self, at: int) -> int:
        """Return the time under which `at` is booked: never an earlier one."""
        return -(-at // self._grain) * self._grain

    def add(self, now: int, amount: int) -> None:
        slot = self.slot(now)
        if slot not in self._amounts:
            self._insert(slot)
        self._amounts[slot] += amount
        self._sum += amount

    def amend(self, at: int, change: int) -> None:
        slot = self.slot(at)
        if slot in self._amounts:
            self._amounts[slot] += change
            self._sum += change

    def used(self, now: int) -> int:
        self._expire(now)
        return self._sum

    def _insert(self, slot: int) -> None:
        """Keep the order. Time that goes back is rare and harmless: the slot counts until the latest one ends."""
        if self._order and slot < self._order[-1]:
            slots = sorted((*self._order, slot))
            self._order = deque(slots)
        else:
            self._order.append(slot)
        self._amounts[slot] = 0

    def _expire(self, now: int) -> None:
        order = self._order
        while order and order[0] + self._window <= now:
            self._sum -= self._amounts.pop(order.popleft())

    def __repr__(self) -> str:
        return f"{self._sum} of {self._amount} in the window"
