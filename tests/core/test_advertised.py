"""What is advertised joins what is declared in one decision: `LimitSet.hear`, `refuse` and what the dispatcher makes of it."""

import random

import pytest

from brimline.core.dispatcher import Dispatcher
from brimline.core.learned import Learned
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil, Permit
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import NeedRequests, Start, Wait
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.types import Advert, Fault, FaultKind, Request, Response, Usage

OK = Response(text="yes", usage=Usage(10, 5))


def advert(dimension="requests", limit=600, remaining=300, reset=MINUTE, window=MINUTE):
    return Advert(dimension, limit, remaining, reset, window)


def limits_that_heard(*adverts, quota="", now=0, demand=None, learned=None):
    limits = LimitSet(parse_quotas(quota) if quota else (), learned=learned)
    permit = limits.acquire(now, demand or Demand())
    limits.hear(now, permit, adverts)
    limits.settle(permit, None)
    limits.release(permit)
    return limits


def granted(limits, now=0, demand=None, most=10_000):
    """How many are granted at once."""
    demand = demand or Demand()
    for count in range(most):
        if isinstance(limits.acquire(now, demand), NotUntil):
            return count
    return most


def test_what_is_advertised_binds_beside_what_is_declared():
    assert granted(limits_that_heard(advert(remaining=5))) == 4
    assert granted(limits_that_heard(advert(remaining=5), quota="100/s")) == 4
    assert granted(limits_that_heard(advert(remaining=500), quota="10/s")) == 9


def test_the_obstacle_says_that_it_was_advertised_and_whether_size_matters():
    limits = limits_that_heard(advert(remaining=1))
    refusal = limits.acquire(0, Demand())
    assert (refusal.by.words, refusal.is_size) == ("600 requests/min (advertised)", False)
    limits = limits_that_heard(advert("tokens", 60_000, 100))
    refusal = limits.acquire(0, Demand(1, 500, 500, 0, 500))
    assert (refusal.by.words, refusal.is_size) == ("60,000 tokens/min (advertised)", True)


def test_each_dimension_and_window_is_a_limit_of_its_own():
    limits = limits_that_heard(
        advert(), advert(window=HOUR), advert("input_tokens"), advert("tokens"), advert("output_tokens")
    )
    assert len(limits.tides) == 5
    assert sorted({place for place, _ in limits.tides}) == [0, 2, 3, 4]


@pytest.mark.parametrize(
    "said", [advert(limit=None), advert(limit=0), advert(remaining=None), advert(limit=None, remaining=None)]
)
def test_a_limit_of_unknown_amount_or_state_is_not_followed(said):
    limits = limits_that_heard(said)
    assert limits.tides == {}
    assert granted(limits, 0, most=50) == 50


def test_tokens_are_counted_from_when_they_are_advertised():
    assert not limits_that_heard(advert()).counts_tokens
    assert limits_that_heard(advert("tokens")).counts_tokens


def test_what_was_sent_after_the_request_that_was_answered_is_taken_off():
    limits = LimitSet()
    first = limits.acquire(0, Demand())
    later = [limits.acquire(0, Demand()) for _ in range(3)]
    assert len(later) == 3
    limits.hear(0, first, (advert(remaining=5),))
    assert granted(limits, 0) == 1, "three of the five are gone, and one is kept for jitter"


def test_hearing_says_whether_something_is_possible_earlier():
    limits = LimitSet()
    permits = [limits.acquire(0, Demand()) for _ in range(3)]
    assert limits.hear(0, permits[0], (advert(remaining=5),)) is False, "nothing was in the way"
    assert limits.hear(0, permits[1], (advert(remaining=2),)) is False
    assert limits.hear(0, permits[2], (advert(remaining=200), advert("tokens", remaining=1))) is True


def test_a_reservation_of_output_is_given_back_when_it_is_settled():
    limits = limits_that_heard(advert("output_tokens", 6000, 1000))
    permit = limits.acquire(0, Demand(1, 900, 0, 900, 0))
    assert isinstance(limits.acquire(0, Demand(1, 900, 0, 900, 0)), NotUntil)
    limits.settle(permit, Usage(0, 20))
    assert isinstance(limits.acquire(0, Demand(1, 800, 0, 800, 0)), Permit)


def test_a_refusal_that_was_foreseen_teaches_nothing():
    limits = limits_that_heard(advert(remaining=1), learned=Learned())
    permit = Permit(Demand(), 0, 9, Demand(9))
    empty = [advert(remaining=0)]
    assert limits.refuse(0, permit, None, empty, is_named=False) is True, "it is known when there is more"
    assert limits.learned.paces[0]._refused == 0


def test_a_refusal_with_something_left_has_another_reason():
    """As many may be in flight as are: the bucket that is advertised is no explanation, however little flows in."""
    limits = limits_that_heard(advert(remaining=1), learned=Learned())
    permit = Permit(Demand(), 0, 9, Demand(9))
    limits.refuse(0, permit, None, [advert(remaining=1)], is_named=False)
    assert limits.learned.crowd.size == 8
    assert limits.learned.crowd.ceiling == 8


def test_a_refusal_for_tokens_that_nobody_counted_makes_them_count():
    limits = LimitSet(learned=Learned())
    permit = limits.acquire(0, Demand())
    assert limits.refuse(0, permit, 4, (), is_named=False) is False
    assert limits.counts_tokens
    assert 4 not in limits.learned.paces
    permit = limits.acquire(0, Demand(1, 100, 100, 0, 100))
    limits.refuse(0, permit, 4, (), is_named=False)
    assert 4 in limits.learned.paces


