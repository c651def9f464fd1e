"""Processes that share a daybook decide together as one would: never over, none starved, nothing kept by the dead."""

import random

from hypothesis import event, given
from hypothesis import strategies as st

from brimline.core.books import CLAIMED, GRACE, LONGEST_CLAIM
from brimline.core.daybook import Entry, Kind, News, condense
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil, Permit
from brimline.core.quota import parse_quotas
from brimline.core.time import HOUR, MILLISECOND, MINUTE, SECOND
from brimline.types import Advert, Usage
from tests.thorough import examples


class Log:
    """What all members write to."""

    def __init__(self):
        self.entries, self.generation = [], 0
        self.dead, self.is_busy = set(), False

    def condense(self, now, horizon):
        self.entries = condense(self.entries, now, horizon)
        self.generation += 1


class FakeDaybook:
    """A member's view of the log."""

    is_kept = True

    def __init__(self, log, member):
        self.log, self.member = log, member
        self._read, self._generation, self.is_open = 0, log.generation, False

    def open(self):
        assert not self.is_open
        if self.log.is_busy:
            return None
        self.is_open = True
        whole = self._generation != self.log.generation
        news = self.log.entries[0 if whole else self._read :]
        self._read, self._generation = len(self.log.entries), self.log.generation
        return News(news, whole)

    def close(self, entries):
        assert self.is_open
        self.is_open = False
        self.log.entries += entries
        self._read = len(self.log.entries)

    def rewind(self, window):
        self._generation = -1
        return HOUR

    def is_alive(self, member):
        return member not in self.log.dead


def members(count, text, concurrency=None):
    log = Log()
    quotas = parse_quotas(text) if text else ()
    return log, [
        LimitSet(quotas, concurrency, daybook=FakeDaybook(log, number + 1)) for number in range(count)
    ]


def most_in_any_window(gone, window, place=0):
    return max(
        (sum(amount[place] for at, amount in gone if start <= at < start + window) for start, _ in gone),
        default=0,
    )


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        st.one_of(
            st.just(0), st.integers(0, 300 * MILLISECOND), st.integers(0, 3 * SECOND)
        ),  # after how long
        st.integers(1, 900),  # for how many tokens
        st.sampled_from(["depart", "late", "use", "refund", "hold", "publish", "condense"]),
    ),
    min_size=1,
    max_size=80,
)


@examples(400)
@given(STEPS)
def test_together_they_are_never_over_whatever_they_do(steps):
    """What left, when it really left and with what it really used, fits every window, counted over all of them."""
    log, sets = members(3, "30/min, 1000 tokens/min, 4/s")
    now, gone, open_ = 0, [], []
    for who, wait, tokens, what in steps:
        now += wait
        limits = sets[who]
        limits.linger(now)
        answer = limits.acquire(now, Demand(1, tokens))
        if isinstance(answer, Permit):
            open_.append((limits, answer))
        else:
            assert answer.when > now
        if what == "condense":
            log.condense(now, HOUR)
        if what == "hold":
            limits.hold(now + 50 * MILLISECOND, Demand(), why="refused")
        if what in {"late", "hold", "condense"} or not open_:
            continue
        finish(*open_.pop(0), now=now, what=what, gone=gone)
    for limits, permit in open_:
        finish(limits, permit, now=now, what="depart", gone=gone)
    event(f"{min(30, len(gone)) // 10}0 gone")
    assert most_in_any_window(gone, SECOND) <= 4
    assert most_in_any_window(gone, MINUTE) <= 30
    assert most_in_any_window(gone, MINUTE, 1) <= 1000


def look(limits, now):
    """Let a process read what others wrote."""
    assert limits._books.open(now) is None
    limits._books._write()


def finish(limits, permit, *, now, what, gone):
    if what == "refund":
        limits.refund(permit)
    else:
        limits.depart(now, permit)
        used = permit.demand.tokens // 2 if what == "use" else permit.demand.tokens
        limits.settle(permit, Usage(used, 0))
        gone.append((now, Demand(1, used)))
    limits.release(permit)
    if what == "publish":
        limits.publish(now)


