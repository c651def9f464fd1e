"""How long a reply asks to wait: every header and every text that servers use, and nonsense in their place."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brimline.providers.waits import duration, named_wait, reset_wait, wait_in_words

MS = 1_000_000
S = 1000 * MS
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "1"}, S),
        ({"retry-after": "0.5"}, S // 2),
        ({"retry-after": " 20 "}, 20 * S),
        ({"retry-after": "2s"}, 2 * S),
        ({"retry-after": "1m30s"}, 90 * S),
        ({"retry-after-ms": "599"}, 599 * MS),
        ({"retry-after-ms": "0.5", "retry-after": "1"}, MS // 2),
        ({"retry-after-ms": "0", "retry-after": "1"}, S),
        ({"retry-after-ms": "soon", "retry-after": "1"}, S),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30 * S),
        ({"retry-after": "Wed, 21 Oct 2026 09:28:30 +0200", "date": DATE}, 30 * S),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 -0000", "date": DATE}, 30 * S),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT", "date": DATE}, 30 * S),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "today"}, None),
        ({"retry-after": DATE, "date": DATE}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:30 GMT", "date": DATE}, None),
        ({"retry-after": "Wed, 21 Oct 2099 07:27:30 GMT", "date": DATE}, None),
        ({"retry-after": "Wed, 21 Oct 99999 07:27:30 GMT", "date": DATE}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 +999999", "date": DATE}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "-5s"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "99999999999"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "\ud800"}, None),
        ({}, None),
    ],
)
def test_headers(headers, wait):
    assert named_wait(headers, "") == wait


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Rate limit reached for gpt-4o on requests per min (RPM): Limit 3, Used 3. Please try again in 20s. Visit", 20 * S),
        ("Please try again in 599ms.", 599 * MS),
        ("Please try again in 1m2.5s.", 62_500 * MS),
        ("Please try again in 7m12s", 432 * S),
        ("Please try again in 1h2m", 3720 * S),
        ("Please retry in 31.5s.", 31_500 * MS),
        ("Please retry after 32 seconds.", 32 * S),
        ("Please retry after 1 second.", S),
        ("Try again in 2 minutes", 120 * S),
        ("try again in 1 hour", 3600 * S),
        ("retry after 250 milliseconds", 250 * MS),
        ("Retry again in 5 sec", 5 * S),
        ("capacity will be available in 30s", 30 * S),
        ("Please retry in 1.680938504s.", 1_680_938_504),
        ("Please wait 20 seconds and try again.", 20 * S),
        ("Rate limited, wait for 1.5s", 1500 * MS),
        ("try again in 1 day", 86_400 * S),
        ("Please try again in 0s", None),
        ("Please try again in a while", None),
        ("Please try again in 5", None),
        ("Please try again later. 20s", None),
        ("Limit 3/min", None),
        ("", None),
    ],
)  # fmt: skip
def test_words(message, wait):
    assert wait_in_words(message) == wait
    assert named_wait({"retry-after": "0"}, message) == wait
    assert named_wait({"retry-after": "7"}, message) == 7 * S, "a header is more exact than words"


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("1s", S),
        ("6m0s", 360 * S),
        ("12ms", 12 * MS),
        ("1m0.5s", 60_500 * MS),
        ("2m59.56s", 179_560 * MS),
        ("1h2m", 3720 * S),
        ("1d", 86_400 * S),
        ("1.5\u00b5s", 1500),
        ("250us", 250_000),
        ("7ns", 7),
        ("0.4ns", None),
        ("0s", None),
        ("-5s", None),
        ("5s ago", None),
        ("in 5s", None),
        ("5", None),
        ("", None),
        ("s", None),
        ("2026-10-21T07:28:00Z", None),
        ("9" * 400 + "s", None),
        ("400d", None),
    ],
)
def test_go_durations(text, wait):
    assert duration(text) == wait


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("6m0s", 360 * S),
        ("42", 42 * S),
        ("0.25", S // 4),
        ("1792567710", 30 * S),
        ("1792567710000", 30 * S),
        ("1792567670", None),
        ("2026-10-21T07:28:30Z", 30 * S),
        ("2026-10-21T09:28:00.250+02:00", S // 4),
        ("2026-10-21T07:28:30", 30 * S),
        ("2026-10-21T07:27:59Z", None),
        ("2026-10-21T07:28:99Z", None),
        ("2099-10-21T07:28:30Z", None),
        ("T", None),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("never", None),
        ("", None),
        (None, None),
        ("9" * 400, None),
    ],
)
def test_resets(text, wait):
    """Go durations (OpenAI, Groq), whole seconds (Azure), Unix time in s or ms (OpenRouter), RFC 3339 (Anthropic)."""
    assert reset_wait(text, DATE) == wait


@pytest.mark.parametrize("moment", ["1792567710", "2026-10-21T07:28:30Z"])
def test_a_moment_needs_the_servers_own_clock(moment):
    assert reset_wait(moment, None) is None
    assert reset_wait(moment, "today") is None


anything = (
    st.text()
    | st.from_regex(r"[-+]?\d*\.?\d*(e\d+)?(ms|s|m|h)?")
    | st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S -0000"))
)


@given(anything, anything, anything, anything)
@example("", "9" * 5000, "9" * 5000, "try again in " + "9" * 5000 + "s")
@example("", "Mon, 1 Jan 0001 00:00:00 +2359", DATE, "")
def test_no_text_breaks_it_and_every_wait_is_within_a_year(ms, after, date, message):
    headers = {"retry-after-ms": ms, "retry-after": after, "date": date}
    for wait in (
        named_wait(headers, message),
        duration(after),
        reset_wait(after, date),
        wait_in_words(after),
    ):
        assert wait is None or 0 < wait <= 366 * 86_400 * S