def test_without_anything_that_learns_a_refusal_teaches_nothing():
    limits = LimitSet()
    permit = limits.acquire(0, Demand())
    assert limits.refuse(0, permit, None, (), is_named=False) is False
    limits.accept(0, permit, Usage(1, 1))


def test_plenty_is_more_than_half_of_everything_that_is_advertised():
    permit = Permit(Demand(), 0, 1, Demand(1))
    assert not LimitSet().has_plenty(0, permit), "nothing is advertised"
    assert limits_that_heard(advert(remaining=400)).has_plenty(0, permit)
    assert not limits_that_heard(advert(remaining=250)).has_plenty(0, permit)
    assert not limits_that_heard(advert(remaining=400), advert("tokens", remaining=5)).has_plenty(0, permit)
    assert limits_that_heard(advert(remaining=250)).has_plenty(MINUTE, permit), "it has flowed in since"


def test_an_estimate_that_has_grown_is_made_to_fit_each_quota():
    limits = LimitSet(parse_quotas("1000 tokens/min, 300 output tokens/min, 10/min"))
    fitted = limits.fitted(Demand(1, 5000, 200, 4800, 5000))
    assert fitted == Demand(1, 1000, 200, 300, 5000)
    assert limits.impossible(fitted) is None
    possible = Demand(1, 1000, 200, 300, 0)
    assert limits.fitted(possible) is possible


def test_a_wait_that_the_server_names_is_no_lull_for_the_pace():
    limits = LimitSet(learned=Learned())
    limits.hold(HOUR, Demand(), why="the server says so")
    assert limits.learned.paces[0]._taken_at == HOUR


class Bench:
    """A dispatcher with one lane that learns, driven by hand."""

    def __init__(self, tokens=(), quota="", rows=30):
        self.dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(1))
        self.now = 0
        quotas = parse_quotas(quota) if quota else ()
        self.lane = self.dispatcher.open(
            "run", "lab/x", [Way("lab/x", LimitScope("lab", "x"), lambda: LimitSet(quotas))], room=10
        )
        sizes = tokens or [10] * rows
        self.dispatcher.offer(
            self.lane,
            [
                Request(
                    id=n,
                    model="lab/x",
                    messages=({"role": "user", "content": "x" * (4 * size)},),
                    params={"max_tokens": 1},
                )
                for n, size in enumerate(sizes)
            ],
        )
        self.dispatcher.exhaust(self.lane)

    def starts(self):
        attempts = []
        while isinstance(step := self.dispatcher.next(self.now), Start | NeedRequests):
            if isinstance(step, Start):
                self.dispatcher.depart(self.now, step.attempt)
                attempts.append(step.attempt)
        self.step = step
        return attempts

    def ids(self):
        return [attempt.ticket.request.id for attempt in self.starts()]

    def end(self, attempt, *adverts):
        attempt.adverts = adverts
        self.dispatcher.conclude(self.dispatcher.settle(self.now, attempt, OK).ticket)
        self.dispatcher.release(attempt)


def test_a_reply_that_says_there_is_more_wakes_the_scope_at_once():
    bench = Bench(rows=1)
    (first,) = bench.starts()
    bench.dispatcher.offer(bench.lane, [Request(id=n, model="lab/x", messages=()) for n in range(100, 120)])
    second, *_ = attempts = bench.starts()
    assert len(attempts) == 20
    bench.dispatcher.offer(bench.lane, [Request(id=n, model="lab/x", messages=()) for n in range(200, 210)])
    attempt = bench.starts()[0]
    bench.end(attempt, advert(remaining=0))
    bench.dispatcher.offer(bench.lane, [Request(id=300, model="lab/x", messages=())])
    assert bench.starts() == []
    assert isinstance(bench.step, Wait)
    late = bench.step.until
    bench.end(first, advert(remaining=500))
    bench.end(second)
    assert bench.starts() == [], "what older requests were told is old"
    assert bench.step.until == late


def test_adverts_on_a_failed_attempt_count_too():
    bench = Bench(rows=10)
    attempts = bench.starts()
    last = attempts[-1]
    last.adverts = (advert(remaining=0),)
    bench.dispatcher.settle(0, last, Fault(FaultKind.SERVER_ERROR, "oh", http_status=500))
    bench.dispatcher.release(last)
    assert len(bench.lane.scope.limits.tides) == 1


def test_a_small_request_passes_a_large_one_that_waits_for_tokens():
    bench = Bench(tokens=[100, 1, 600, 1, 1], quota="1000 tokens/min burst 400")
    assert bench.ids() == [0, 1, 3, 4]
    assert isinstance(bench.step, Wait)


def pass_times(bench, until):
    """When each request starts, by its id, if nothing is ever answered."""
    started = {}
    while bench.now <= until:
        for number in bench.ids():
            started[number] = bench.now
        if not isinstance(bench.step, Wait):
            break
        bench.now = bench.step.until
    return started


def test_passing_ends_and_the_large_one_goes_before_what_would_pass_it_for_ever():
    sizes = [300, 500, *[20] * 200]
    bench = Bench(tokens=sizes, quota="6k tokens/min burst 600")
    started = pass_times(bench, 5 * MINUTE)
    order = sorted(started, key=started.get)
    assert 1 in started, "it is never starved"
    assert started[1] < 30 * SECOND
    assert set(order[: order.index(1)]) - {0}, "small ones passed it"
    assert len(started) == len(sizes)


def test_nothing_passes_where_size_is_not_what_is_in_the_way():
    bench = Bench(tokens=[500, 1, 1], quota="60/min, 100k tokens/min")
    assert bench.ids() == [0]
    bench.now = bench.step.until
    assert bench.ids() == [1]
