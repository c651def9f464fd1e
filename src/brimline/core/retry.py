"""What to do after a fault: try again, and when, or give up."""

from dataclasses import dataclass
from typing import Protocol

from brimline.core.faults import CONSEQUENCES
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault

RESERVE = 100.0
"""So many retries may come at once."""

EARNED = 0.2
"""What each answer adds to the budget."""


class Rng(Protocol):
    """The part of `random.Random` that the core needs."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        ...


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `when`, ns."""

    when: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The fault is the last word on the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a request is tried again.

    Waits grow exponentially from `initial` to `maximum` with full jitter (Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015). A wait that the server names is taken exactly.

    Attributes:
        max_tries: Tries of one exchange, the first included; refusals for a rate limit do not count.
        initial: The longest first wait, ns.
        maximum: The longest wait, ns.
    """

    max_tries: int = 5
    initial: int = SECOND // 2
    maximum: int = MINUTE

    def decide(self, now: int, fault: Fault, *, tries: int, alike: int, rng: Rng) -> RetryAt | GiveUp:
        """Decide after a fault that ended try number `tries`, the `alike`-th of its kind."""
        consequence = CONSEQUENCES[fault.kind]
        allowed = self.max_tries if consequence.tries is None else min(consequence.tries, self.max_tries)
        if tries >= self.max_tries or alike >= allowed:
            return GiveUp()
        if fault.retry_after is not None:
            return RetryAt(now + fault.retry_after)
        return RetryAt(now + self.backoff(tries, rng))

    def backoff(self, tries: int, rng: Rng) -> int:
        """Return a wait before the next try, ns."""
        ceiling = min(self.maximum, self.initial << min(max(tries, 1) - 1, 32))
        return int(ceiling * rng.random())


class RetryBudget:
    """What an endpoint may be asked again, so that its trouble is not multiplied by ours.

    Retries use it up; answers and time earn it back. Beyond it they are not refused but spread, one a second (the
    retry budget of Finagle, whose retries are dropped; here nothing that may still be answered is).
    """

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = RESERVE
        self._at = 0

    def earn(self) -> None:
        """Note an answer."""
        self._left = min(self._left + EARNED, RESERVE)

    def spend(self, now: int) -> int:
        """Use up a retry; return how long it has to wait, ns."""
        self._left = min(self._left + (now - self._at) / SECOND, RESERVE) - 1
        self._at = now
        return round(max(0.0, -self._left) * SECOND)
