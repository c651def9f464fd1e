"""The tide: an advertised limit is followed from our side, and nonsense stops nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brimline.core.limiter import GUARD
from brimline.core.tide import Tide
from brimline.core.time import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from brimline.types import Advert
from tests.thorough import examples


def advert(limit=None, remaining=None, reset=None, window=None):
    return Advert("requests", limit, remaining, reset, window)


def told(*said, now=0, **options):
    """A tide that has heard so much, each reply to a request sent just before."""
    tide = Tide("requests", **options)
    for mark, each in enumerate(said):
        tide.hear(now, now, 0, mark, each)
    return tide


class Bucket:
    """A server's own bucket, and what it writes into its replies."""

    def __init__(self, limit, window, size=None):
        self.limit, self.window, self.size = limit, window, size or limit
        self.level, self.at = float(self.size), 0

    def take(self, now, amount=1):
        self.level = min(self.size, self.level + (now - self.at) * self.limit / self.window)
        self.at = now
        if self.level < min(amount, self.size):
            return False
        self.level -= amount
        return True

    def says(self, window=None):
        lacking = (self.size - self.level) * self.window / self.limit
        return advert(self.limit, max(0, int(self.level)), round(lacking), window)


class Window:
    """A server's fixed window, which opens at the first request after the last one closed."""

    def __init__(self, limit, window):
        self.limit, self.window, self.used, self.closes, self.at = limit, window, 0, 0, 0

    def take(self, now, amount=1):
        self.at = now
        if now >= self.closes:
            self.closes, self.used = now + self.window, 0
        if self.used + amount > self.limit:
            return False
        self.used += amount
        return True

    def says(self, window=None):
        return advert(self.limit, self.limit - self.used, self.closes - self.at, window)


