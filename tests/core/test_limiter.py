"""The limiter keeps its quota in every window, names exact times, and equals the slow obvious model."""

from fractions import Fraction

from hypothesis import event, given
from hypothesis import strategies as st

from brimline.core.limiter import GUARD, SLOTS, Limiter
from brimline.core.quota import Dimension, Discipline, Quota
from brimline.core.time import MINUTE, SECOND
from tests.thorough import examples


@st.composite
def quotas(draw, disciplines=tuple(Discipline)):
    amount = draw(st.integers(1, 60))
    discipline = draw(st.sampled_from(disciplines))
    burst = draw(st.integers(1, amount)) if discipline is Discipline.SMOOTH else None
    window = draw(st.sampled_from([SECOND, 10 * SECOND, MINUTE]))
    dimension = draw(st.sampled_from([Dimension.REQUESTS, Dimension.TOKENS]))
    return Quota.of(amount, window, dimension, burst=burst, discipline=discipline)


def arrivals(quota):
    """Steps: wait so long (in 1/100 of a window), then want so much; 0 waits make bursts, big ones idle spells."""
    waits = st.one_of(st.just(0), st.integers(0, quota.window // 20), st.integers(0, 2 * quota.window))
    return st.lists(st.tuples(waits, st.integers(1, quota.amount)), min_size=1, max_size=80)


def run(limiter, steps, start=10**18):
    """Feed arrivals in order; each is granted at the time that was promised. Return the grants."""
    now, grants = start, []
    for wait, amount in steps:
        now += wait
        now = max(now, limiter.earliest(now, amount))
        limiter.take(now, amount)
        grants.append((now, amount))
    return grants


def most_in_any_window(grants, window):
    return max(sum(a for t, a in grants if start <= t < start + window) for start, _ in grants)


@examples(400)
@given(st.data())
def test_never_over_in_any_window(data):
    quota = data.draw(quotas())
    grants = run(Limiter(quota), data.draw(arrivals(quota)))
    window = quota.window + (GUARD if quota.discipline is Discipline.WINDOW else 0)
    most = most_in_any_window(grants, window)
    event("full" if most == quota.amount else "not full")
    assert most <= quota.amount


@examples(400)
@given(st.data())
def test_a_promised_time_is_exact(data):
    """Refused one nanosecond before it, granted at it."""
    quota = data.draw(quotas())
    limiter = Limiter(quota)
    now = run(limiter, data.draw(arrivals(quota)))[-1][0]
    amount = data.draw(st.integers(1, quota.amount))
    when = limiter.earliest(now, amount)
    event("refused" if when > now else "granted")
    if when > now:
        assert limiter.earliest(when - 1, amount) == when
    assert limiter.earliest(max(now, when), amount) <= max(now, when)


@examples(400)
@given(st.data())
def test_smooth_equals_a_bucket_and_a_log_replayed_in_fractions(data):
    quota = data.draw(quotas(disciplines=[Discipline.SMOOTH]))
    steps = data.draw(arrivals(quota))
    assert run(Limiter(quota), steps) == list(obvious(quota, steps, 10**18))


def obvious(quota, steps, now):
    """A bucket that fills, and a list of everything that ever went; slow, and plain to see."""
    rate = Fraction(quota.amount, quota.window)
    level, filled_at, log = Fraction(quota.burst), now, []
    grain = quota.window // SLOTS
    for wait, amount in steps:
        now += wait
        needed = min(amount, quota.burst)
        level, filled_at = min(Fraction(quota.burst), level + (now - filled_at) * rate), now
        if level < needed:
            pause = (needed - level) / rate
            now = -(-(now * pause.denominator + pause.numerator) // pause.denominator)
        while sum(a for t, a in log if t + quota.window > now) + amount > quota.amount:
            now = min(t + quota.window for t, _ in log if t + quota.window > now)
        level = min(Fraction(quota.burst), level + (now - filled_at) * rate) - amount
        filled_at = now
        log.append((-(-now // grain) * grain, amount))
        yield now, amount


@examples(400)
@given(st.data())
def test_a_settled_booking_is_the_same_as_the_right_one_from_the_start(data):
    quota = data.draw(quotas())
    steps = data.draw(arrivals(quota))
    amount, actual = data.draw(st.integers(0, quota.amount)), data.draw(st.integers(0, quota.amount))
    settled, right = Limiter(quota), Limiter(quota)
    run(settled, steps)
    now = run(right, steps)[-1][0]
    settled.take(now, amount)
    settled.amend(now, actual - amount)
    right.take(now, actual)
    wanted = data.draw(st.integers(1, quota.amount))
    assert settled.earliest(now, wanted) == right.earliest(now, wanted)


def test_an_even_flow_after_the_burst():
    limiter = Limiter(Quota.of(600, MINUTE))
    grants = [t for t, _ in run(limiter, [(0, 1)] * 200, start=0)]
    assert grants[:9] == [0] * 9
    assert grants[9:] == [k * SECOND // 10 for k in range(1, 192)]


def test_the_first_minute_does_not_take_burst_and_rate():
    limiter = Limiter(Quota.of(600, MINUTE))
    grants = [t for t, _ in run(limiter, [(0, 1)] * 1300, start=0)]
    assert sum(t < MINUTE for t in grants) == 600
    assert grants[-1] < 2 * MINUTE + 11 * SECOND


def test_a_window_holds_its_amount_and_the_guard():
    limiter = Limiter(Quota.of(2, SECOND))
    grants = [t for t, _ in run(limiter, [(0, 1)] * 6, start=0)]
    assert grants[:2] == [0, 0]
    assert all(t >= k * (SECOND + GUARD) for t, k in zip(grants[2:], [1, 1, 2, 2], strict=True))
    assert grants[-1] < 2 * (SECOND + GUARD) + SECOND // 1000


def test_more_than_the_burst_goes_on_a_full_bucket_and_leaves_a_debt():
    limiter = Limiter(Quota.of(6000, MINUTE, Dimension.TOKENS, burst=1000))
    assert limiter.earliest(0, 4000) <= 0
    limiter.take(0, 4000)
    assert limiter.earliest(0, 1) == 3001 * MINUTE // 6000
    assert limiter.earliest(0, 2000) == 4000 * MINUTE // 6000, "it waits for a full bucket"


def test_a_hold_lets_the_amount_go_at_the_named_moment_and_then_flows_at_the_rate():
    limiter = Limiter(Quota.of(600, MINUTE))
    limiter.hold(5 * SECOND, 1)
    grants = [t for t, _ in run(limiter, [(0, 1)] * 4, start=0)]
    assert grants == [5 * SECOND + k * SECOND // 10 for k in range(4)]


@examples(400)
@given(st.data())
def test_a_hold_never_makes_anything_earlier(data):
    quota = data.draw(quotas())
    limiter = Limiter(quota)
    now = run(limiter, data.draw(arrivals(quota)))[-1][0]
    amount = data.draw(st.integers(1, quota.amount))
    before = limiter.earliest(now, amount)
    limiter.hold(now + data.draw(st.integers(-SECOND, MINUTE)), data.draw(st.integers(1, quota.amount)))
    assert limiter.earliest(now, amount) >= before


@examples(400)
@given(st.data())
def test_what_departs_late_counts_from_then(data):
    """Invariant 4 speaks of what left: moving a booking to its departure keeps every window of departures."""
    quota = data.draw(quotas(disciplines=[Discipline.WINDOW]))
    limiter, now, departures = Limiter(quota), 0, []
    for delay in data.draw(st.lists(st.integers(0, quota.window // 10), min_size=1, max_size=60)):
        now = max(now, limiter.earliest(now, 1))
        limiter.take(now, 1)
        limiter.move(now, now + delay, 1)
        now += delay
        departures.append((now, 1))
    assert most_in_any_window(departures, quota.window) <= quota.amount


def test_the_log_stays_small():
    limiter = Limiter(Quota.of(1_000_000, MINUTE, burst=1_000_000))
    for step in range(50_000):
        limiter.take(step * MINUTE // 50_000, 1)
    assert len(limiter._log._order) <= SLOTS + 1
