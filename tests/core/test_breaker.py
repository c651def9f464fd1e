"""The breaker: ten in a row open it, one probe at a time closes it."""

from brimline.core.breaker import PATIENCE, THRESHOLD, Breaker
from brimline.core.time import SECOND


def opened(now=0):
    breaker = Breaker()
    for _ in range(THRESHOLD):
        breaker.start()
        breaker.fail(now, probe=False)
    return breaker


def test_ten_in_a_row_open_it_and_a_success_between_does_not():
    breaker = Breaker()
    for _ in range(THRESHOLD - 1):
        breaker.fail(0, probe=False)
    breaker.succeed()
    for _ in range(THRESHOLD - 1):
        breaker.fail(0, probe=False)
    assert not breaker.is_open
    breaker.fail(0, probe=False)
    assert breaker.is_open


def test_probes_go_one_at_a_time_and_notice_an_end_within_a_sixteenth_of_the_outage():
    breaker, now, gaps = opened(), 0, []
    while now < PATIENCE:
        when = breaker.earliest(now)
        gaps.append(when - now)
        assert when - now <= max(SECOND, now // 16)
        now = when
        assert breaker.start() is True
        assert breaker.earliest(now) is None, "a second probe waits for the first"
        breaker.fail(now, probe=True)
    assert gaps[:16] == [SECOND] * 16
    assert gaps == sorted(gaps)
    assert max(gaps) == 30 * SECOND
    assert len(gaps) < 130, "half an hour costs few requests"


def test_any_reply_closes_it():
    breaker = opened()
    breaker.start()
    assert breaker.succeed() is True
    assert breaker.earliest(5) == 5
    assert breaker.start() is False


def test_late_failures_of_attempts_from_before_do_not_delay_the_probe():
    breaker = opened(now=0)
    for _ in range(50):
        breaker.fail(SECOND // 2, probe=False)
    assert breaker.earliest(0) == SECOND


def test_a_probe_that_told_nothing_makes_room_for_another():
    breaker = opened()
    breaker.start()
    breaker.abandon(probe=True)
    assert breaker.earliest(2 * SECOND) == SECOND


def test_after_half_an_hour_it_is_hopeless():
    breaker = opened()
    assert not breaker.is_hopeless(PATIENCE - 1)
    assert breaker.is_hopeless(PATIENCE)
