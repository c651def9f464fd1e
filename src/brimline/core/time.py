"""Spans of time in integer nanoseconds, the only unit the core knows."""

SECOND = 1_000_000_000
MILLISECOND = SECOND // 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def seconds(span: float) -> int:
    """Return a span given in seconds as nanoseconds."""
    return round(span * SECOND)
