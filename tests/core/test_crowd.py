"""The crowd: grows while it is used and nobody minds, stays where it was refused, and looks again."""

from hypothesis import given
from hypothesis import strategies as st

from brimline.core.crowd import (
    FIRST,
    LAST_LOOK,
    LEAST,
    LOOK,
    PATIENCE,
    PROBE,
    PROBE_ANSWERS,
    ROUND,
    SILENT,
    Crowd,
)
from brimline.core.time import MINUTE, SECOND

ANY = float("inf")


def full(crowd, now):
    """So many are in flight that the crowd is used."""
    for in_flight in range(1, int(crowd.size) + 1):
        crowd.start(now, in_flight)


def answer(crowd, now, times, *, started=None, most=ANY):
    for _ in range(times):
        crowd.accept(now, now if started is None else started, int(crowd.size), most=most)


def cut(crowd, now, to):
    crowd.cut(now, to, is_refused=True)
    return crowd


def test_it_begins_with_a_few_and_never_grows_beyond_what_it_may():
    assert Crowd(1024, FIRST).size == FIRST
    assert Crowd(3, FIRST).size == 3
    crowd = Crowd(20, FIRST)
    for now in range(ROUND, 20 * ROUND, ROUND):
        full(crowd, now)
        answer(crowd, now, 64)
    assert crowd.size == 20


def test_as_many_as_its_size_may_be_in_flight():
    crowd = Crowd(1024, 8.9)
    assert crowd.earliest(5, 7) == 5
    assert crowd.earliest(5, 8) != 5
    assert crowd.words == "concurrency 8 (learned)"


def test_it_doubles_each_round_a_success_at_a_time():
    crowd = Crowd(1024, FIRST)
    full(crowd, 0)
    sizes = []
    for now in (ROUND, 2 * ROUND, 3 * ROUND):
        before = crowd.size
        answer(crowd, now, 1)
        assert crowd.size == before + 1
        answer(crowd, now, 100)
        sizes.append(crowd.size)
        full(crowd, now)
    assert sizes == [16, 32, 64]


