"""All that one attempt needs, in one decision: requests, tokens and a free slot, together or not at all.

Three sources feed it: what the user declared, what the provider advertises, and what is learned from its refusals
and latencies. The strictest holds.
"""

from collections.abc import Iterable, Sequence

from brimline.core.books import Books, SharedBooks
from brimline.core.daybook import EVERY, NONE, Daybook
from brimline.core.learned import Learned
from brimline.core.limiter import Limiter
from brimline.core.past import Past
from brimline.core.permit import CHARGED, NOTHING, Demand, NotUntil, Permit, Reason
from brimline.core.quota import Dimension, Discipline, Quota
from brimline.core.tide import Tide
from brimline.core.time import MINUTE
from brimline.types import Advert, Usage

PLACES = {
    "requests": Dimension.REQUESTS,
    "tokens": CHARGED,
    "input_tokens": Dimension.INPUT_TOKENS,
    "output_tokens": Dimension.OUTPUT_TOKENS,
}
"""Where the amounts stand in a `Demand` of what replies and faults name."""

_DIMENSIONS = {dimension.name.lower(): int(dimension) for dimension in Dimension}

PLENTY = 0.5
"""A refusal while every advertised limit has more than this share left is no matter of limits."""


def too_small(quotas: Iterable[Quota], demand: Demand) -> Quota | None:
    """Return the first of the quotas that can never hold `demand`, or None."""
    for quota in quotas:
        if demand[quota.dimension] > quota.amount:
            return quota
    return None


