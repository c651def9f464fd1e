"""Quota text: what people may write and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.quota import Dimension, Discipline, Quota, parse_quotas
from brimline.core.time import DAY, HOUR, MINUTE, SECOND
from brimline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "amount", "dimension", "window", "burst", "discipline"),
    [
        ("500/min", 500, Dimension.REQUESTS, MINUTE, 7, Discipline.SMOOTH),
        ("600/min", 600, Dimension.REQUESTS, MINUTE, 9, Discipline.SMOOTH),
        ("60/min", 60, Dimension.REQUESTS, MINUTE, 1, Discipline.SMOOTH),
        ("2/s", 2, Dimension.REQUESTS, SECOND, 2, Discipline.WINDOW),
        ("10/s smooth", 10, Dimension.REQUESTS, SECOND, 9, Discipline.SMOOTH),
        ("500/min window", 500, Dimension.REQUESTS, MINUTE, 500, Discipline.WINDOW),
        ("200k tokens/min", 200_000, Dimension.TOKENS, MINUTE, 33_333, Discipline.SMOOTH),
        ("1.5M input tokens/min", 1_500_000, Dimension.INPUT_TOKENS, MINUTE, 250_000, Discipline.SMOOTH),
        ("8k  output  tokens / min", 8_000, Dimension.OUTPUT_TOKENS, MINUTE, 1_333, Discipline.SMOOTH),
        ("10k requests/day burst 20", 10_000, Dimension.REQUESTS, DAY, 20, Discipline.SMOOTH),
        ("100/h burst 500", 100, Dimension.REQUESTS, HOUR, 100, Discipline.SMOOTH),
    ],
)
def test_text_means_what_it_says(text, amount, dimension, window, burst, discipline):
    assert parse_quotas(text) == (Quota(amount, dimension, window, burst, discipline),)


def test_several_quotas_are_separated_by_commas():
    assert [str(quota) for quota in parse_quotas("500/min, 200k tokens/min,2/s")] == [
        "500/min",
        "200k tokens/min",
        "2/s",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "is no limit"),
        ("", "is no limit"),
        ("500", "is no limit"),
        ("500/week", "is no limit"),
        ("-5/min", "is no limit"),
        ("500 apples/min", "is no limit"),
        ("0/min", "allows nothing"),
        ("0.0k/min", "allows nothing"),
        ("5/min burst 0", "allows nothing"),
        ("0.5/s", "no whole number"),
        ("5/s burst 3", "a window has no burst"),
        ("5/min, 6/min", "twice"),
    ],
)
def test_what_is_no_quota_says_why(text, reason):
    with pytest.raises(ConfigError, match=reason):
        parse_quotas(text)


def test_explain_leaves_nothing_unsaid():
    assert parse_quotas("600/min")[0].explain() == "600 requests/min burst 9 smooth"


@given(
    st.integers(1, 10**9),
    st.sampled_from([SECOND, MINUTE, HOUR, DAY]),
    st.sampled_from(Dimension),
    st.sampled_from(Discipline),
)
def test_text_of_a_quota_reads_back(amount, window, dimension, discipline):
    quota = Quota.of(amount, window, dimension, discipline=discipline)
    explained = quota.explain()
    text = explained if discipline is Discipline.SMOOTH else explained.replace(f" burst {quota.burst}", "")
    assert parse_quotas(text) == (quota,)