@examples(400)
@given(STEPS)
def test_replicas_are_equal_to_one_limiter(steps):
    """Whoever of the three is asked, it decides as the only one would that is asked each time."""
    _, sets = members(3, "30/min, 1000 tokens/min")
    alone, now = LimitSet(parse_quotas("30/min, 1000 tokens/min")), 0
    for who, wait, tokens, what in steps:
        now += wait
        demand = Demand(1, tokens)
        single, shared = alone.obstacle(now, demand), sets[who].acquire(now, demand)
        if isinstance(shared, NotUntil):
            assert shared.by.words == CLAIMED.words or shared.when == single.when
            continue
        assert single is None
        permit = alone.acquire(now, demand)
        settle(sets[who], shared, what)
        sets[who].publish(now)
        settle(alone, permit, what)


def settle(limits, permit, what):
    if what == "refund":
        limits.refund(permit)
    elif what == "use":
        limits.settle(permit, Usage(permit.demand.tokens // 3, 0))


def test_what_others_used_beyond_their_estimate_counts():
    _, (one, other) = members(2, "1000 tokens/min burst 1000")
    permit = one.acquire(0, Demand(1, 100))
    one.settle(permit, Usage(900, 0))
    one.publish(0)
    assert isinstance(other.acquire(0, Demand(1, 200)), NotUntil)
    assert isinstance(other.acquire(0, Demand(1, 100)), Permit)


def test_what_left_late_counts_late_everywhere():
    """A connection took 700 ms: its request shares a window with those that leave then."""
    _, (one, other) = members(2, "2/s")
    permit = one.acquire(0, Demand())
    one.depart(700 * MILLISECOND, permit)
    one.publish(700 * MILLISECOND)
    assert isinstance(other.acquire(1100 * MILLISECOND, Demand()), Permit)
    refused = other.acquire(1100 * MILLISECOND, Demand())
    assert refused.when > 1700 * MILLISECOND


def test_a_refusal_with_a_moment_concerns_everybody():
    _, (one, other) = members(2, "600/min")
    one.hold(3 * SECOND, Demand(), why="refused")
    one.publish(0)
    refused = other.acquire(0, Demand())
    assert refused.when == 3 * SECOND
    assert "another process" in refused.by.words


def test_a_hold_of_the_dead_is_believed_for_a_minute():
    """Its process is gone, and so may be its reason."""
    _, (one, other) = members(2, "600/min")
    one.hold(HOUR, Demand(), why="refused")
    one.publish(0)
    assert other.acquire(0, Demand()).when == MINUTE
    assert one.acquire(0, Demand()).when == HOUR


def test_what_others_send_is_taken_off_what_is_advertised():
    _, (one, other) = members(2, "600/min")
    permit = one.acquire(0, Demand())
    one.hear(0, permit, [Advert("requests", 60, 3, 57 * SECOND)])
    for _ in range(3):
        assert isinstance(other.acquire(MILLISECOND, Demand()), Permit)
    refused = one.acquire(2 * MILLISECOND, Demand())
    assert "advertised" in refused.by.words


def test_a_daybook_in_which_another_one_writes_is_tried_again_soon():
    log, (one, _) = members(2, "600/min")
    log.is_busy = True
    refused = one.acquire(5, Demand())
    assert refused.when == 5 + MILLISECOND
    log.is_busy = False
    assert isinstance(one.acquire(refused.when, Demand()), Permit)


def test_what_happens_while_another_one_writes_is_not_lost():
    log, (one, other) = members(2, "1/min")
    permit = one.acquire(0, Demand())
    one.refund(permit)
    log.is_busy = True
    one.publish(0)
    log.is_busy = False
    assert isinstance(other.acquire(0, Demand()), NotUntil)
    one.publish(1)
    assert isinstance(other.acquire(1, Demand()), Permit)


def test_a_quota_that_is_declared_later_knows_what_left_elsewhere():
    _, (one, other) = members(2, "600/min")
    for number in range(5):
        assert isinstance(other.acquire(number * SECOND, Demand()), Permit)
    permit = one.acquire(5 * SECOND, Demand())
    one.declare(5 * SECOND, parse_quotas("7/h burst 7"), None)
    one.settle(permit, None)
    assert isinstance(one.acquire(6 * SECOND, Demand()), Permit)
    refused = one.acquire(6 * SECOND, Demand())
    assert refused.when >= HOUR


def test_a_concurrency_that_is_declared_later_is_shared():
    _, (one, other) = members(2, "600/min")
    permit = one.acquire(0, Demand())
    one.declare(0, (), 2)
    other.declare(0, (), 2)
    one.publish(0)
    assert isinstance(other.acquire(1, Demand()), Permit)
    assert "other processes" in other.acquire(1, Demand()).by.words
    one.settle(permit, None)
    one.release(permit)
    one.publish(2)
    assert isinstance(other.acquire(2, Demand()), Permit)
    assert other.acquire(2, Demand()).when is None


# Fairness.


def race(sets, demands, span, rng):
    """All have a backlog and come back at the moment they were told, a little late; count what each was granted."""
    granted, wake = [0] * len(sets), [0] * len(sets)
    while min(wake) < span:
        who = min(range(len(sets)), key=lambda number: wake[number])
        now = wake[who]
        answer = sets[who].acquire(now, demands[who])
        if isinstance(answer, Permit):
            granted[who] += 1
            sets[who].settle(answer, None)
            sets[who].release(answer)
        else:
            wake[who] = answer.when + rng(who)
    return granted


def test_two_processes_share_evenly_and_lose_nothing():
    """Even if one of them always wakes first."""
    for text, ideal in (("600/min", 600), ("60/min", 60), ("6000/min", 6000), ("10/s", 590)):
        _, sets = members(2, text)
        granted = race(sets, [Demand()] * 2, MINUTE, lambda who: who * MILLISECOND)
        assert sum(granted) >= 0.985 * ideal, text
        assert min(granted) >= 0.4 * sum(granted), (text, granted)


def test_five_processes_share_evenly():
    _, sets = members(5, "600/min")
    granted = race(sets, [Demand()] * 5, MINUTE, lambda who: who * MILLISECOND // 3)
    assert sum(granted) >= 0.985 * 600
    assert min(granted) >= 0.6 * sum(granted) / 5, granted


def test_a_large_request_is_not_starved_by_the_small_ones_of_others():
    _, sets = members(2, "60k tokens/min")
    rng = random.Random(3)
    demands = [Demand(1, 200), Demand(1, 9_000)]
    granted = race(sets, demands, MINUTE, lambda _: rng.randrange(2 * MILLISECOND))
    assert granted[1] >= 2, granted
    assert granted[0] * 200 + granted[1] * 9_000 >= 58_000


def test_a_claim_of_the_dead_ends_by_itself():
    log, (one, _) = members(2, "600/min")
    log.entries.append(Entry(Kind.CLAIM, 9, -1, until=LONGEST_CLAIM))
    refused = one.acquire(0, Demand())
    assert refused.when == LONGEST_CLAIM
    assert isinstance(one.acquire(refused.when, Demand()), Permit)


def test_who_claims_is_served_and_the_claim_is_gone():
    _, (one, other) = members(2, "60/min burst 1")
    one.acquire(0, Demand())
    moment = other.acquire(0, Demand()).when
    one.acquire(0, Demand())
    assert isinstance(one.acquire(moment, Demand()), Permit)
    again = other.acquire(moment, Demand()).when
    assert one.acquire(moment, Demand()).when == again
    assert one.acquire(again, Demand()).when == again + GRACE
    assert isinstance(other.acquire(again, Demand()), Permit)
    assert one.acquire(again, Demand()).when == again + SECOND


# Slots.


def test_slots_of_a_declared_concurrency_are_shared():
    _, (one, other) = members(2, "", 2)
    permits = [one.acquire(0, Demand()), other.acquire(0, Demand())]
    refused = one.acquire(0, Demand())
    assert "other processes" in refused.by.words
    assert refused.when is not None
    assert refused.is_slot
    other.settle(permits[1], None)
    other.release(permits[1])
    other.publish(0)
    assert isinstance(one.acquire(refused.when, Demand()), Permit)


def test_slots_of_the_dead_are_free_at_once():
    log, (one, other) = members(2, "", 2)
    for _ in range(2):
        assert isinstance(one.acquire(0, Demand()), Permit)
    assert isinstance(other.acquire(0, Demand()), NotUntil)
    log.dead.add(1)
    for _ in range(2):
        assert isinstance(other.acquire(1, Demand()), Permit)
    assert other.acquire(1, Demand()).when is None


def test_a_single_slot_goes_round():
    """Whoever releases it asks again at once; still the others get it in turn."""
    _, sets = members(3, "", 1)
    rng, granted, wake, held = random.Random(1), [0] * 3, [0, 1, 2], {}
    while min(wake) < 60 * SECOND:
        who = min(range(3), key=lambda number: wake[number])
        now = wake[who]
        if who in held:
            permit = held.pop(who)
            sets[who].settle(permit, None)
            sets[who].release(permit)
        answer = sets[who].acquire(now, Demand())
        sets[who].publish(now)
        assert len(held) <= 1
        if isinstance(answer, Permit):
            held[who] = answer
            granted[who] += 1
            wake[who] = now + rng.randrange(100, 400) * MILLISECOND
        else:
            wake[who] = answer.when + rng.randrange(MILLISECOND)
    assert min(granted) >= 0.25 * sum(granted), granted
    assert sum(granted) >= 0.9 * 60 / 0.25


# A shorter daybook.


@examples(400)
@given(st.lists(st.tuples(st.integers(0, 5 * SECOND), st.integers(1, 900)), max_size=60), st.integers(0, 60))
def test_a_condensed_daybook_limits_no_less(steps, when):
    """Who begins with it grants nothing that one who was there from the beginning would not."""
    log, (old, _) = members(2, "30/min, 1000 tokens/min")
    now = 0
    for wait, tokens in steps:
        now += wait
        old.acquire(now, Demand(1, tokens))
    now += when * SECOND
    log.condense(now, HOUR)
    new = LimitSet(parse_quotas("30/min, 1000 tokens/min"), daybook=FakeDaybook(log, 7))
    look(new, now)
    for tokens in (1, 100, 900):
        demand = Demand(1, tokens)
        refused = new.obstacle(now, demand)
        assert refused is not None or old.obstacle(now, demand) is None


def test_a_condensed_daybook_is_bounded():
    entries = [Entry(Kind.TAKE, 1, at * SECOND // 50, demand=Demand()) for at in range(200_000)]
    short = condense(entries, 4000 * SECOND, 2 * HOUR)
    assert len(short) < 50_000
    assert sum(entry.demand.requests for entry in short) == 200_000
    assert condense(entries, 4000 * SECOND, MINUTE)[0].at > 3940 * SECOND


def test_what_is_known_here_only_survives_a_shorter_daybook():
    log, (one, other) = members(2, "2/min")
    one.restore(0, Demand())
    assert isinstance(one.acquire(SECOND, Demand()), Permit | NotUntil)
    log.condense(SECOND, HOUR)
    assert isinstance(other.acquire(2 * SECOND, Demand()), Permit | NotUntil)
    used = [limiter.used(40 * SECOND) for limiter in one.limiters]
    look(one, 40 * SECOND)
    assert used[0] >= 1