class LimitSet:
    """The quotas and the concurrency of one scope.

    Args:
        quotas: What is declared; each becomes a limiter.
        concurrency: Attempts in flight at once, or None for any number.
        learned: Learns what nobody declares, or None: nothing is learned.
        daybook: Where the processes that share what is declared write down what they book, or None: this is the only one.
    """

    __slots__ = (
        "_books", "_leaving", "_out", "_past", "_patience", "_quotas", "_sent", "concurrency", "counts_tokens", "in_flight",
        "learned", "tides",
    )  # fmt: skip

    def __init__(
        self,
        quotas: Sequence[Quota] = (),
        concurrency: int | None = None,
        *,
        learned: Learned | None = None,
        daybook: Daybook | None = None,
    ) -> None:
        self._books = (
            Books(quotas)
            if daybook is None
            else SharedBooks(quotas, daybook, counts_slots=concurrency is not None)
        )
        self.tides: dict[tuple[int, int | None], Tide] = {}
        self.learned = learned
        self.concurrency = concurrency
        self.in_flight = 0
        self._sent = NOTHING
        self._leaving: dict[Permit, int] = {}
        self._out: dict[Permit, None] = {}
        self._past = Past()
        self.counts_tokens = False
        self._adopt(quotas)

    @property
    def limiters(self) -> tuple[Limiter, ...]:
        """The state of each declared quota."""
        return self._books.limiters

    @property
    def is_shared(self) -> bool:
        """Whether other processes see what is booked here."""
        return self._books.is_shared

    def impossible(self, demand: Demand) -> Quota | None:
        """Return the quota that can never hold `demand`, or None if it can be granted some day."""
        return too_small(self._quotas, demand)

    def fitted(self, demand: Demand) -> Demand:
        """Return an estimate that has grown since it was found possible as what is possible at most."""
        while (quota := self.impossible(demand)) is not None:
            demand = demand._replace(**{quota.dimension.name.lower(): quota.amount})
        return demand

    def acquire(self, now: int, demand: Demand, *, is_passing: bool = False) -> Permit | NotUntil:
        """Take everything `demand` asks for, or nothing.

        Args:
            now: The present, ns.
            demand: What is asked for.
            is_passing: Whether it may go although another one waits, as it is smaller.

        Raises:
            ValueError: A quota can never hold the demand; ask `impossible` first.
        """
        books = self._books
        busy = books.open(now)
        if busy is not None:
            return busy
        if books.foreign is not NOTHING:
            for (place, _), tide in self.tides.items():
                tide.take(now, books.foreign[place])
            books.foreign = NOTHING
        answer = self._crowded(now) or self.obstacle(now, demand) or self._take(now, demand)
        books.close(now, answer, is_passing=is_passing)
        return answer

    def publish(self, now: int) -> None:
        """Tell the processes that share these limits what has happened since the last decision."""
        self._books.publish(now)

    def _crowded(self, now: int) -> NotUntil | None:
        """Return why no more may be in flight, or None."""
        if self.concurrency is not None:
            lack = self._books.lacks_slot(now, self.concurrency, self.in_flight)
            if lack is not None:
                return lack
        if self.learned is not None:
            when = self.learned.crowd.earliest(now, self.in_flight)
            if when != now:
                return NotUntil(when, self.learned.crowd, is_slot=True)
        return None

    def obstacle(self, now: int, demand: Demand) -> NotUntil | None:
        """Return what holds `demand` back longest, or None if it may go now."""
        books = self._books
        latest, binding, is_size = books.closed_until, books.closed, False
        claim = books.elsewhere(now)
        if claim is not None and claim.when is not None and claim.when > latest:
            latest, binding = claim.when, claim.by
        for limiter in books.limiters:
            dimension = limiter.quota.dimension
            when = limiter.earliest(now, demand[dimension])
            if when > latest:
                latest, binding, is_size = when, limiter, dimension > 0
        for (place, _), tide in self.tides.items():
            when = tide.earliest(now, demand[place])
            if when > latest:
                latest, binding, is_size = when, tide, place > 0
        if self.learned is not None:
            for pace in self.learned.paces.values():
                when = pace.earliest(now)
                if when > latest:
                    latest, binding, is_size = when, pace, False
        return NotUntil(latest, binding, is_size) if latest > now else None

    def _take(self, now: int, demand: Demand) -> Permit:
        self.in_flight += 1
        sent = self._sent = self._sent.plus(demand)
        self._books.take(now, demand)
        permit = Permit(demand, now, self.in_flight, sent)
        self._out[permit] = None
        for (place, _), tide in self.tides.items():
            tide.take(now, demand[place])
        if self.learned is not None:
            self.learned.take(now, permit)
        if self._books.limiters:
            self._leaving[permit] = now
        return permit

    def depart(self, now: int, permit: Permit) -> None:
        """Count the permit's attempt as gone only now: its connection had to be made first."""
        self._leaving.pop(permit, None)
        self._move(now, permit)
        if permit.beside is not None:
            permit.beside.depart(now)

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
        permit.at = self._books.move(permit.at, now, permit.demand)

    def settle(self, permit: Permit, usage: Usage | None) -> bool:
        """Replace the permit's estimate by what was used; without `usage` the estimate stands.

        Returns whether something became possible earlier than before.
        """
        self._end(permit)
        if permit.beside is not None:
            permit.beside.settle()
        if usage is None:
            self._past.note(permit.at, permit.demand)
            return False
        tokens = usage.input_tokens, usage.output_tokens
        used = Demand(permit.demand.requests, sum(tokens), *tokens)
        self._past.note(permit.at, used)
        return self._amend(permit, used)

    def refund(self, permit: Permit) -> bool:
        """Give everything back: the attempt never left. Settles the permit."""
        self._end(permit)
        if permit.beside is not None:
            permit.beside.refund()
        return self._amend(permit, Demand(requests=0))

    def _end(self, permit: Permit) -> None:
        permit.settle()
        del self._out[permit]
        self._leaving.pop(permit, None)

    def release(self, permit: Permit) -> None:
        """Give the permit's slot back."""
        permit.release()
        self.in_flight -= 1
        self._books.release()

    def hold(self, until: int, demand: Demand, *, why: str, dimension: str | None = None) -> None:
        """Let nothing go before `until`, because the server says so; then the flow resumes at its rate.

        Args:
            until: The moment that the server names.
            demand: What the refused attempt needed; so much may go at `until`.
            why: The server's reason, for people.
            dimension: The limit that ran out, where the server names it; else each limit is taken as empty.
        """
        if self.learned is not None:
            self.learned.hold(until)
        place = EVERY if dimension is None else _DIMENSIONS.get(dimension, NONE)
        self._books.hold(until, demand, Reason(why), place)

    def hear(self, now: int, permit: Permit, adverts: Iterable[Advert]) -> bool:
        """Take what a reply advertises into account; return whether something may be possible earlier than before."""
        eased = False
        for advert in adverts:
            place = PLACES[advert.dimension]
            tide = self._tide(place, advert)
            if tide is not None:
                since = self._sent[place] - permit.marks[place]
                eased = tide.hear(now, permit.started, since, permit.marks[place], advert) or eased
        return eased

    def _tide(self, place: int, advert: Advert) -> Tide | None:
        """Return what follows an advertised limit; None if nobody knows how much it is."""
        key = place, advert.window
        if key not in self.tides:
            if not advert.limit or advert.remaining is None:
                return None
            self.tides[key] = Tide(
                advert.dimension,
                counts_later=place == Dimension.OUTPUT_TOKENS,
                burst=self._burst(place, advert.limit, advert.window or MINUTE),
            )
            self.counts_tokens = self.counts_tokens or place > 0
        return self.tides[key]

    def _burst(self, place: int, limit: int, window: int) -> int | None:
        """Return how much a declared flow that is no faster than an advertised limit lets out at once, if there is one."""
        slower = [
            quota.burst
            for quota in self._quotas
            if quota.dimension == place
            and quota.discipline is Discipline.SMOOTH
            and quota.amount * window <= limit * quota.window
        ]
        return min(slower, default=None)

    def accept(self, now: int, permit: Permit, usage: Usage | None) -> None:
        """Learn from an answer."""
        if self.learned is not None:
            self.learned.accept(now, permit, 0 if usage is None else usage.output_tokens)

    def refuse(
        self, now: int, permit: Permit, place: int | None, adverts: Iterable[Advert], *, is_named: bool
    ) -> bool:
        """Learn from a refusal; return whether it is known without a wait being named when something may go again.

        Args:
            now: When it came, ns.
            permit: Whose it is.
            place: What ran out, where the server names it.
            adverts: What the refusal itself says of the limits.
            is_named: Whether the server names a wait.
        """
        if self.learned is None:
            return False
        if any(_has_run_out(advert, permit.demand) for advert in adverts):
            return True  # and is followed
        if place and not permit.demand[place]:
            self.counts_tokens = True  # from now on
            return False
        return self.learned.refuse(now, permit, place or 0, is_named=is_named)

    def has_plenty(self, now: int, permit: Permit) -> bool:
        """Whether limits are advertised, all of them have plenty left, and it was not tried how many may be in flight."""
        if self.learned is not None and self.learned.is_beyond(permit):
            return False
        return bool(self.tides) and all(tide.left(now) > PLENTY for tide in self.tides.values())

    def restore(self, at: int, demand: Demand) -> None:
        """Book what an earlier process used at `at`. Call in order of time, before anything is acquired."""
        self._past.note(at, demand)
        self._books.restore(at, demand)

    def declare(self, now: int, quotas: Sequence[Quota], concurrency: int | None) -> None:
        """Replace what is declared. What left before counts in the new limits, and permits that are out stay good."""
        self._books.publish(now)
        known = {limiter.quota: limiter for limiter in self.limiters}
        limiters = [known.get(quota) or self._successor(now, quota) for quota in quotas]
        longest = max((quota.window for quota in quotas), default=0)
        past = self._past.within(now, longest)
        self._books.declare(now, limiters, past, holds=None if concurrency is None else self.in_flight)
        self.concurrency = concurrency
        if self.learned is not None:
            self.learned.declare(concurrency)
        self._adopt(quotas)

    def _successor(self, now: int, quota: Quota) -> Limiter:
        """Return a limiter that knows what left before."""
        gone = [(permit.at, permit.demand[quota.dimension]) for permit in self._out]
        gone += [(at, amounts[quota.dimension]) for at, amounts in self._past.within(now, quota.window)]
        limiter = Limiter(quota)
        limiter.carry(now, sorted(gone))
        if self._books.closed_until > now:
            limiter.hold(self._books.closed_until, 1)
        return limiter

    def _adopt(self, quotas: Sequence[Quota]) -> None:
        self._quotas = quotas
        self.counts_tokens = any(quota.dimension is not Dimension.REQUESTS for quota in quotas) or any(
            place > 0 for place, _ in self.tides
        )
        self._patience = min((quota.window for quota in quotas), default=0) // 2

    def _amend(self, permit: Permit, actual: Demand) -> bool:
        for (place, _), tide in self.tides.items():
            if place == Dimension.OUTPUT_TOKENS:
                tide.give(permit.demand[place] - actual[place])
        places = [limiter.quota.dimension for limiter in self._books.limiters]
        changes = [actual[place] - permit.demand[place] for place in places]
        if any(changes):
            self._books.amend(permit.at, actual.plus(permit.demand.negative()))
        return min(changes, default=0) < 0

    def __repr__(self) -> str:
        return f"<LimitSet {self.in_flight} of {self.concurrency} in flight, {list(self.limiters)}>"


def _has_run_out(advert: Advert, demand: Demand) -> bool:
    """Whether a limit that is advertised explains why there was no room for `demand`."""
    needed = demand[PLACES[advert.dimension]]
    return bool(advert.limit) and advert.remaining is not None and advert.remaining < needed
