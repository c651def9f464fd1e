"""The words of a scenario for times, rates and amounts that vary."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sim.amounts import SECOND, Latency, Rate, Span, Spread


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0.5s", SECOND // 2),
        ("20ms", 20_000_000),
        ("1.5min", 90 * SECOND),
        ("1h", 3_600 * SECOND),
        (2, 2 * SECOND),
    ],
)
def test_a_span_is_exact(text, ns):
    assert Span.parse(text).ns == ns


@pytest.mark.parametrize("text", ["", "1 fortnight", "-1s", "s", True, None, "1e3s", "nan"])
def test_a_bad_span_says_what_was_expected(text):
    with pytest.raises(ValueError, match="expected a span of time like"):
        Span.parse(text)


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [("600/min", 600, 60), ("200k/min", 200_000, 60), ("1.5k/s", 1_500, 1), ("2M / day", 2_000_000, 86_400)],
)
def test_a_rate_is_a_whole_number_per_period(text, amount, seconds):
    rate = Rate.parse(text)
    assert (rate.amount, rate.period_ns) == (amount, seconds * SECOND)


@pytest.mark.parametrize("text", ["600", "0.5/s", "0/s", "6/year", "k/min", 600])
def test_a_bad_rate_says_what_was_expected(text):
    with pytest.raises(ValueError, match="expected a rate of whole numbers"):
        Rate.parse(text)


def test_worth_is_at_least_one():
    assert Rate.parse("600/min").worth(seconds=1) == 10
    assert Rate.parse("6/min").worth(seconds=1) == 1


def test_a_constant_draws_nothing():
    rng = random.Random(1)
    assert Latency.parse("0.5s").draw(rng) == 0.5
    assert rng.random() == random.Random(1).random()


@given(st.integers(0, 5), st.integers(0, 5), st.integers())
def test_randint_gives_whole_seconds_both_ends_included(low, more, seed):
    latency = Latency.parse(f"randint({low}, {low + more})")
    rng = random.Random(seed)
    drawn = {latency.draw(rng) for _ in range(60)}
    assert drawn <= set(range(low, low + more + 1))


def test_uniform_and_lognormal_have_their_shape():
    rng = random.Random(7)
    uniform = [Latency.parse("uniform(200ms, 5s)").draw(rng) for _ in range(2_000)]
    lognormal = sorted(Latency.parse("lognormal(0.5s, 0.4)").draw(rng) for _ in range(2_001))
    assert 0.2 <= min(uniform) < 0.3
    assert 4.9 < max(uniform) <= 5.0
    assert lognormal[1_000] == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    "text", ["fast", "uniform(5s)", "uniform(5s, 2s)", "randint(1.5, 2)", "-1", "lognormal(1s, x)"]
)
def test_a_bad_spread_says_what_was_expected(text):
    with pytest.raises(ValueError, match="expected"):
        Latency.parse(text)


def test_only_latencies_have_units():
    assert Spread.parse("uniform(10, 20)").high == 20
    with pytest.raises(ValueError, match="expected '20'"):
        Spread.parse("20s")


@pytest.mark.parametrize("value", [Span.parse("20ms"), Rate.parse("600/min"), Latency.parse("randint(2, 5)")])
def test_a_value_keeps_its_words(value):
    assert type(value).parse(str(value)) == value
