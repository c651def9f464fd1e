"""Sizes as people write them: `1GB`, `500MB`, `64KiB`, or a number of bytes."""

import re

from brimline.errors import ConfigError

_UNITS = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40,
}  # fmt: skip
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", re.IGNORECASE)


def parse_size(value: str | int) -> int:
    """Return a size in bytes.

    Raises:
        ConfigError: It is none, or it is not above 0.
    """
    match = _PATTERN.fullmatch(str(value).strip())
    size = int(float(match[1]) * _UNITS[(match[2] or "").lower()]) if match else 0
    if size <= 0:
        raise ConfigError(f"'{value}' is no size above 0; write it like '1GB' or '500MB'")
    return size