def test_it_doubles_no_more_often_than_each_round():
    crowd = Crowd(4096, FIRST)
    for now in range(0, 5 * ROUND, ROUND // 8):
        full(crowd, now)
        answer(crowd, now, 1000)
        assert crowd.size <= FIRST * 2 ** (1 + now // ROUND)
    assert crowd.size == FIRST * 2**5


def test_it_does_not_grow_unless_it_is_used():
    crowd = Crowd(1024, FIRST)
    for now in range(0, 20 * ROUND, ROUND):
        crowd.start(now, 5)  # of 8
        answer(crowd, now, 10)
    assert crowd.size == FIRST


def test_it_does_not_grow_where_that_is_forbidden_for_now():
    crowd = Crowd(1024, FIRST)
    for now in range(0, 20 * ROUND, ROUND):
        full(crowd, now)
        answer(crowd, now, 100, most=12)
    assert crowd.size == 12


def test_while_nobody_answers_and_nobody_refuses_it_doubles_up_to_silent():
    crowd, now = Crowd(1024, FIRST), 0
    sizes = []
    for _ in range(5):
        full(crowd, now)
        when = crowd.earliest(now, int(crowd.size))
        if when is None:
            break
        assert when == now + PATIENCE
        assert crowd.earliest(when - 1, int(crowd.size)) == when, "not a moment sooner"
        assert crowd.earliest(when, int(crowd.size)) == when
        sizes.append(crowd.size)
        now = when
    assert sizes == [16, SILENT]
    crowd = Crowd(1024, 20.0)
    crowd.start(0, 20)
    assert crowd.earliest(PATIENCE, 20) == PATIENCE
    assert crowd.size == SILENT


def test_silence_does_not_make_it_grow_beyond_what_it_may():
    crowd = Crowd(12, FIRST)
    crowd.start(0, 8)
    assert crowd.earliest(PATIENCE, 8) == PATIENCE
    assert crowd.size == 12
    assert crowd.earliest(10 * PATIENCE, 12) is None


def test_a_cut_is_a_ceiling_and_never_below_the_least():
    crowd = cut(Crowd(1024, FIRST), 0, 5)
    assert (crowd.size, crowd.ceiling) == (5, 5)
    assert cut(Crowd(1024, FIRST), 0, 0).size == LEAST
    assert cut(Crowd(1024, FIRST), 0, -3).size == LEAST
    assert cut(Crowd(1, FIRST), 0, 0).size == 1, "a declared 1 is 1"


def test_at_its_ceiling_it_probes_for_one_more_then_two_then_four():
    crowd = cut(Crowd(1024, FIRST), 0, 200)
    now, sizes = 0, []
    for _ in range(6):
        full(crowd, now)
        answer(crowd, now + PROBE - 1, PROBE_ANSWERS)
        assert crowd.size == (sizes or [200])[-1], "not before its time"
        now += PROBE
        answer(crowd, now, 1)
        sizes.append(crowd.size)
    assert sizes == [201, 203, 207, 215, 228, 242], "but no more than a sixteenth"
    cut(crowd, now, 20)
    full(crowd, now)
    answer(crowd, now + PROBE, PROBE_ANSWERS)
    assert crowd.size == 21, "from one again"


def test_it_probes_only_after_enough_answers_so_that_few_are_refused():
    crowd = cut(Crowd(1024, FIRST), 0, 5)
    full(crowd, 1)
    answer(crowd, 3 * PROBE, PROBE_ANSWERS - 1)
    assert crowd.size == 5
    answer(crowd, 3 * PROBE, 1)
    assert crowd.size == 6


def test_what_was_sent_before_a_cut_tells_nothing():
    crowd = cut(Crowd(1024, FIRST), 100, 10)
    full(crowd, 100)
    answer(crowd, 10 * PROBE, 200, started=99)
    assert crowd.size == 10


def test_between_answers_one_more_is_tried_ever_later():
    """A bucket of two asked by three at once refuses like two in flight, but fills while they are being answered."""
    crowd, now, waits = Crowd(1024, FIRST), 0, []
    for _ in range(12):
        cut(crowd, now, 2)
        when = crowd.earliest(now, 2)
        waits.append((when - now) // LOOK)
        assert crowd.earliest(when - 1, 2) == when
        assert crowd.size == 2
        assert crowd.earliest(when, 2) == when
        assert (crowd.size, crowd.ceiling) == (3, 3)
        now = when
    last = LAST_LOOK // LOOK
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, last, last, last, last]


def test_one_look_that_is_not_refused_follows_another():
    crowd = cut(Crowd(1024, FIRST), 0, 2)
    for seconds in range(1, 6):
        now = seconds * LOOK
        assert crowd.earliest(now, int(crowd.size)) == now
        assert crowd.earliest(now, int(crowd.size)) == now + LOOK, "not two at once"
    assert crowd.size == 7


def test_where_answers_only_came_slower_it_is_not_looked_at_between_them():
    crowd = Crowd(1024, FIRST)
    crowd.cut(0, 4)
    assert crowd.earliest(MINUTE, 4) is None


def test_looking_stops_at_what_is_declared():
    crowd = cut(Crowd(3, FIRST), 0, 2)
    assert crowd.earliest(LOOK, 2) == LOOK
    assert crowd.earliest(9 * LOOK, 3) is None
    assert crowd.size == 3


def test_without_its_ceiling_it_doubles_again():
    crowd = cut(Crowd(1024, FIRST), 0, 10)
    crowd.release(SECOND)
    assert crowd.ceiling is None
    full(crowd, SECOND)
    answer(crowd, 2 * SECOND, 100)
    assert crowd.size == 20
    untouched = Crowd(1024, FIRST)
    untouched.release(SECOND)
    assert (untouched.size, untouched.ceiling) == (FIRST, None)


def test_it_remembers_for_a_round_how_many_were_accepted():
    crowd = Crowd(1024, FIRST)
    assert crowd.accepted == 0
    crowd.start(0, 8)
    crowd.accept(ROUND, 0, 7, most=ANY)
    assert crowd.accepted == 7
    answer(crowd, 2 * ROUND, 100, started=2 * ROUND)
    assert crowd.accepted >= 8


@given(
    st.integers(1, 200),
    st.lists(
        st.tuples(
            st.sampled_from(["accept", "cut", "slow", "release", "ask"]),
            st.integers(0, 10 * SECOND),
            st.integers(0, 300),
        ),
        max_size=80,
    ),
)
def test_its_size_stays_within_bounds_whatever_happens(most, steps):
    crowd, now = Crowd(most, FIRST), 0
    for what, wait, number in steps:
        now += wait
        crowd.start(now, number)
        if what == "accept":
            crowd.accept(now, now - wait, number, most=ANY)
        elif what == "release":
            crowd.release(now)
        elif what == "ask":
            when = crowd.earliest(now, number)
            assert when is None or when >= now
        else:
            crowd.cut(now, number, is_refused=what == "cut")
        assert min(LEAST, most) <= crowd.size <= most
        assert crowd.ceiling is None or crowd.ceiling == int(crowd.size)
