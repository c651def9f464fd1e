"""The books of one scope: its declared quotas and what is booked in them, by this process alone or by several.

Sharing, theory of operation. `SharedBooks` change only as their daybook does: while it is open, what others wrote is
applied first, then what happened here since, and then the decision. So all replicas apply the same in the same order.
What is written besides bookings, and why:

- what was used in the end (AMEND) and when an attempt really left (MOVE), because both may mean more within a window
  than was booked;
- a moment that the server names in a refusal (HOLD), because it concerns the account;
- slots, where a concurrency is declared;
- claims. All who wait are told the same moment, and who wakes first takes what comes free; a large request would wait
  for ever while others take small pieces. So who comes back at the moment it was told and finds nothing claims
  the next one, and those who have not waited as long stand back. A claim ends by itself soon after its moment.
"""

from collections.abc import Iterable, Sequence

from brimline.core.daybook import EVERY, Daybook, Entry, Kind
from brimline.core.limiter import Limiter
from brimline.core.permit import NOTHING, Binding, Demand, NotUntil, Permit, Reason
from brimline.core.quota import Quota
from brimline.core.tide import Tide
from brimline.core.time import MILLISECOND, MINUTE, SECOND

BUSY = MILLISECOND
"""After so long it is tried again to open a daybook in which somebody else writes; that takes microseconds."""

GRACE = 5 * MILLISECOND
"""A claim ends so long after the moment it is for."""

TURN = GRACE
"""Who is served may take all there is for so long: some quotas let a second's worth go at once."""

LONGEST_CLAIM = 10 * SECOND
"""Nobody claims what comes later than this: the burst of a token quota is ten seconds' worth."""

LOOK = 10 * MILLISECOND
"""So often it is looked whether another process has released a slot: nothing tells when it will."""

DECIDING = Reason("another process is deciding")
CLAIMED = Reason("another process, which has waited longer")
TAKEN = Reason("slots that other processes hold")
REFUSED = Reason("refused (429) in another process")


class Books:
    """The quotas of one scope.

    Attributes:
        limiters: Their state.
        closed_until: Nothing goes before, ns.
        closed: Why.
        foreign: What other processes have booked since this was last set to NOTHING.
    """

    def __init__(self, quotas: Sequence[Quota]) -> None:
        self.limiters = tuple(Limiter(quota) for quota in quotas)
        self.closed_until = 0
        self.closed: Binding = Reason("")
        self.foreign = NOTHING

    @property
    def is_shared(self) -> bool:
        """Whether other processes see what is booked."""
        return False

    def open(self, now: int) -> NotUntil | None:  # noqa: ARG002  nobody else decides here
        """Begin a decision, or say why it must wait."""
        return None

    def close(self, now: int, answer: Permit | NotUntil, *, is_passing: bool) -> None:
        """End a decision; `is_passing`: it was about a request that may pass one that waits."""

    def elsewhere(self, now: int) -> NotUntil | None:  # noqa: ARG002
        """Return why others go first, or None."""
        return None

    def lacks_slot(self, now: int, concurrency: int, in_flight: int) -> NotUntil | None:  # noqa: ARG002
        """Return why no more may be in flight, or None."""
        if in_flight < concurrency:
            return None
        return NotUntil(None, Reason(f"concurrency {concurrency}"), is_slot=True)

    def take(self, now: int, demand: Demand) -> None:
        """Book what goes at `now`."""
        for limiter in self.limiters:
            limiter.take(now, demand[limiter.quota.dimension])

    def amend(self, at: int, change: Demand) -> None:
        """Correct what was booked at `at`."""
        for limiter in self.limiters:
            if amount := change[limiter.quota.dimension]:
                limiter.amend(at, amount)

    def move(self, at: int, to: int, demand: Demand) -> int:
        """Count what was booked at `at` as gone only at `to`, and return when it counts as gone."""
        for limiter in self.limiters:
            limiter.move(at, to, demand[limiter.quota.dimension])
        return to

    def hold(self, until: int, demand: Demand, why: Binding, place: int) -> None:
        """Let nothing go before `until`; the limit of `place` (or EVERY, or NONE) is empty then but for `demand`."""
        self._shut(until, why)
        self._empty(until, demand, place)

    def release(self) -> None:
        """Note that a slot is free."""

    def restore(self, at: int, demand: Demand) -> None:
        """Book what an earlier process used."""
        self.take(at, demand)

    def declare(
        self,
        now: int,  # noqa: ARG002
        limiters: Iterable[Limiter],
        past: Iterable[tuple[int, Demand]],  # noqa: ARG002
        *,
        holds: int | None,  # noqa: ARG002
    ) -> None:
        """Replace the quotas.

        Args:
            now: The present, ns.
            limiters: The new ones, which know what left from here.
            past: That, with what several quotas may count.
            holds: How many attempts are in flight, if a concurrency is declared.
        """
        self.limiters = tuple(limiters)

    def publish(self, now: int) -> None:
        """Tell others what has happened since the last decision."""

    def _shut(self, until: int, why: Binding) -> None:
        if until > self.closed_until:
            self.closed_until, self.closed = until, why

    def _empty(self, until: int, demand: Demand, place: int) -> None:
        for limiter in self.limiters:
            if place in {EVERY, limiter.quota.dimension}:
                limiter.hold(until, demand[limiter.quota.dimension])


