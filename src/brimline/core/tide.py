"""The tide: the bucket that a provider advertises in its replies, followed on our side.

Theory of operation. A reply says how much of a limit was left when its request was counted, and when the limit will
be whole again. What was sent since then is known exactly, so the level now is known but for the time that the
reply took: it lies between `remaining` less what was sent since, and that plus what flowed in meanwhile. The level
that is kept here is moved into these bounds by every reply, and never by one to a request older than the last.

Providers name the amount of a limit, and most not its window. Two replies tell: in a bucket that refills evenly
`reset` grows as `remaining` falls, and the ratio is the rate; in a window that opens and closes both fall together.
Until two have come, the window is taken for a minute, as nearly all are, and for longer only if that is told twice. A usual window that is near explains what
was measured better than the measurement does, as replies round.
"""

from math import ceil, inf

from brimline.core.limiter import GUARD
from brimline.core.time import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from brimline.types import Advert

WINDOWS = {SECOND: "s", MINUTE: "min", HOUR: "h", DAY: "day"}

NEAR = 1.5
"""A measured rate within this factor of a usual one is that."""

APART = 4
"""Two replies tell the rate if what remained differs by so much, and by 1% of the amount."""

EXACT = 20
"""From replies so far apart the rate is taken as it was measured if no usual one is near."""

JITTER = 20 * MILLISECOND
"""Requests overtake each other by about this much: so much of the flow is left in the bucket."""


class Tide:
    """One advertised limit.

    Args:
        dimension: What is counted, as adverts name it.
        counts_later: Whether it is counted when it comes and not when it is asked for, as output tokens are. What is
            left then says little about what is on its way, so only the rate is followed.
        burst: The most that can leave at once beside a flow that is no faster than this limit's, since something else is
            declared; None: nobody knows.

    Attributes:
        dimension: What is counted, for people.
        limit: The amount per window.
        rate: What flows in, per ns.
    """

    __slots__ = (
        "_anchor", "_at", "_burst", "_closes_at", "_counts_later", "_is_window", "_level", "_mark", "_most", "_size", "_told", "dimension", "limit", "rate",
    )  # fmt: skip

    def __init__(self, dimension: str, *, counts_later: bool = False, burst: int | None = None) -> None:
        self.dimension = dimension.replace("_", " ")
        self._counts_later = counts_later
        self._burst = burst
        self.limit = 0
        self.rate = 0.0
        self._size: float = inf
        self._most = 0
        self._level = inf
        self._at = 0
        self._mark = -1
        self._is_window = False
        self._closes_at = 0
        self._anchor: tuple[int, int] | None = None
        self._told = 0.0

    @property
    def name(self) -> str:
        """The limit as people write it: `600 requests/min`."""
        for window, name in WINDOWS.items():
            if abs(self.span / window - 1) < 0.01:
                return f"{self.limit:,} {self.dimension}/{name}"
        return f"{self.rate * MINUTE:,.0f} {self.dimension}/min"

    @property
    def words(self) -> str:
        """The limit, and who says so."""
        return f"{self.name} (advertised)"

    @property
    def span(self) -> float:
        """Nanoseconds in which the amount flows in."""
        return self.limit / self.rate - GUARD

    @property
    def size(self) -> float:
        """How much a whole bucket holds."""
        return min(self._size, self.limit)

    def level(self, now: int) -> float:
        """Return how much is left."""
        self._refill(now)
        return min(self._level, self.size)

    def left(self, now: int) -> float:
        """Return which share of the amount is left."""
        return self.level(now) / self.size

    def earliest(self, now: int, amount: int) -> int:
        """Return the time from which `amount` may go; more than the whole bucket goes when it is full."""
        self._refill(now)
        if self._is_window:
            return now if self._level >= min(amount, self.limit) else max(now, self._closes_at)
        spare = max(self.rate * JITTER, 1.0 if amount == 1 else 0.0)
        lacking = min(amount + spare, self._size) - self._level
        return now + ceil(lacking / self.rate) if lacking > 0 else now

    def take(self, now: int, amount: int) -> None:
        """Book `amount`."""
        self._refill(now)
        self._level -= amount

    def give(self, amount: int) -> None:
        """Give back what was booked and not used; less than 0 if more was used."""
        self._level += amount

    def hear(self, now: int, started: int, since: int, mark: int, advert: Advert) -> bool:
        """Take a reply at its word; return whether there is more than was thought.

        Args:
            now: When it came, ns.
            started: When its request was sent, ns.
            since: What was sent after that request.
            mark: What had been sent up to it in all.
            advert: What it says.
        """
        if mark < self._mark:
            return False
        is_first, self._mark = self._mark < 0, mark
        self._name(advert)
        if not self.limit or advert.remaining is None:
            return False
        self._refill(now)
        if advert.reset is None:
            self._most = max(self._most, advert.remaining)
            unknown = self.limit if self._counts_later else 1  # refusals only say that it is empty
            self._size = self._most or unknown
        else:
            self._measure(now, advert.remaining, advert.reset, is_fixed=advert.window is not None)
        before = self._level
        low = advert.remaining - (0 if self._counts_later else since)
        high = low + self.rate * (now - started)
        if is_first:
            self._level = max(low, self._evenly(high))
        else:
            self._level = min(self._level, high)
            if not self._counts_later:
                self._level = max(self._level, low)
        return self._level > before

    def _evenly(self, high: float) -> float:
        """Return the level at the first reply, before which nothing was followed.

        What was sent since its request may all have left just now, when the bucket could take in no more. Unless what is
        declared has kept it to an even flow: then no more than its burst can have left faster than the bucket fills.
        """
        return -inf if self._burst is None else min(high, self._size - self._burst - 1)

    def _name(self, advert: Advert) -> None:
        """Take the amount and the window that are named."""
        if advert.limit and advert.limit != self.limit:
            window = self.limit / self.rate if self.limit else MINUTE + GUARD
            if advert.window:
                window = advert.window + GUARD
            self.limit, self.rate = advert.limit, advert.limit / window
            self._anchor = None

    def _refill(self, now: int) -> None:
        if now <= self._at:
            return
        if not self._is_window:
            self._level = min(self._size, self._level + self.rate * (now - self._at))
        elif self._closes_at <= now:
            self._level, self._closes_at = self.limit, now + ceil(self.limit / self.rate)
        self._at = now

    def _measure(self, now: int, remaining: int, reset: int, *, is_fixed: bool) -> None:
        """Learn from two replies whether this is a bucket or a window, how fast it fills and how much it holds."""
        if self._anchor is None:
            self._anchor = remaining, reset
        gone, later = self._anchor[0] - remaining, reset - self._anchor[1]
        if abs(gone) >= max(APART, self.limit // 100) and later:
            self._anchor = remaining, reset
            self._is_window = gone * later < 0
            told = 0.0 if is_fixed or self._is_window else self._rate_of(gone, later)
            if (
                told >= self.rate or told == self._told
            ):  # once may be nonsense, and a slow rate would stop everything
                self.rate = told or self.rate
            self._told = told
        if self._is_window:
            closes_at = now + reset
            self._closes_at = min(self._closes_at, closes_at) if self._closes_at > now else closes_at
        else:
            self._size = max(1.0, remaining + self.rate * reset)

    def _rate_of(self, gone: int, later: int) -> float:
        """Return the rate that two replies tell, 0 if they do not; the usual one that is near, or two digits of it."""
        measured = gone / later
        for window in WINDOWS:
            usual = self.limit / (window + GUARD)
            if 1 / NEAR < measured / usual < NEAR:
                return usual
        return float(f"{measured:.1e}") if abs(gone) >= EXACT else 0.0
