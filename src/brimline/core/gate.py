"""Gates: limits on the requests of a named group, whichever models and endpoints these go to.

Theory of operation. What a model allows is its scope's business, also how it is learned and how it recovers. A gate is
one more condition on the attempts of its lanes: a scope serves only lanes whose gate is open, and looks again when the
first one opens. So lanes of one scope that are in different groups do not wait for each other, and a group may have
lanes in many scopes: each of them looks at the same nanosecond, and the one that has waited longest is first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil, Permit
from brimline.core.quota import Quota

ONE = Demand()


class Gate:
    """The limits of one group.

    Args:
        quotas: How many requests it may send; nothing else is limited.
    """

    __slots__ = ("limits",)

    def __init__(self, quotas: Sequence[Quota]) -> None:
        self.limits = LimitSet(quotas)

    def opens(self, now: int) -> NotUntil | None:
        """Return when the next attempt may start and what is in its way, or None: it may start now."""
        self.limits.linger(now)
        return self.limits.obstacle(now, ONE)

    def enter(self, now: int, permit: Permit) -> None:
        """Book an attempt that starts; the gate is open. From now on it goes with the attempt's permit."""
        own = self.limits.acquire(now, ONE)
        assert isinstance(own, Permit)
        permit.beside = _Passage(self.limits, own)


@dataclass(frozen=True, slots=True)
class Group:
    """A named group of requests.

    Attributes:
        name: Its name.
        limits: Makes its gate if it has none yet.
    """

    name: str
    limits: Callable[[], Gate]


@dataclass(frozen=True, slots=True)
class _Passage:
    """One attempt that has passed a gate."""

    limits: LimitSet
    permit: Permit

    def depart(self, now: int) -> None:
        self.limits.depart(now, self.permit)

    def settle(self) -> None:
        self.limits.settle(self.permit, None)
        self.limits.release(self.permit)

    def refund(self) -> None:
        self.limits.refund(self.permit)
        self.limits.release(self.permit)
