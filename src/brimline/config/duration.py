"""Spans of time as people write them: `600s`, `0.5s`, `10m`, `2h`, `250ms`, or a number of seconds."""

import re

from brimline.errors import ConfigError

LONGEST = 366 * 24 * 3600.0
"""Seconds."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?")


def parse_duration(value: str | float) -> float:
    """Return a span in seconds.

    Raises:
        ConfigError: It is none, or it is not above 0.
    """
    match = _PATTERN.fullmatch(str(value).strip())
    if match is None:
        raise ConfigError(f"'{value}' is no span of time; write it like '600s', '10m' or '0.5s'")
    seconds = float(match[1]) * _UNITS[match[2] or "s"]
    if not 0 < seconds <= LONGEST:
        raise ConfigError(f"'{value}' is no span of time; it must be above 0 and at most a year")
    return seconds
