"""Limits that are declared while requests are under way: never over the new ones, whatever went before."""

from hypothesis import event, given
from hypothesis import strategies as st

from brimline.core.limiter import GUARD, SLOTS
from brimline.core.limits import LimitSet
from brimline.core.past import GRAINS, Past
from brimline.core.permit import Demand, NotUntil, Permit, Reason
from brimline.core.quota import Dimension, Discipline, Quota, parse_quotas
from brimline.core.time import DAY, HOUR, MINUTE, SECOND
from brimline.testing import strategies
from brimline.types import Usage
from tests.thorough import examples


class Books:
    """Everything that left, as the test sees it: when, and how much as far as is known."""

    def __init__(self, limits):
        self.limits = limits
        self.now = 0
        self.gone = []
        self.out = {}

    def acquire(self, tokens):
        demand = Demand(1, 2 * tokens, tokens, tokens) if self.limits.counts_tokens else Demand()
        if self.limits.impossible(demand):
            return
        answer = self.limits.acquire(self.now, demand)
        if isinstance(answer, NotUntil):
            if answer.when is None:
                return
            self.now = answer.when
            answer = self.limits.acquire(self.now, demand)
        assert isinstance(answer, Permit)
        self.check(demand)
        self.out[answer] = len(self.gone)
        self.gone.append([self.now, demand])

    def check(self, demand):
        """What left in the window that ends now, and what leaves now, fit together into each limit of now."""
        for limiter in self.limits.limiters:
            quota = limiter.quota
            window = quota.window + (GUARD if quota.discipline is Discipline.WINDOW else 0)
            left = [amounts[quota.dimension] for at, amounts in self.gone if at > self.now - window]
            total = sum(left) + demand[quota.dimension]
            event(f"{quota.discipline} {'full' if total == quota.amount else 'not full'}")
            assert total <= quota.amount, quota

    def some(self, number):
        return [*self.out][number % len(self.out)] if self.out else None

    def depart(self, number):
        if (permit := self.some(number)) is not None:
            self.limits.depart(self.now, permit)
            self.gone[self.out[permit]][0] = self.now

    def end(self, number, usage):
        if (permit := self.some(number)) is not None:
            place = self.out.pop(permit)
            self.limits.settle(permit, usage)
            if usage is not None:
                total = usage.input_tokens + usage.output_tokens
                self.gone[place][1] = Demand(1, total, usage.input_tokens, usage.output_tokens)
            self.limits.release(permit)

    def refund(self, number):
        if (permit := self.some(number)) is not None:
            self.limits.refund(permit)
            self.limits.release(permit)
            self.gone[self.out.pop(permit)][1] = Demand(0)


hourly = st.builds(Quota.of, st.integers(1, 60), st.just(HOUR), st.sampled_from(Dimension))
limits = st.lists(
    strategies.quotas() | hourly, max_size=3, unique_by=lambda quota: (quota.dimension, quota.window)
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("wait"), st.sampled_from([1, 10**6, SECOND // 7, SECOND, 9 * SECOND, MINUTE, 20 * MINUTE])
        ),
        st.tuples(st.just("acquire"), st.sampled_from([0, 1, 5, 40, 400])),
        st.tuples(st.just("acquire"), st.sampled_from([0, 1, 5, 40, 400])),
        st.tuples(st.just("depart"), st.integers(0, 9)),
        st.tuples(st.just("end"), st.integers(0, 9), st.none() | strategies.usages()),
        st.tuples(st.just("refund"), st.integers(0, 9)),
        st.tuples(st.just("declare"), limits, st.sampled_from([None, 1, 4, 30])),
    ),
    max_size=120,
)


@examples(400)
@given(limits, steps)
def test_no_window_holds_more_than_the_limits_of_its_end(first, steps):
    books = Books(LimitSet(first))
    for what, *arguments in steps:
        if what == "wait":
            books.now += arguments[0]
        elif what == "declare":
            books.limits.declare(books.now, *arguments)
            event("declared with permits out" if books.out else "declared")
        else:
            getattr(books, what)(*arguments)
    for number in range(len(books.out)):
        books.end(number, None)
    assert books.limits.in_flight == 0


@examples(200)
@given(limits, limits.filter(bool), steps)
def test_what_went_before_holds_nothing_back_for_longer_than_a_window(first, second, steps):
    books = Books(LimitSet(first))
    for what, *arguments in steps:
        if what == "wait":
            books.now += arguments[0]
        elif what != "declare":
            getattr(books, what)(*arguments)
    for _ in range(len(books.out)):
        books.end(0, None)
    second = [quota for quota in second if quota not in first]
    books.limits.declare(books.now, second, None)
    answer = books.limits.acquire(books.now, Demand(1, 1, 1, 1))
    longest = max((quota.window for quota in second), default=0)
    if isinstance(answer, NotUntil):
        assert answer.when <= books.now + (longest + GUARD) * (SLOTS + 1) // SLOTS


@given(limits, steps)
def test_declaring_the_same_again_changes_nothing(quotas, steps):
    books, same = Books(LimitSet(quotas)), Books(LimitSet(quotas))
    for what, *arguments in steps:
        for each in (books, same):
            if what == "wait":
                each.now += arguments[0]
            elif what != "declare":
                getattr(each, what)(*arguments)
        same.limits.declare(same.now, quotas, None)
    assert same.gone == books.gone


