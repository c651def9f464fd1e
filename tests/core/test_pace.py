"""The pace: a rate is found from refusals, kept, and left again when the limit moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.pace import DOUBLING, DOUBTS, FEW, LULL, PLATEAU, START, Pace
from brimline.core.time import HOUR, MILLISECOND, SECOND
from tests.thorough import examples


class Bucket:
    """A server: so many a second, and so many at once."""

    def __init__(self, rate, size):
        self.rate, self.size, self.level, self.at = rate, size, size, 0

    def admits(self, now):
        self.level = min(self.size, self.level + self.rate * (now - self.at) / SECOND)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Client:
    """Sends one request after another, each refusal known at once, and as fast as `fastest` while nothing is found."""

    def __init__(self, server, fastest, *, is_named=False):
        self.pace, self.server, self.gap, self.is_named = Pace(0), server, round(SECOND / fastest), is_named
        self.now, self.sent = 0, 0
        self.accepted, self.refused = [], []

    def run(self, until):
        while self.now < until * SECOND:
            self.sent += 1
            self.pace.take(self.now, 1, self.sent)
            if self.server.admits(self.now):
                self.accepted.append(self.now)
            else:
                self.refused.append(self.now)
                self.pace.refuse(self.now, self.now, self.sent, 1, guess=not self.is_named)
                self.pace.skip(self.now, 1)
            self.now = max(self.now + self.gap, self.pace.earliest(self.now))
        return self

    def rate(self, start, end):
        return sum(start * SECOND <= at < end * SECOND for at in self.accepted) / (end - start)

    def refusals(self, start, end):
        return sum(start * SECOND <= at < end * SECOND for at in self.refused)


def found_pace(rate=10.0, attempts=FEW + 1, now=0):
    """A pace that has seen `attempts` go at `rate` between two refusals, the second of them now."""
    pace = Pace(0)
    start = now - round(attempts * SECOND / rate)
    pace.take(start, 1, 1)
    pace.refuse(start, start, 1, 1, guess=False)
    for mark in range(2, attempts + 2):
        at = start + (mark - 1) * (now - start) // attempts
        pace.take(at, 1, mark)
    pace.refuse(now, now, attempts + 1, 1, guess=False)
    return pace


def go(pace, now):
    """One more goes."""
    pace.take(now, 1, pace._sent + 1)


def use(pace, now, until):
    """Take every beat, and never be refused."""
    while (when := max(now, pace.earliest(now))) <= until:
        now = when
        go(pace, now)
    return now


def test_nothing_is_paced_before_a_rate_is_found():
    pace = Pace(0)
    for mark in range(1, 100):
        pace.take(7, 1, mark)
        assert pace.earliest(7) == 7
    assert pace.found is None
    assert pace.share == 1.0
    pace.skip(7, 1)
    assert pace.earliest(7) == 7


def test_what_was_accepted_between_two_refusals_is_the_rate():
    pace = found_pace(rate=20.0, attempts=40)
    assert pace.found == pytest.approx(20.0 * 39 / 40)  # the second refusal took none
    assert pace.share == START


def test_refusals_of_a_burst_are_not_accepted():
    pace = Pace(0)
    pace.take(0, 1, 1)
    pace.refuse(0, 0, 1, 1, guess=False)
    for mark in range(2, 22):
        pace.take(mark * SECOND // 10, 1, mark)
    for _ in range(9):
        pace.count(1)
    pace.refuse(4 * SECOND, 4 * SECOND, 21, 1, guess=False)
    assert pace.found == pytest.approx((20 - 9 - 1) / 4)


def test_the_pair_that_tells_of_the_highest_rate_is_believed():
    """Between the first two the bucket ran over, so that they tell of too little."""
    pace = Pace(0)
    for mark in range(1, 9):
        pace.take(mark * SECOND, 1, mark)
        if mark in {1, 8}:
            pace.refuse(mark * SECOND, mark * SECOND, mark, 1, guess=False)
    assert pace.found == pytest.approx(6 / 7)
    pace._grown = HOUR  # as if it had not been refused for long
    for mark in range(9, 69):
        now = 8 * SECOND + (mark - 8) * SECOND // 10
        pace.take(now, 1, mark)
    pace.refuse(now, now, 68, 1, guess=False)
    assert pace.found == pytest.approx(59 / 6)


def test_two_refusals_of_the_same_moment_tell_nothing():
    pace = Pace(0)
    for mark in (1, 2, 3):
        pace.take(5, 1, mark)
    pace.refuse(6, 5, 2, 1, guess=False)
    pace.refuse(7, 5, 3, 1, guess=False)
    assert pace.found is None


def test_a_single_refusal_sets_an_upper_bound_only_if_nobody_names_a_wait():
    def refused(*, guess):
        pace = Pace(0)
        for mark in range(1, 41):
            pace.take(mark * SECOND // 10, 1, mark)
        pace.refuse(4 * SECOND, 4 * SECOND, 40, 1, guess=guess)
        return pace

    assert refused(guess=False).found is None
    pace = refused(guess=True)
    assert 9.0 <= pace.found <= 12.0
    assert pace._evidence == 1, "it is doubted, and so left again soon"


def test_the_first_attempt_of_all_may_be_refused():
    pace = Pace(0)
    pace.take(0, 1, 1)
    pace.refuse(1, 0, 1, 1, guess=True)
    assert pace.found is None
    assert pace.earliest(1) == 1


def test_the_flow_is_even_and_a_little_below_what_was_found():
    pace = found_pace(rate=10.0, attempts=100)
    now, gaps = pace.earliest(0), []
    for _ in range(10):
        go(pace, now)
        gaps.append(pace.earliest(now) - now)
        now += gaps[-1]
    even = SECOND / (pace.found * START)
    assert all(even * 0.99 < gap <= even * 1.001 for gap in gaps)


def test_a_late_start_is_made_up_for_by_no_more_than_one_beat():
    pace = found_pace(rate=10.0, attempts=100)
    beat = round(SECOND / (pace.found * START))
    go(pace, 3 * SECOND)
    assert pace.earliest(3 * SECOND) == 3 * SECOND, "one may follow at once"
    go(pace, 3 * SECOND)
    assert pace.earliest(3 * SECOND) == pytest.approx(3 * SECOND + beat, rel=1e-3), "and then none"


def test_a_larger_amount_takes_a_longer_beat():
    pace = found_pace(rate=10.0, attempts=100)
    start = pace.earliest(0)
    pace.take(start, 5, pace._sent + 5)
    assert pace.earliest(start) - start == pytest.approx(5 * SECOND / (pace.found * START), rel=0.01)


def test_skipping_leaves_a_beat_out():
    pace = found_pace(rate=10.0, attempts=100)
    beat = round(SECOND / (pace.found * START))
    before = max(0, pace.earliest(0))
    pace.skip(0, 1)
    assert pace.earliest(0) == before + beat


def test_used_without_refusal_it_gets_back_to_what_was_found_and_then_doubles():
    pace = found_pace(rate=100.0, attempts=400)
    now = use(pace, 0, PLATEAU)
    assert pace.share == pytest.approx(1.0, abs=0.002)
    now = use(pace, now, PLATEAU + DOUBLING // 2)
    assert pace.share == pytest.approx(1.25, abs=0.02), "slowly at first"
    use(pace, now, PLATEAU + DOUBLING)
    assert pace.share == pytest.approx(2.0, abs=0.03)


def test_at_a_slow_rate_it_grows_by_attempts_and_not_by_time():
    pace = found_pace(rate=0.1, attempts=100)
    use(pace, 0, PLATEAU + DOUBLING)
    assert pace.share < 1.0, "four attempts have said nothing"


def test_it_does_not_grow_while_it_is_not_used():
    pace = found_pace(rate=10.0, attempts=100)
    share = pace.share
    go(pace, HOUR)
    assert pace.share < share + 0.001


def test_found_from_little_it_grows_soon():
    few, many = found_pace(rate=10.0, attempts=6), found_pace(rate=10.0, attempts=60)
    use(few, 0, 4 * SECOND)
    use(many, 0, 4 * SECOND)
    assert few.share > 1.0 > many.share


def test_a_refusal_above_what_was_found_corrects_it_at_once():
    pace = found_pace(rate=50.0, attempts=200)
    now = use(pace, 0, PLATEAU + DOUBLING)
    assert pace.share > 1.5
    pace.refuse(now, now, pace._sent, 1, guess=False)
    assert pace.share == START
    assert pace.found > 55.0, "more was let through than had been found"


def test_a_single_refusal_at_or_below_what_was_found_means_nothing():
    pace = found_pace(rate=10.0, attempts=100)
    now = use(pace, 0, 5 * SECOND)
    found, share = pace.found, pace.share
    pace.refuse(now, now, pace._sent, 1, guess=True)
    assert (pace.found, pace.share) == (found, share)


@pytest.mark.parametrize(("every", "is_believed"), [(5, True), (18, False)])
def test_several_refusals_close_together_mean_that_the_limit_has_dropped(every, is_believed):
    pace = found_pace(rate=10.0, attempts=100)
    found, now = pace.found, 0
    for _ in range(DOUBTS):
        for _ in range(every):
            now = max(now, pace.earliest(now))
            go(pace, now)
        pace.count(every // 2)
        pace.refuse(now, now, pace._sent, 1, guess=False)
    assert (pace.found < 0.8 * found) is is_believed


def test_what_is_forgotten_paces_nothing():
    pace = found_pace()
    pace.forget()
    assert pace.found is None
    assert pace.earliest(123) == 123
    pace.take(200, 1, 900)
    pace.refuse(300, 300, 900, 1, guess=False)
    assert pace.found is None, "and the refusals before are forgotten with it"


def test_a_lull_makes_the_refusals_before_it_mean_nothing():
    """An hour in which nothing was asked for is no hour in which nothing was let through."""
    pace = Pace(0)
    for mark in range(1, 7):
        pace.take(0, 1, mark)
    pace.refuse(0, 0, 6, 1, guess=False)
    for mark in range(7, 20):
        pace.take(HOUR, 1, mark)
    pace.refuse(HOUR, HOUR, 19, 1, guess=False)
    assert pace.found is None


def test_a_wait_that_the_server_names_is_no_lull():
    pace = Pace(0)
    for mark in range(1, 5):
        now = mark * 3 * LULL
        pace.take(now, 1, 2 * mark)
        pace.refuse(now, now, 2 * mark, 1, guess=False)
        pace.hold(now + 3 * LULL)
    assert pace.found == pytest.approx(SECOND / (3 * LULL))


def test_the_words_say_what_is_counted_and_how_much_flows():
    pace = found_pace(rate=10.0, attempts=100)
    assert pace.words == f"{pace.found * START:.1f} requests/s (learned)"
    tokens = Pace(4)
    tokens.found, tokens._evidence = 12345.6, FEW
    assert tokens.words == "11,975 tokens/s (learned)"
    assert Pace(0).words == "0.0 requests/s (learned)"


def test_attempts_that_count_nothing_divide_by_nothing():
    """An exchange of no tokens at all: the mark stands still."""
    pace = Pace(4)
    for now in range(5):
        pace.take(now, 0, 0)
        pace.refuse(now, now, 0, 0, guess=True)
        pace.skip(now, 0)
    assert pace.found is None
    assert pace.share == 1.0
    assert "tokens/s" in pace.words


@examples(60)
@given(
    rate=st.floats(0.5, 200.0),
    worth=st.floats(0.2, 5.0),
    haste=st.floats(1.3, 8.0),
    is_named=st.booleans(),
)
def test_whatever_the_bucket_the_rate_is_found_and_kept(rate, worth, haste, is_named):
    size = max(2, round(rate * worth))
    client = Client(Bucket(rate, size), haste * rate, is_named=is_named)
    empty = size / (haste - 1) / rate  # seconds until the first refusal
    start = empty + max(30.0, 150 / rate)
    end = start + max(30.0, 150 / rate)
    client.run(end)
    got, refused = client.rate(start, end), client.refusals(start, end)
    assert got >= 0.8 * rate - 1 / (end - start)
    assert refused <= 1 + 0.05 * rate * (end - start)


def test_a_bucket_of_one_leaves_no_room_for_error_and_is_kept_all_the_same():
    client = Client(Bucket(1.0, 1), 1.3, is_named=True).run(400)
    assert client.rate(100, 400) >= 0.7
    assert client.refusals(100, 400) <= 15


@examples(40)
@given(rate=st.floats(2.0, 100.0), factor=st.sampled_from([0.3, 0.5, 2.0, 3.0]))
def test_a_limit_that_moves_is_followed(rate, factor):
    server = Bucket(rate, max(2, round(rate)))
    client = Client(server, 10 * rate).run(60)
    server.rate, server.size = rate * factor, max(2, round(rate * factor))
    end = 60 + max(90.0, 300 / (rate * min(1, factor)))
    client.run(end)
    late = end - max(20.0, 60 / (rate * factor))
    assert 0.85 * rate * factor <= client.rate(late, end) <= 1.1 * rate * factor


@given(st.lists(st.tuples(st.integers(0, 20 * SECOND), st.booleans(), st.booleans()), max_size=60))
def test_whatever_is_refused_nothing_waits_longer_than_the_slowest_flow_that_was_seen(steps):
    """The pace never lets less flow than was accepted in some span, so it never stops a run."""
    pace, now = Pace(0), 0
    for mark, (wait, is_refused, guess) in enumerate(steps, 1):
        now = max(now + wait, pace.earliest(now + wait))
        pace.take(now, 1, mark)
        if is_refused:
            pace.refuse(now + MILLISECOND, now, mark, 1, guess=guess)
        assert pace.found is None or pace.found > 0
        assert pace.earliest(now) - now <= 60 * SECOND * (mark + 1)
