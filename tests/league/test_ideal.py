"""The ideal times, against a client that is never late and never refused, on the simulator's own limits."""

import pytest
from benchmarks.league.ideal import bucket_time, slots_time, window_time
from benchmarks.league.scenarios import SCENARIOS
from hypothesis import assume, given
from hypothesis import strategies as st

from brimline.sim.amounts import SECOND, Rate
from brimline.sim.limits import Bucket, Window

LATENCY = 0.05


def greedy(meter, count, away=(0, 0)):
    """Send each request at the first nanosecond at which it fits and somebody is there; when the last one left."""
    begin, end = (round(moment * SECOND) for moment in away)
    now = 0
    for _ in range(count):
        now += meter.wait(now, 1)
        if begin <= now < end:
            now = end + meter.wait(end, 1)
        meter.take(now, 1)
    return now / SECOND


@given(count=st.integers(1, 400), per_minute=st.integers(30, 2000), size=st.integers(1, 60))
def test_a_bucket_without_an_outage(count, per_minute, size):
    bucket = Bucket("requests", Rate.parse(f"{per_minute}/min"), size, 0)
    assert bucket_time(count, per_minute, size, LATENCY) == pytest.approx(
        greedy(bucket, count) + LATENCY, abs=1e-6
    )


@given(
    count=st.integers(1, 400),
    per_second=st.integers(1, 20),
    size=st.integers(1, 30),
    begin=st.integers(1, 15),
    length=st.integers(1, 15),
)
def test_a_bucket_with_an_outage(count, per_second, size, begin, length):
    away = (begin, begin + length)
    bucket = Bucket("requests", Rate.parse(f"{per_second * 60}/min"), size, 0)
    expected = greedy(bucket, count, away) + LATENCY
    assume(
        count != size + begin * per_second
    )  # the last one is due just as the outage begins: sent, or is it?
    ideal = bucket_time(count, per_second * 60, size, LATENCY, away)
    assert expected - 1 / per_second - 1e-6 <= ideal <= expected + 1e-6


@given(latencies=st.lists(st.integers(2, 5), min_size=1, max_size=60), limit=st.integers(1, 5))
def test_fixed_windows(latencies, limit):
    window, now, ends = Window(limit, SECOND), 0, []
    for latency in latencies:
        now += window.wait(now)
        window.take(now)
        ends.append(now / SECOND + latency)
    assert window_time(latencies, limit, 1) == pytest.approx(max(ends))


def test_slots():
    assert slots_time(64, 32, 0.5) == 1.0
    assert slots_time(65, 32, 0.5) == 1.5


def test_the_scenarios_have_the_ideals_that_are_known_by_hand():
    ideals = {name: scenario.ideal for name, scenario in SCENARIOS.items()}
    assert ideals["declared"] == pytest.approx(19.05)
    assert ideals["hidden"] == pytest.approx(79.15)
    assert ideals["advertised"] == pytest.approx(59.15)
    assert ideals["outage"] == pytest.approx(48.05)
    assert ideals["faults"] == pytest.approx(19.0)
    assert ideals["knee"] == pytest.approx(50.0)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_scenario_stops_a_client_in_time(scenario):
    assert scenario.ideal is None or scenario.ideal <= 90
    assert (scenario.ideal or 0) < scenario.patience <= 300