class SharedBooks(Books):
    """The quotas of one scope that several processes share.

    Args:
        quotas: What this process declares.
        daybook: Where all of them write.
        counts_slots: Whether a concurrency is declared.
    """

    def __init__(self, quotas: Sequence[Quota], daybook: Daybook, *, counts_slots: bool) -> None:
        super().__init__(quotas)
        self._daybook = daybook
        self._me = daybook.member
        self._counts_slots = counts_slots
        self._pending: list[Entry] = []
        self._released = 0
        self._written: list[Entry] = []
        self._restored: list[tuple[int, Demand]] = []
        self._slots: dict[int, int] = {}
        self._claims: dict[int, Entry] = {}
        self._waits_since: int | None = None
        self._promised = 0
        self._turn_ends = 0

    @property
    def is_shared(self) -> bool:
        """Whether other processes see what is booked."""
        return self._daybook.is_kept

    def open(self, now: int) -> NotUntil | None:
        """Read what others wrote and apply it, and then what happened here."""
        news = self._daybook.open()
        if news is None:
            return NotUntil(now + BUSY, DECIDING)
        if news.whole:
            self._begin_again()
        for entry in news.entries:
            self._apply(now, entry)
            if entry.kind == Kind.TAKE and not news.whole:
                self.foreign = self.foreign.plus(entry.demand)
        if news.whole:
            for limiter in self.limiters:
                limiter.carry(now)
        if self._released:
            self._pending.append(Entry(Kind.AMEND, self._me, 0, slots=-self._released))
            self._released = 0
        if self._pending:
            self._written, self._pending = self._pending, []
            for entry in self._written:
                self._apply(now, entry)
        return None

    def close(self, now: int, answer: Permit | NotUntil, *, is_passing: bool) -> None:
        """Write down what was decided."""
        if isinstance(answer, Permit):
            self._waits_since = None
            if self._turn_ends <= now:
                self._turn_ends = now + TURN
        elif not is_passing:
            self._wait(now, answer)
        self._write()

    def elsewhere(self, now: int) -> NotUntil | None:
        """Return that others, who have waited longer, have claimed what comes next, or None."""
        if not self._claims or now < self._turn_ends:
            return None
        self._claims = {member: claim for member, claim in self._claims.items() if claim.until > now}
        mine = now if self._waits_since is None else self._waits_since, self._me
        ahead = [claim.until for claim in self._claims.values() if (claim.at, claim.member) < mine]
        return NotUntil(min(ahead), CLAIMED) if ahead else None

    def lacks_slot(self, now: int, concurrency: int, in_flight: int) -> NotUntil | None:
        """Return why no more may be in flight, or None. The slots of the dead are given back first."""
        others = self._others()
        if in_flight + others >= concurrency and others:
            self._bury(now)
            others = self._others()
            if others and in_flight + others >= concurrency:
                return NotUntil(now + LOOK, TAKEN, is_slot=True)
        return super().lacks_slot(now, concurrency, in_flight)

    def take(self, now: int, demand: Demand) -> None:
        """Book and write down what goes at `now`."""
        entry = Entry(Kind.TAKE, self._me, now, slots=int(self._counts_slots), demand=demand)
        self._apply(now, entry)
        self._written.append(entry)

    def amend(self, at: int, change: Demand) -> None:
        """Correct what was booked at `at`, with the next decision."""
        self._pending.append(Entry(Kind.AMEND, self._me, at, demand=change))

    def move(self, at: int, to: int, demand: Demand) -> int:
        """Count what was booked at `at` as gone only at `to`, with the next decision, if that makes a difference."""
        if not any(limiter.is_apart(at, to) for limiter in self.limiters):
            return at
        self._pending.append(Entry(Kind.MOVE, self._me, at, to, demand=demand))
        return to

    def hold(self, until: int, demand: Demand, why: Binding, place: int) -> None:
        """Let nothing go before `until`, nor anywhere else."""
        self._shut(until, why)
        self._pending.append(Entry(Kind.HOLD, self._me, 0, until, place=place, demand=demand))

    def release(self) -> None:
        """Tell others that a slot is free, with the next decision."""
        if self._counts_slots:
            self._released += 1

    def restore(self, at: int, demand: Demand) -> None:
        """Book what an earlier process used and this daybook does not know; it stays here."""
        self._restored.append((at, demand))
        super().take(at, demand)

    def declare(
        self,
        now: int,
        limiters: Iterable[Limiter],
        past: Iterable[tuple[int, Demand]],
        *,
        holds: int | None,
    ) -> None:
        """Replace the quotas; what left elsewhere is read in the daybook before the next decision."""
        super().declare(now, limiters, past, holds=holds)
        known = self._daybook.rewind(max((limiter.quota.window for limiter in self.limiters), default=0))
        self._restored += [(at, demand) for at, demand in past if at < now - known]
        if self._counts_slots != (holds is not None):
            self._counts_slots = holds is not None
            held = holds if holds is not None else -self._slots.get(self._me, 0)
            self._pending.append(Entry(Kind.AMEND, self._me, 0, slots=held))

    def publish(self, now: int) -> None:
        """Write down what has happened, if the daybook can be opened; else it is written with the next decision."""
        if (self._pending or self._released) and self.open(now) is None:
            self._write()

    def _write(self) -> None:
        written, self._written = self._written, []
        self._daybook.close(written)

    def _apply(self, now: int, entry: Entry) -> None:
        """Let an entry take effect."""
        if entry.slots:
            self._slots[entry.member] = self._slots.get(entry.member, 0) + entry.slots
        if entry.kind == Kind.TAKE:
            self._claims.pop(entry.member, None)
            super().take(entry.at, entry.demand)
        elif entry.kind == Kind.AMEND:
            super().amend(entry.at, entry.demand)
        elif entry.kind == Kind.MOVE:
            super().move(entry.at, entry.until, entry.demand)
        elif entry.kind == Kind.HOLD:
            # A hold outlives the process that heard of it; so longer ones are learned anew.
            until = entry.until if entry.member == self._me else min(entry.until, now + MINUTE)
            self._shut(until, REFUSED)
            self._empty(until, entry.demand, entry.place)
        elif entry.kind == Kind.CLAIM:
            self._claims[entry.member] = entry

    def _wait(self, now: int, answer: NotUntil) -> None:
        """Note a refusal; claim the next moment if the last one that was named has come to nothing."""
        is_shared = isinstance(answer.by, Limiter | Tide) or answer.by in (CLAIMED, TAKEN)
        if answer.when is None or not is_shared:
            self._waits_since = None
            return
        if self._waits_since is None:
            self._waits_since = now
        elif now < self._promised:
            return
        elif answer.when - now <= LONGEST_CLAIM:
            claim = Entry(Kind.CLAIM, self._me, self._waits_since, answer.when + GRACE)
            self._apply(now, claim)
            self._written.append(claim)
        self._promised = answer.when

    def _begin_again(self) -> None:
        """Forget everything but what nobody else knows: the whole daybook is read once more."""
        self.limiters = tuple(Limiter(limiter.quota) for limiter in self.limiters)
        self._slots.clear()
        self._claims.clear()
        for at, demand in self._restored:
            super().take(at, demand)

    def _others(self) -> int:
        return sum(count for member, count in self._slots.items() if member != self._me)

    def _bury(self, now: int) -> None:
        """Give back the slots of members that are dead."""
        for member, count in [*self._slots.items()]:
            if member != self._me and count and not self._daybook.is_alive(member):
                burial = Entry(Kind.AMEND, member, 0, slots=-count)
                self._apply(now, burial)
                self._written.append(burial)
                del self._slots[member]
