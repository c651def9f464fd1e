"""Vectors of 32-bit floats in few digits: 0.1 and not 0.10000000149011612, which is the same number there.

Eight significant digits give most 32-bit floats back, nine all of them. To print and read each one would cost 0.2 us;
here they stay numbers, rounded to as many decimals as they need, which the JSON writer then prints short (0.1 us).
"""

import sys
from array import array
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from itertools import compress, count
from math import floor, log10, nan
from operator import ne

_WHOLE = 6755399441055744.0
"""1.5 * 2**52: what this is added to and subtracted from again is a whole number, at a fraction of what round() costs."""

_UPPER = 1 if sys.byteorder == "little" else 0


def short_floats(vector: Sequence[float]) -> Sequence[float]:
    """Return the floats that are written in few digits and mean the same 32-bit floats as those of `vector`.

    Only an `array('f')` is known to hold 32-bit floats; anything else is returned as it is.
    """
    if not isinstance(vector, array) or vector.typecode != "f":
        return vector
    values = vector.tolist()
    uppers = memoryview(vector).cast("B").cast("H")[_UPPER::2]
    scales = map(_scales().__getitem__, uppers)
    short = [(value * scale + _WHOLE - _WHOLE) / scale for value, scale in zip(values, scales, strict=True)]
    changed = map(ne, array("f", short), values)
    for place in compress(count(), changed):
        short[place] = _exact(values[place])
    return short


def packed(vector: Sequence[float]) -> str:
    """Return a vector as OpenAI's API packs it: 32-bit floats, little-endian, in base64."""
    return b64encode(float_bytes(array("f", vector))).decode()


def float_bytes(vector: "array[float]") -> bytes:
    """Return 32-bit floats as bytes, little-endian."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector.tobytes()


def from_bytes(data: bytes) -> "array[float]":
    """Return what `float_bytes` made bytes of."""
    vector = array("f", data)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _exact(value: float) -> float:
    """Return what gives a 32-bit float back where scaling does not."""
    eight = float(f"{value:.8g}")
    return eight if array("f", [eight])[0] == value else float(f"{value:.9g}")


@cache
def _scales() -> list[float]:
    """Return for each upper half of a float's bits the power of ten that leaves it eight digits before the point."""
    positive = [_scale(*divmod(upper, 128)) for upper in range(1 << 15)]
    return positive + positive


def _scale(exponent: int, mantissa: int) -> float:
    """Return a power of ten for floats that begin like this; NaN where scaling would not be exact."""
    if exponent == mantissa == 0:
        return 1.0
    largest = (1 + (mantissa + 1) / 128) * 2.0 ** (exponent - 127) * (1 - 2**-24)
    decimals = 7 - floor(log10(largest))
    return 10.0**decimals if 0 <= decimals <= 22 else nan
