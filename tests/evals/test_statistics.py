"""Means and their intervals: against published values, and by trying."""

import math
import random

import pytest

from brimline.evals.statistics import mean_of, paired_difference, student, wilson


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (3, 3.1824),
        (5, 2.5706),
        (10, 2.2281),
        (30, 2.0423),
        (120, 1.9799),
        (10**6, 1.96),
    ],
)
def test_students_quantiles(freedom, quantile):
    assert student(freedom) == pytest.approx(quantile, abs=2e-4)


def test_wilsons_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert (wilson(0, 10)[0], wilson(10, 10)[1]) == pytest.approx((0, 1))


def test_few_means():
    assert mean_of([]) is None
    alone = mean_of([("a", 0.5)])
    assert (alone.value, alone.is_bounded) == (0.5, False)
    assert str(mean_of([(n, n % 2) for n in range(10)])) == "0.500 (0.237 to 0.763)"
    assert str(mean_of([(n, 1) for n in range(10)], may_be_share=False)) == "1.000 (1.000 to 1.000)"


def test_repeats_of_one_question_are_no_news():
    once = mean_of([(n, 0.1 * n) for n in range(10)])
    ten_times = mean_of([(n, 0.1 * n) for n in range(10) for _ in range(10)])
    assert ten_times.value == pytest.approx(once.value)
    assert ten_times.half == pytest.approx(once.half)
    assert (ten_times.rows, ten_times.clusters) == (100, 10)


@pytest.mark.parametrize("repeats", [1, 4])
def test_an_interval_holds_the_truth_as_often_as_it_says(repeats):
    rng = random.Random(4)
    held = 0
    for _ in range(400):
        chances = [rng.random() for _ in range(60)]
        values = [
            (n, float(rng.random() < chance)) for n, chance in enumerate(chances) for _ in range(repeats)
        ]
        mean = mean_of(values)
        held += mean.low <= 0.5 <= mean.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_paired_difference_is_surer_than_two_means():
    rng = random.Random(1)
    pairs = [(n, base := rng.random(), base + 0.05 + rng.gauss(0, 0.01)) for n in range(50)]
    difference = paired_difference(pairs)
    assert difference.low > 0
    assert math.isclose(difference.value, 0.05, abs_tol=0.01)
    assert difference.half < mean_of([(n, one) for n, one, _ in pairs]).half / 10