def drive(tide, server, until, *, latency=0, window=None, whole_seconds=False):
    """Send as soon as the tide allows; return the moments accepted and refused."""
    now, mark, accepted, refused, replies = 0, 0, [], [], []
    while now < until:
        while replies and replies[0][0] <= now:
            when, started, number, said = replies.pop(0)
            tide.hear(when, started, mark - number, number, said)
        when = tide.earliest(now, 1) if mark else now
        if when > now:
            now = min(when, replies[0][0] if replies else when)
            continue
        mark += 1
        if mark > 1:
            tide.take(now, 1)
        (accepted if server.take(now) else refused).append(now)
        said = server.says(window)
        if whole_seconds:
            said = advert(said.limit, said.remaining, -(-said.reset // SECOND) * SECOND, window)
        replies.append((now + latency, now, mark, said))
        if mark == 1:
            now += latency
    return accepted, refused


def test_what_the_first_reply_says_is_what_is_left():
    tide = told(advert(600, 10, MINUTE))
    assert tide.earliest(0, 9) == 0
    assert tide.earliest(0, 11) > 0
    assert tide.left(0) == pytest.approx(10 / 600, rel=0.01)


def test_what_was_sent_after_the_request_is_taken_off():
    tide = Tide("requests")
    tide.hear(0, 0, 7, 3, advert(600, 10, MINUTE))
    assert tide.earliest(0, 2) == 0
    assert tide.earliest(0, 4) > 0


def test_what_is_booked_is_gone_and_flows_back_at_the_rate():
    tide = told(advert(600, 10, MINUTE))
    for _ in range(9):
        assert tide.earliest(0, 1) == 0
        tide.take(0, 1)
    when = tide.earliest(0, 1)
    assert when == pytest.approx(MINUTE / 600, rel=0.01), "one is left over for jitter"
    assert tide.earliest(when - 1, 1) > when - 1
    assert tide.earliest(when, 1) == when
    tide.give(5)
    assert tide.earliest(0, 1) == 0


def test_a_reply_to_an_older_request_changes_nothing():
    tide = Tide("requests")
    tide.hear(0, 0, 0, 5, advert(600, 10, MINUTE))
    assert tide.hear(1, 0, 0, 4, advert(600, 500, 0)) is False
    assert tide.left(0) == pytest.approx(10 / 600, rel=0.01)


def test_less_than_was_thought_is_believed_and_more_only_in_part():
    """The reply took a second, in which something flowed in: the level lies between the two."""
    tide = Tide("requests")
    tide.hear(0, 0, 0, 0, advert(600, 300, MINUTE // 2))
    assert tide.hear(SECOND, 0, 0, 1, advert(600, 100, MINUTE)) is False
    assert tide._level == pytest.approx(110, abs=0.1), "what flowed in while it was on its way is there, too"
    assert tide.hear(SECOND, 0, 0, 2, advert(600, 200, MINUTE)) is True
    assert tide._level == 200


def test_a_reply_says_whether_there_is_more_than_was_thought():
    tide = told(advert(600, 10, MINUTE))
    assert tide.hear(0, 0, 0, 1, advert(600, 5, MINUTE)) is False
    assert tide.hear(0, 0, 0, 2, advert(600, 50, MINUTE)) is True


@pytest.mark.parametrize(
    "said", [advert(), advert(remaining=3), advert(reset=SECOND), advert(limit=5), advert(5, None, SECOND)]
)
def test_what_names_no_amount_or_nothing_that_is_left_changes_no_level(said):
    tide = told(advert(600, 100, MINUTE))
    level = tide._level
    if said.remaining is None:
        assert tide.hear(0, 0, 0, 1, said) is False
        assert tide._level == level
    else:
        tide.hear(0, 0, 0, 1, said)
        assert tide.limit == 600


def test_a_limit_without_a_window_is_taken_per_minute():
    tide = told(advert(600, 10))
    assert tide.rate == 600 / (MINUTE + GUARD)
    assert tide.words == "600 requests/min (advertised)"


def test_a_window_that_is_named_is_believed():
    for window, name in ((SECOND, "s"), (MINUTE, "min"), (HOUR, "h"), (DAY, "day")):
        tide = told(advert(600, 10, None, window))
        assert tide.rate == 600 / (window + GUARD)
        assert tide.words == f"600 requests/{name} (advertised)"
    odd = told(advert(600, 10, None, 10 * SECOND))
    assert odd.words == "3,589 requests/min (advertised)"


def test_two_replies_tell_the_rate_of_a_bucket():
    per_hour = MINUTE * 60 // 6000
    adverts = [advert(6000, 6000 - gone, gone * per_hour) for gone in (10, 100, 200)]
    assert told(*adverts[:2]).rate == 6000 / (MINUTE + GUARD), (
        "a slow rate must be told twice: it would stop everything"
    )
    assert told(*adverts).rate == 6000 / (HOUR + GUARD)
    assert not told(*adverts)._is_window


def test_two_replies_too_near_tell_nothing():
    tide = told(advert(6000, 5990, 6 * SECOND), advert(6000, 5950, 30 * SECOND))
    assert tide.rate == 6000 / (MINUTE + GUARD)
    tide = told(advert(100, 90, 6 * SECOND), advert(100, 87, 600 * SECOND))
    assert tide.rate == 100 / (MINUTE + GUARD)


def test_an_unusual_rate_is_taken_as_measured_from_replies_far_apart():
    per_ten_seconds = 10 * SECOND // 1000
    near = told(advert(1000, 990, 10 * per_ten_seconds), advert(1000, 975, 25 * per_ten_seconds))
    assert near.rate == 1000 / (MINUTE + GUARD)
    far = told(advert(1000, 990, 10 * per_ten_seconds), advert(1000, 900, 100 * per_ten_seconds))
    assert far.rate == pytest.approx(1000 / (10 * SECOND))


def test_where_the_window_is_named_nothing_is_measured():
    tide = told(advert(6000, 5990, SECOND, MINUTE), advert(6000, 5900, HOUR, MINUTE))
    assert tide.rate == 6000 / (MINUTE + GUARD)


def test_what_a_bucket_holds_follows_from_the_time_until_it_is_whole():
    """A minute's limit in a bucket of ten: after a lull ten may go at once, and no more."""
    tide = told(advert(600, 4, 600 * MILLISECOND))
    for _ in range(9):
        tide.take(HOUR, 1)
    assert tide.earliest(HOUR, 1) > HOUR


def test_where_no_reset_is_named_the_most_that_was_left_is_what_it_holds():
    tide = told(advert(600, 20), advert(600, 3))
    assert tide._size == 20
    tide.hear(0, 0, 0, 9, advert(600, 40))
    assert tide._size == 40


def test_a_limit_that_is_only_named_when_it_is_empty_is_taken_as_an_even_flow():
    """A server that names its limit in refusals alone says nothing of its bucket, which may hold two."""
    tide = told(advert(600, 0), advert(600, 0))
    tide.take(HOUR, 1)
    assert tide.earliest(HOUR, 1) == pytest.approx(HOUR + MINUTE / 600, rel=0.01)


def test_of_output_an_empty_bucket_says_nothing_of_what_it_holds():
    tide = told(advert(600, 0), counts_later=True)
    assert tide.earliest(MINUTE + GUARD, 600) == MINUTE + GUARD


def test_a_limit_that_changes_is_followed_and_its_window_stays():
    tide = told(advert(600, 10, MINUTE, HOUR))
    tide.hear(0, 0, 0, 5, advert(1200, 10, MINUTE))
    assert tide.rate == 1200 / (HOUR + GUARD)
    assert tide.limit == 1200


def test_limits_that_change_all_the_time_do_not_slow_the_flow_down():
    """Two deployments behind one name, with limits of their own."""
    tide = Tide("requests")
    for mark in range(10_000):
        tide.hear(mark, mark, 0, mark, advert((600, 900)[mark % 2], 300, 20 * SECOND))
    assert tide.rate == pytest.approx(900 / (MINUTE + GUARD))


def test_a_window_is_told_by_remaining_and_reset_that_fall_together():
    tide = told(advert(100, 90, 50 * SECOND), advert(100, 80, 40 * SECOND))
    assert tide._is_window
    assert tide.earliest(0, 80) == 0
    assert tide.earliest(0, 81) == 40 * SECOND
    assert tide.left(0) == pytest.approx(0.8)
    assert tide.left(40 * SECOND) == 1.0, "then it opens again, whole"


def test_what_is_larger_than_a_window_goes_when_it_opens():
    tide = told(advert(100, 90, 50 * SECOND), advert(100, 80, 40 * SECOND))
    assert tide.earliest(0, 150) == 40 * SECOND
    assert tide.earliest(40 * SECOND, 150) == 40 * SECOND


def test_what_is_larger_than_a_bucket_goes_when_it_is_full():
    tide = told(advert(600, 4, 600 * MILLISECOND))
    when = tide.earliest(0, 150)
    assert when == pytest.approx(600 * MILLISECOND, rel=0.01)
    assert tide.earliest(when, 150) == when


def test_a_window_seems_to_close_no_later_than_any_reply_said():
    tide = told(advert(100, 90, 50 * SECOND), advert(100, 80, 40 * SECOND))
    tide.hear(SECOND, 0, 0, 5, advert(100, 79, 40 * SECOND))  # rounded up, and a second on its way
    assert tide.earliest(SECOND, 99) == 40 * SECOND


def test_time_that_stands_still_or_goes_back_gives_nothing():
    tide = told(advert(600, 10, MINUTE), now=HOUR)
    level = tide._level
    tide.earliest(HOUR - SECOND, 1)
    tide.earliest(0, 1)
    assert tide._level == level


def test_of_output_only_the_rate_is_followed():
    """Output counts when it comes: what is left says nothing about what is on its way."""
    tide = Tide("output_tokens", counts_later=True)
    tide.hear(0, 0, 900, 0, advert(60_000, 30_000, MINUTE // 2))
    assert tide._level == 30_000
    tide.take(0, 20_000)
    tide.hear(0, 0, 20_000, 1, advert(60_000, 30_000, MINUTE // 2))
    assert tide._level == 10_000, "more is not believed"
    tide.hear(0, 0, 0, 2, advert(60_000, 4_000, MINUTE))
    assert tide._level == 4_000
    assert tide.words == "60,000 output tokens/min (advertised)"


@examples(20)
@given(
    limit=st.integers(30, 6000),
    worth=st.floats(0.02, 1.0),
    latency=st.integers(0, 2 * SECOND),
    window=st.sampled_from([None, MINUTE]),
)
def test_a_bucket_is_filled_to_the_brim_and_never_over(limit, worth, latency, window):
    size = max(3, round(limit * worth))
    accepted, refused = drive(
        Tide("requests"), Bucket(limit, MINUTE, size), 3 * MINUTE, latency=latency, window=window
    )
    assert len(refused) <= 3
    assert len(accepted) >= 0.93 * 3 * limit - 3


@examples(20)
@given(
    limit=st.integers(20, 3000),
    window=st.sampled_from([10 * SECOND, MINUTE]),
    latency=st.integers(0, SECOND),
    whole_seconds=st.booleans(),
)
def test_a_fixed_window_is_used_up_each_time_it_opens(limit, window, latency, whole_seconds):
    accepted, refused = drive(
        Tide("requests"),
        Window(limit, window),
        6 * window,
        latency=latency,
        window=window,
        whole_seconds=whole_seconds,
    )
    assert len(accepted) >= 0.75 * 6 * limit
    assert len(refused) <= 0.05 * len(accepted) + 3


NUMBERS = st.one_of(st.none(), st.integers(0, 10), st.integers(0, 10**12))


@examples(200)
@given(
    st.lists(
        st.tuples(
            NUMBERS,
            NUMBERS,
            st.one_of(st.none(), st.integers(0, 40 * DAY)),
            st.sampled_from([None, MINUTE, DAY]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 10**6),
)
@example([(1, 0, 0, None)], 10**6)
def test_nothing_is_divided_by_nothing_whatever_is_said(said, amount):
    tide, now = Tide("tokens"), 0
    tide.hear(0, 0, 0, 0, advert(100, 50, SECOND))
    for mark, each in enumerate(said, 1):
        now += mark
        tide.hear(now, now - mark, amount, mark * amount, advert(*each))
        assert tide.rate > 0
        assert tide.words
        assert tide.left(now) <= 1.0
        when = tide.earliest(now, amount)
        assert isinstance(when, int)
        assert when >= now
        tide.take(now, amount)


@examples(100)
@given(
    limit=st.integers(1, 10_000),
    said=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 120 * SECOND)), max_size=40),
)
def test_what_remains_may_jump_at_random_and_what_is_asked_for_goes_within_two_windows(limit, said):
    """A minute is what a sane reading allows; the last reply may be the worst of all."""
    tide, now = Tide("requests"), 0
    for mark, (remaining, reset) in enumerate(said):
        tide.hear(now, now, 0, mark, advert(limit, min(remaining, limit), reset, MINUTE))
        tide.take(now, 1)
        now += SECOND
    for _ in range(3):
        when = tide.earliest(now, 1) if said else now
        assert when - now <= 2 * (MINUTE + GUARD) + 2 * SECOND
        if said:
            tide.take(when, 1)
        now = when
