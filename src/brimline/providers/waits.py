"""How long a reply asks to wait: the header forms and the texts that providers use, in nanoseconds.

Order of trust: `retry-after-ms`, `retry-after` (seconds, a duration or an HTTP date), then the words of the error's
message ("Please try again in 599ms", "1m2.5s"). Values that make no sense count as not given, as in the official SDKs:
a wait of 0 means the usual backoff, a negative one or no number means nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

SECOND = 1_000_000_000
_LONGEST = 366 * 24 * 3600 * SECOND
_MOMENT = 1e9
"""From here on a number is no span in seconds but Unix time; 1000 times as much, Unix time in ms."""

_NONSENSE = (ValueError, TypeError, OverflowError, IndexError)
"""What reading a date that is none may raise."""

_UNITS = {
    "ns": 1,
    "us": SECOND // 1_000_000,
    "\u00b5s": SECOND // 1_000_000,
    "ms": SECOND // 1000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 24 * 3600 * SECOND,
}
_UNIT = "(?:[nu\u00b5m]s|[smhd])"
_DURATION = rf"(?:\d+(?:\.\d+)?{_UNIT}\s*)+"
_WHOLE = re.compile(rf"\s*{_DURATION}")
_PART = re.compile(rf"(\d+(?:\.\d+)?)({_UNIT})")
_COME_BACK = r"(?:(?:try again|retry|available)(?: again)? (?:in|after)|wait(?: for)?)"
_TRY_AGAIN = re.compile(rf"{_COME_BACK} ({_DURATION})", re.IGNORECASE)
_PLAIN = re.compile(rf"{_COME_BACK} (\d+(?:\.\d+)?) (ms|millisec|sec|min|hour|day)", re.IGNORECASE)
_WORDS = {"ms": "ms", "millisec": "ms", "sec": "s", "min": "m", "hour": "h", "day": "d"}


def named_wait(headers: Mapping[str, str], message: str) -> int | None:
    """Return the wait that a reply names, ns, or None."""
    after = headers.get("retry-after")
    return (
        _number(headers.get("retry-after-ms"), _UNITS["ms"])
        or _number(after, SECOND)
        or duration(after or "")
        or _until(after, headers.get("date"))
        or wait_in_words(message)
    )


def wait_in_words(message: str) -> int | None:
    """Return the wait that an error's message names, ns, or None."""
    if match := _TRY_AGAIN.search(message):
        return duration(match[1])
    if match := _PLAIN.search(message):
        return _number(match[1], _UNITS[_WORDS[match[2].lower()]])
    return None


@lru_cache(maxsize=1024)
def duration(text: str) -> int | None:
    """Return a Go duration such as `1m0.5s`, `6ms` or `1h2m` in ns, or None if it is none."""
    if not _WHOLE.fullmatch(text):
        return None
    span = 0.0
    for number, unit in _PART.findall(text):
        span += float(number) * _UNITS[unit]
    return _sensible(span)


def reset_wait(text: str | None, date: str | None) -> int | None:
    """Return the wait until a bucket is full again, ns, or None.

    Args:
        text: The header: a duration, seconds, Unix time in s or ms, or a moment as RFC 3339 writes it.
        date: The reply's `Date`, against which moments are read.
    """
    if not text or (wait := duration(text)) is not None:
        return wait if text else None
    try:
        if "T" in text:
            return _sensible((_rfc3339(text) - _moment(date or "")).total_seconds() * SECOND)
        number = float(text)
        if number < _MOMENT:
            return _sensible(number * SECOND)
        moment = number if number < 1000 * _MOMENT else number / 1000
        return _sensible((moment - _moment(date or "").timestamp()) * SECOND)
    except _NONSENSE:
        return None


def _number(text: str | None, unit: int) -> int | None:
    try:
        return _sensible(float(text) * unit) if text else None
    except ValueError:
        return None


def _until(text: str | None, date: str | None) -> int | None:
    """Read an HTTP date against the server's own clock, so that ours may be wrong."""
    if not text or not date:
        return None
    try:
        wait = _moment(text) - _moment(date)
    except _NONSENSE:
        return None
    return _sensible(wait.total_seconds() * SECOND)


@lru_cache(maxsize=16)
def _moment(text: str) -> datetime:
    """Read an HTTP date; all replies of a second carry the same."""
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # RFC 5322: -0000 is UTC


def _rfc3339(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sensible(wait: float) -> int | None:
    """Refuse what is no wait: below a nanosecond, negative, not finite, or longer than a year."""
    return round(wait) if 1 <= wait < _LONGEST else None
