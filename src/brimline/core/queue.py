"""The queue of a lane: a higher priority first, then first come, first served; and who may pass."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brimline.core.lane import Ticket

_Line = deque[tuple[int, "Ticket"]]


class Queue:
    """Waiting tickets.

    Within a priority tickets stand in lines by their size, to the power of two, so that one that is small enough to
    pass a large one is found without looking at all. A step costs the same whatever waits.
    """

    __slots__ = ("_back", "_front", "_length", "_levels", "_order")

    def __init__(self) -> None:
        self._levels: dict[int, dict[int, _Line]] = {}
        self._order: list[int] = []
        self._front = 0
        self._back = 0
        self._length = 0

    def push(self, ticket: "Ticket") -> None:
        """Put a ticket behind those of its priority."""
        self._back += 1
        self._line(ticket).append((self._back, ticket))

    def push_front(self, ticket: "Ticket") -> None:
        """Put a ticket before those of its priority: it has waited already."""
        self._front -= 1
        self._line(ticket).appendleft((self._front, ticket))

    def peek(self) -> "Ticket":
        """Return the ticket that is next."""
        lines = self._levels[self._order[0]]
        if len(lines) == 1:
            return next(iter(lines.values()))[0][1]
        return min(line[0] for line in lines.values())[1]

    def smaller(self, ticket: "Ticket") -> list["Ticket"]:
        """Return those that may pass `ticket` if it is too large for now: the first of each smaller size."""
        size = _size(ticket)
        heads = []
        for priority in self._order:
            lines = self._levels[priority].items()
            heads += [head[1] for head in sorted(line[0] for at, line in lines if at < size)]
        return heads

    def remove(self, ticket: "Ticket") -> None:
        """Take a ticket that is the first of its priority and size."""
        priority, size = ticket.request.priority, _size(ticket)
        lines = self._levels[priority]
        lines[size].popleft()
        self._length -= 1
        if not lines[size]:
            del lines[size]
        if not lines:
            del self._levels[priority]
            self._order.remove(priority)

    def _line(self, ticket: "Ticket") -> _Line:
        priority, size = ticket.request.priority, _size(ticket)
        self._length += 1
        if priority not in self._levels:
            self._levels[priority] = {}
            self._order.append(priority)
            self._order.sort(reverse=True)
        lines = self._levels[priority]
        if size not in lines:
            lines[size] = deque()
        return lines[size]

    def __iter__(self) -> Iterator["Ticket"]:
        for priority in self._order:
            lines = self._levels[priority].values()
            yield from (
                ticket for _, ticket in sorted((entry for line in lines for entry in line), key=_place)
            )

    def __bool__(self) -> bool:
        return self._length > 0

    def __len__(self) -> int:
        return self._length


def _size(ticket: "Ticket") -> int:
    return 0 if ticket.size is None else ticket.size.weight.bit_length()


def _place(entry: tuple[int, "Ticket"]) -> int:
    return entry[0]
