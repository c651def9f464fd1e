"""Spans of time as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.config.duration import LONGEST, parse_duration
from brimline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600s", 600),
        ("600", 600),
        (600, 600),
        (0.5, 0.5),
        ("0.5s", 0.5),
        ("250ms", 0.25),
        ("10m", 600),
        ("10 min", 600),
        ("2h", 7200),
        (" 5s ", 5),
        ("1.5h", 5400),
    ],
)
def test_a_span_is_a_number_with_a_unit_or_without(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "5 days",
        "-5s",
        "1h30m",
        "five",
        "0",
        "0s",
        "0.0004us",
        "1e3",
        "5S",
        ".5",
        "inf",
        "nan",
        "9" * 400,
        "9e9h",
        0,
        -1,
        float("inf"),
        float("nan"),
        True,
        None,
        10**9,
    ],
)
def test_what_is_none_says_how_it_is_written(text):
    with pytest.raises(ConfigError, match="is no span of time; "):
        parse_duration(text)


@given(st.floats(0.001, LONGEST))
def test_any_number_of_seconds_from_python_is_taken(seconds):
    assert parse_duration(seconds) == seconds
