"""The lines of a bundle of embeddings, written together: hundreds of short rows, each with its vector.

They are the lines that `result_line` would write one by one, at half the cost: short vectors are rounded together, and
what the rows share (they share one exchange) is put into JSON once.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from brimline.store.floats import short_floats
from brimline.store.lines import findings, identity, is_plain, result_line
from brimline.types import Outcome

TOGETHER = 4096
"""About so many floats are rounded together."""

_encode = msgspec.json.Encoder().encode


def embedding_lines(rows: Sequence[tuple[Mapping[str, Any], Outcome]]) -> list[bytes]:
    """Return the lines for the answers of a bundle, newlines included; each with the columns of its row."""
    shared: dict[int, bytes] = {}
    lines = []
    vectors = _short_vectors([outcome.responses[0].embeddings[0] for _, outcome in rows])
    for (columns, outcome), vector in zip(rows, vectors, strict=True):
        if not is_plain(columns):
            lines.append(result_line(columns, outcome))
            continue
        request, usage = outcome.request, id(outcome.responses[0].usage)
        if usage not in shared:  # all else is the same for a whole bundle
            shared[usage] = _shared(outcome)
        head = _encode({**columns, **identity(request), "response": None})
        key = request.key.encode()
        lines.append(b'%b,"embedding":%b,%b,"key":"%b"}\n' % (head[:-1], _encode(vector), shared[usage], key))
    return lines


def _shared(outcome: Outcome) -> bytes:
    """Return the members of a line that other rows of the bundle have, too."""
    members = findings(outcome, raw=False)
    for name in ("response", "embedding", "key"):
        del members[name]
    return _encode(members)[1:-1]


def _short_vectors(vectors: Sequence[Sequence[float]]) -> Iterator[Sequence[float]]:
    """Yield the vectors as they are written; short ones are rounded together."""
    group: list[Sequence[float]] = []
    size = 0
    for vector in vectors:
        if not isinstance(vector, array) or vector.typecode != "f":
            yield from _rounded(group)
            group, size = [], 0
            yield vector
            continue
        group.append(vector)
        size += len(vector)
        if size >= TOGETHER:
            yield from _rounded(group)
            group, size = [], 0
    yield from _rounded(group)


def _rounded(vectors: Sequence[Sequence[float]]) -> Iterator[Sequence[float]]:
    together = array("f")
    ends = [0]
    for vector in vectors:
        together.extend(vector)
        ends.append(len(together))
    short = short_floats(together)
    yield from (short[begin:end] for begin, end in pairwise(ends))