def flood(limits, now=0):
    """Everything that may go now."""
    permits = []
    while isinstance(permit := limits.acquire(now, Demand()), Permit):
        permits.append(permit)
    return permits


def test_a_higher_limit_is_used_at_once():
    limits = LimitSet(parse_quotas("60/min"))
    flood(limits)
    limits.declare(SECOND // 2, parse_quotas("6000/min"), None)
    assert len(flood(limits, SECOND // 2)) >= 50


def test_a_lower_limit_waits_until_its_window_has_room():
    limits = LimitSet(parse_quotas("100/min burst 100"))
    assert len(flood(limits)) == 100
    limits.declare(SECOND, parse_quotas("10/min"), None)
    refused = limits.acquire(SECOND, Demand())
    assert refused.when >= MINUTE
    assert refused.when <= SECOND + MINUTE + MINUTE // GRAINS
    assert refused.by.words == "limit 10/min"


def test_a_longer_window_knows_what_went_before_the_shorter_one():
    limits = LimitSet(parse_quotas("100/s"))
    for second in range(3):
        for permit in flood(limits, 2 * second * SECOND):
            limits.settle(permit, None)
    limits.declare(10 * SECOND, parse_quotas("310/h burst 310"), None)
    assert len(flood(limits, 10 * SECOND)) == 10


def test_tokens_that_were_not_limited_before_count_as_soon_as_they_are():
    limits = LimitSet(parse_quotas("100/min burst 100"))
    done, flying = limits.acquire(0, Demand()), limits.acquire(0, Demand())
    limits.settle(done, Usage(600, 100))
    limits.declare(SECOND, parse_quotas("1k tokens/min burst 1000"), None)
    assert limits.counts_tokens
    limits.settle(flying, Usage(200, 50))
    assert isinstance(limits.acquire(SECOND, Demand(1, 51, 51, 0)), NotUntil)
    assert isinstance(limits.acquire(SECOND, Demand(1, 50, 50, 0)), Permit)


def test_what_an_earlier_process_used_counts_in_limits_declared_later():
    limits = LimitSet(())
    limits.restore(-SECOND, Demand(1, 900, 900, 0))
    limits.declare(0, parse_quotas("1k tokens/min burst 1000"), None)
    assert limits.acquire(0, Demand(1, 101, 101, 0)).when >= 59 * SECOND


def test_permits_that_are_out_stay_good_and_keep_their_slots():
    limits = LimitSet(parse_quotas("10/s"), 3)
    held = flood(limits)
    limits.declare(0, parse_quotas("20/min burst 4, 5/s"), 2)
    assert limits.acquire(0, Demand()) == NotUntil(None, Reason("concurrency 2"), is_slot=True)
    for permit in held[:2]:
        limits.depart(SECOND, permit)
        limits.settle(permit, None)
        limits.release(permit)
    assert limits.in_flight == 1
    assert isinstance(limits.acquire(2 * SECOND + GUARD + SECOND, Demand()), Permit)


def test_what_left_late_counts_from_then():
    limits = LimitSet(parse_quotas("5/s"))
    for permit in flood(limits):
        limits.depart(SECOND // 2, permit)
        limits.settle(permit, None)
    flying = limits.acquire(2 * SECOND, Demand())
    limits.depart(3 * SECOND, flying)
    limits.declare(3 * SECOND, parse_quotas("6/min window"), None)
    assert limits.acquire(3 * SECOND, Demand()).when >= MINUTE + GUARD + SECOND // 2
    limits.declare(3 * SECOND, parse_quotas("1/min window"), None)
    assert limits.acquire(3 * SECOND, Demand()).when >= MINUTE + GUARD + 3 * SECOND


def test_the_bucket_is_filled_as_it_would_have_been():
    limits = LimitSet(parse_quotas("30/s"))
    for permit in flood(limits):
        limits.settle(permit, None)
    limits.acquire(50 * SECOND, Demand())
    limits.declare(50 * SECOND, parse_quotas("60/min burst 30"), None)
    assert len(flood(limits, 50 * SECOND)) == 29


def test_a_server_that_asked_to_wait_is_still_believed_and_there_is_no_stampede():
    limits = LimitSet(parse_quotas("600/min"))
    limits.hold(5 * SECOND, Demand(), why="refused (429), the provider says when")
    limits.declare(SECOND, parse_quotas("1200/min"), None)
    assert limits.acquire(SECOND, Demand()).when == 5 * SECOND
    assert len(flood(limits, 5 * SECOND)) == 1
    assert limits.acquire(5 * SECOND, Demand()).when == 5 * SECOND + SECOND // 20


def test_no_limit_at_all_lets_everything_go():
    limits = LimitSet(parse_quotas("1/h"), 1)
    flood(limits)
    limits.declare(0, (), 1000)
    assert len(flood(limits)) == 999


def test_the_past_does_not_grow():
    past = Past()
    for minute in range(3 * 1440):
        for part in range(50):
            past.note(minute * MINUTE + part * SECOND, Demand(1, 2, 1, 1))
    now = 3 * DAY
    assert max(len(span._amounts) for span in (past._minute, past._day)) <= 2 * GRAINS + 1
    for window, least in ((MINUTE, 50), (HOUR, 3000), (DAY, 72_000)):
        known = sum(amounts[Dimension.REQUESTS] for _, amounts in past.within(now, window))
        assert least <= known <= least * 1.05 + 50
