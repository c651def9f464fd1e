"""Agreement of judges: published examples, and what must hold whatever they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.evals.agreement import cohen, fleiss, weighted_cohen

FLEISS_1971 = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1), (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip
"""Fourteen judges put ten subjects into five categories."""


def test_fleiss_own_table():
    rows = [[category for category, count in enumerate(row) for _ in range(count)] for row in FLEISS_1971]
    assert fleiss(rows) == pytest.approx(0.210, abs=1e-3)


def test_two_readers_of_fifty_grants():
    verdicts = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohen(*zip(*verdicts, strict=True)) == pytest.approx(0.4)


def test_on_a_scale_being_off_by_one_is_little():
    one, near, far = [1, 2, 3, 4, 5] * 4, [2, 3, 4, 5, 4] * 4, [5, 5, 1, 1, 1] * 4
    assert weighted_cohen(one, near) > 0.6 > cohen(one, near)
    assert weighted_cohen(one, far) < 0


def test_where_it_says_nothing():
    assert (
        cohen([], [])
        is fleiss([])
        is cohen(["a"] * 3, ["a"] * 3)
        is fleiss([["a", "a"]])
        is fleiss([["a"]])
        is None
    )
    with pytest.raises(ValueError, match="each row"):
        fleiss([["a", "b"], ["a"]])
    with pytest.raises(ValueError, match="each row"):
        cohen(["a"], [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_bounds_and_symmetry(pairs):
    one, other = zip(*pairs, strict=True)
    kappa = cohen(one, other)
    assert kappa == cohen(other, one)
    if kappa is not None:
        assert -1 - 1e-9 <= kappa <= 1 + 1e-9
        assert (kappa > 1 - 1e-9) == (one == other)
    several = fleiss(pairs)
    if several is not None and kappa is not None:
        assert several <= kappa + 1e-9, "Fleiss takes the judges to share their habits"
