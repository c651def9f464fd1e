"""Buckets, windows and slots: exact, never over, and the same as a slow and obvious model."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sim.amounts import SECOND, Rate
from brimline.sim.limits import Bucket, Gauge, Slots, Window

rates = st.builds(
    lambda amount, period: Rate.parse(f"{amount}/{period}"),
    st.integers(1, 5_000),
    st.sampled_from(["s", "min", "h", "day"]),
)
sizes = st.integers(1, 200)
pauses = st.integers(0, 3 * SECOND) | st.sampled_from(["as told", "too early"])
arrivals = st.lists(st.tuples(pauses, st.integers(1, 250)), max_size=40)


def bucket(rate="600/min", size=10, now=0):
    return Bucket("requests", Rate.parse(rate), size, now)


def resolve(meter, now, pause, cost):
    """When a request comes: after a pause, when it was told to, or a nanosecond too early."""
    told = now + meter.wait(now, cost)
    return now + pause if isinstance(pause, int) else max(now, told if pause == "as told" else told - 1)


def admitted(meter, steps, cost_limit=250):
    """Let requests arrive one after another; now, and the (moment, cost) of those that fitted."""
    now, granted = 0, []
    for pause, asked in steps:
        cost = min(asked, cost_limit)
        now = resolve(meter, now, pause, cost)
        if meter.wait(now, cost) == 0:
            meter.take(now, cost)
            granted.append((now, cost))
    return now, granted


@given(rates, sizes, arrivals)
def test_a_bucket_never_gives_more_than_its_size_and_what_flowed_in(rate, size, steps):
    _, granted = admitted(Bucket("tokens", rate, size, 0), steps, cost_limit=size)
    for i, (start, _) in enumerate(granted):
        for j in range(i, len(granted)):
            length = granted[j][0] - start
            taken = sum(cost for _, cost in granted[i : j + 1])
            assert taken <= size + Fraction(rate.amount * length, rate.period_ns)


@given(rates, sizes, arrivals)
def test_a_bucket_equals_the_obvious_model(rate, size, steps):
    meter, level, now = Bucket("tokens", rate, size, 0), Fraction(size), 0
    for pause, cost in steps:
        then, now = now, resolve(meter, now, pause, cost)
        level = min(Fraction(size), level + Fraction(rate.amount * (now - then), rate.period_ns))
        fits = level >= min(cost, size)
        assert (meter.wait(now, cost) == 0) == fits
        if fits:
            meter.take(now, cost)
            level -= cost
        assert meter.gauge(now).remaining == max(0, level // 1)


@given(rates, sizes, arrivals, st.integers(1, 250))
def test_a_wait_is_exact(rate, size, steps, cost):
    meter = Bucket("tokens", rate, size, 0)
    now, _ = admitted(meter, steps)
    wait = meter.wait(now, cost)
    if wait:
        assert meter.wait(now + wait - 1, cost) == 1
    assert meter.wait(now + wait, cost) == 0


@given(rates, sizes, arrivals)
def test_reset_is_when_the_bucket_is_full(rate, size, steps):
    meter = Bucket("tokens", rate, size, 0)
    now, _ = admitted(meter, steps)
    reset = meter.gauge(now).reset
    if reset:
        assert meter.gauge(now + reset - 1).reset == 1
    assert meter.gauge(now + reset) == Gauge(rate.amount, size, 0)


@given(rates, sizes, rates, sizes, arrivals)
def test_a_change_mints_nothing(rate, size, other, other_size, steps):
    meter = Bucket("tokens", rate, size, 0)
    now, _ = admitted(meter, steps)
    before = meter.gauge(now).remaining
    meter.change(now, other, other_size)
    assert min(before, other_size) - 1 <= meter.gauge(now).remaining <= min(before, other_size)


def test_a_clock_that_goes_back_brings_nothing():
    meter = bucket(now=SECOND)
    assert meter.gauge(0).remaining == 10
    meter.take(0, 10)
    assert meter.wait(SECOND, 1) == SECOND // 10


def test_a_cost_above_the_size_waits_for_a_full_bucket_and_leaves_a_debt():
    meter = bucket("600/min", 10)
    meter.take(0, 25)
    assert meter.gauge(0).remaining == 0
    assert meter.wait(0, 1) == 16 * SECOND // 10
    assert meter.wait(0, 25) == 25 * SECOND // 10


def test_a_cost_above_bucket_and_period_never_fits():
    assert bucket("20/min", 5).holds(20)
    assert not bucket("20/min", 5).holds(21)


class SlowapiStorage:
    """limits.storage.MemoryStorage as slowapi uses it: refused hits count too, but do not prolong."""

    def __init__(self):
        self.count, self.expires = 0, -1

    def hit(self, now, limit, length):
        if self.expires <= now:
            self.count = 0
        self.count += 1
        if self.count == 1:
            self.expires = now + length
        return self.count <= limit


@given(st.integers(1, 5), st.lists(pauses, max_size=60))
def test_a_window_does_what_slowapi_does(limit, steps):
    window, slowapi, now = Window(limit, SECOND), SlowapiStorage(), 0
    for pause in steps:
        now = resolve(window, now, pause, 1)
        fits = window.wait(now) == 0
        if fits:
            window.take(now)
        assert fits == slowapi.hit(now, limit, SECOND)


@given(st.integers(1, 5), st.lists(pauses, max_size=60))
def test_the_wait_for_a_window_is_exact(limit, steps):
    window = Window(limit, SECOND)
    now, _ = admitted(window, [(pause, 1) for pause in steps])
    wait = window.wait(now)
    if wait:
        assert window.wait(now + wait - 1) == 1
    assert window.wait(now + wait) == 0


def test_a_window_opens_at_the_first_request_not_with_the_second():
    window = Window(2, SECOND)
    window.take(SECOND * 9 // 10)
    window.take(SECOND * 19 // 10 - 1)
    assert window.wait(SECOND * 19 // 10 - 1) == 1
    assert window.gauge(SECOND) == Gauge(2, 0, SECOND * 9 // 10)
    assert window.gauge(2 * SECOND) == Gauge(2, 2, 0)


def test_slots_serve_the_line_in_order():
    slots = Slots(limit=2)
    assert [slots.enter(name) for name in "abcd"] == [True, True, False, False]
    assert slots.leave() == ["c"]
    slots.abandon("d")
    assert slots.leave() == []
    assert (slots.busy, slots.full) == (1, False)


def test_a_raised_limit_lets_several_in_at_once():
    slots = Slots(limit=1)
    for name in "abcd":
        slots.enter(name)
    slots.limit = 3
    assert not slots.enter("e")
    assert slots.leave() == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("period", "name"), [("min", "requests per min (RPM)"), ("day", "requests per day (RPD)")]
)
def test_a_bucket_is_named_as_openai_does(period, name):
    assert bucket(f"5/{period}").name == name
