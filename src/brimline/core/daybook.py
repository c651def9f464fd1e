"""The daybook: what processes that share an account write down for each other, one small entry after another.

Each process keeps limiters of its own. All of them apply the same entries in the same order, so each is a replica of
the one limiter that the account has, and every decision is made by a replica that is up to date: what others wrote
is read, the decision is made and written, and meanwhile nobody else decides. Nothing has to be given back when a
process dies: what it booked was sent and ages out of the window as it should, and its slots are released by the
first one who misses them.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from brimline.core.limiter import SLOTS
from brimline.core.permit import NOTHING, Demand

EVERY = -1
NONE = -2
"""What ran out: each limit, or none that is declared."""


class Kind(IntEnum):
    """What an entry says."""

    TAKE = 1
    """`demand` goes at `at`."""
    AMEND = 2
    """So much more (or less) was used than was booked at `at`; or a slot is released."""
    MOVE = 3
    """What was booked at `at` left only at `until`, and counts from then."""
    HOLD = 4
    """The server lets nothing go before `until`; `place` is the dimension that ran out, or EVERY or NONE."""
    CLAIM = 5
    """Somebody who has been waiting since `at` goes first until `until`."""


class Entry(NamedTuple):
    """One entry: `member` wrote it, or is who it is about; times in ns, `slots` is the change of those it holds."""

    kind: int
    member: int
    at: int
    until: int = 0
    slots: int = 0
    place: int = EVERY
    demand: Demand = NOTHING


class News(NamedTuple):
    """What was written since the last look; if it is `whole`, everything that still counts, from the beginning."""

    entries: Sequence[Entry] = ()
    whole: bool = False


class Daybook(Protocol):
    """Where the processes of one scope write. It never fails: a daybook that is lost says nothing and keeps nothing."""

    @property
    def member(self) -> int:
        """Who writes here, unlike anybody else."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether what is written here is kept."""
        ...

    def open(self) -> News | None:
        """Keep others out and return what they wrote; None: somebody else decides right now."""
        ...

    def close(self, entries: Sequence[Entry]) -> None:
        """Write entries and let others in."""
        ...

    def rewind(self, window: int) -> int:
        """Tell everything once more with the next look, from now on for windows up to `window`.

        Returns how far back it tells all there was, ns.
        """
        ...

    def is_alive(self, member: int) -> bool:
        """Whether a member's process lives."""
        ...


def condense(entries: Iterable[Entry], now: int, horizon: int) -> list[Entry]:
    """Return fewer entries that limit no less: for a limiter that begins with them, and for the slots.

    An entry of a certain age matters only to windows that are longer, and those tell times apart by 1/4096 of
    their length. So the older entries are, the more of them become one, which counts as late as its last.

    Args:
        entries: All, in order.
        now: The present, ns.
        horizon: The longest window, ns; what is older is dropped.
    """
    sums: dict[int, Demand] = {}
    slots: dict[int, int] = {}
    kept: list[Entry] = []
    start = now - horizon
    for entry in entries:
        kind, member, at, until, change, _, demand = entry
        if change:
            slots[member] = slots.get(member, 0) + change
        if at <= start and until <= start:
            continue
        if kind == Kind.MOVE:
            _add(sums, _grain(at, now), demand.negative())
            _add(sums, _grain(until, now), demand)
        elif kind == Kind.HOLD:
            kept.append(entry)
        elif kind != Kind.CLAIM:
            _add(sums, _grain(at, now), demand)
    booked = [
        Entry(Kind.TAKE, 0, at, demand=demand)
        for at, demand in sorted(sums.items())
        if at > start and demand != NOTHING
    ]
    held = [Entry(Kind.AMEND, member, now, slots=count) for member, count in slots.items() if count]
    return [*booked, *kept, *held]


def _add(sums: dict[int, Demand], at: int, demand: Demand) -> None:
    known = sums.get(at)
    sums[at] = demand if known is None else known.plus(demand)


def _grain(at: int, now: int) -> int:
    """Return a time that stands for `at`, and for more times around it the longer ago it is."""
    age = (now - at) // SLOTS
    grain = 1 << max(0, age.bit_length() - 1)
    return -(-at // grain) * grain
