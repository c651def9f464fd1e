"""Embeddings: unit vectors that depend on the text alone, made so fast that a server has time for more.

Each bit of a hash decides the sign of one component; all have the same size. So every vector has the length
1, the same text always gives the same one, and those of two texts are nearly orthogonal.
"""

import struct
from binascii import b2a_base64
from functools import lru_cache
from hashlib import shake_128
from math import sqrt
from typing import NamedTuple

DIMENSIONS = 64


class _Table(NamedTuple):
    """Eight components for each byte of a hash, in both forms of the wire."""

    packed: list[bytes]
    digits: list[str]


def base64_vector(text: str, dimensions: int = DIMENSIONS) -> str:
    """The vector as base64 of little-endian 32-bit floats."""
    packed = _table(dimensions).packed
    data = b"".join([packed[byte] for byte in _hash(text, dimensions)])[: 4 * dimensions]
    return b2a_base64(data, newline=False).decode()


def json_vector(text: str, dimensions: int = DIMENSIONS) -> bytes:
    """The vector as a JSON array."""
    digits = _table(dimensions).digits
    joined = ",".join([digits[byte] for byte in _hash(text, dimensions)])
    extra = -dimensions % 8
    return f"[{joined.rsplit(',', extra)[0] if extra else joined}]".encode()


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The vector as Python floats, rounded as 32 bits round them."""
    data = b"".join(_table(dimensions).packed[byte] for byte in _hash(text, dimensions))
    return list(struct.unpack(f"<{dimensions}f", data[: 4 * dimensions]))


def _hash(text: str, dimensions: int) -> bytes:
    return shake_128(text.encode(errors="surrogatepass")).digest(-(-dimensions // 8))


@lru_cache(maxsize=8)
def _table(dimensions: int) -> _Table:
    (size,) = struct.unpack("<f", struct.pack("<f", 1 / sqrt(dimensions)))
    rows = [[size if byte >> bit & 1 else -size for bit in range(8)] for byte in range(256)]
    return _Table([struct.pack("<8f", *row) for row in rows], [",".join(map(repr, row)) for row in rows])
