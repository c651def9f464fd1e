"""What one attempt asks of the limits, and what it is given."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Demand(NamedTuple):
    """What one attempt needs, in the order of `Dimension`; tokens are an estimate until it is settled.

    `charged` are the tokens that the provider books when the request arrives, which may count output that never comes.
    """

    requests: int = 1
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    charged: int = 0

    def plus(self, other: "Demand") -> "Demand":
        """Return both together."""
        return Demand(
            self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3], self[4] + other[4]
        )

    def negative(self) -> "Demand":
        """Return what gives it back."""
        return Demand(-self[0], -self[1], -self[2], -self[3], -self[4])


CHARGED = 4
"""The place of `charged` in a `Demand`."""

NOTHING = Demand(0)


class Binding(Protocol):
    """What may be in the way."""

    @property
    def words(self) -> str:
        """What it is, for people."""
        ...


@dataclass(frozen=True, slots=True)
class Reason:
    """Something in the way that is no limit."""

    words: str


@dataclass(slots=True)
class NotUntil:
    """Refused, with the earliest useful time.

    Attributes:
        when: The first nanosecond at which asking again helps, or None: not before a slot is released.
        by: What is in the way.
        is_size: Whether a smaller request might go now.
        is_slot: Whether asking again helps before `when` if a slot is released.
    """

    when: int | None
    by: Binding
    is_size: bool = False
    is_slot: bool = False


class GroupPermit(Protocol):
    """What a group has given for an attempt, beside what its model has."""

    def depart(self, now: int) -> None:
        """The attempt leaves only now."""
        ...

    def settle(self) -> None:
        """The attempt has left."""
        ...

    def refund(self) -> None:
        """The attempt never left."""
        ...


class Permit:
    """Leave to make one attempt. It is settled exactly once, and its slot is released exactly once.

    Attributes:
        demand: What it was given for.
        started: When it was given, ns.
        at: When it left as far as is known, ns.
        in_flight: How many were in flight with it.
        marks: How much had been let go with it in all.
        beside: The permit of the attempt's group, which is settled and released with it, or None.
    """

    __slots__ = ("_released", "_settled", "at", "beside", "demand", "in_flight", "marks", "started")

    def __init__(self, demand: Demand, started: int, in_flight: int, marks: Demand) -> None:
        self.demand = demand
        self.started = self.at = started
        self.in_flight = in_flight
        self.marks = marks
        self.beside: GroupPermit | None = None
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
