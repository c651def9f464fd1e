"""What may come instead of an answer: pieces of it, damaged copies of it, and things that are none."""

import json
from collections.abc import Iterator
from typing import Any

JUNK = (
    b"", b" ", b"\x00", b"\xff\xfe", b"null", b"true", b"7", b'""', b"[]", b"{}", b"[[", b'{"', b"<html>Bad Gateway</html>",
    b"OK", b"data: {}\n\n", b"event: x\n\n", b'{"error":null}', b'{"error":"it broke"}', b'{"error":{"message":7,"code":[]}}',
    b'{"error":{}}', b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b'{"a":"\\ud800"}', b'{"a":NaN}', b"\xef\xbb\xbf{}",
)  # fmt: skip
"""Bodies that are no answer."""

VALUES = (
    "",
    "-1",
    "0",
    "x",
    "1e400",
    "nan",
    "9" * 400,
    "-0.0",
    "1,5",
    "\udcff",
    "Wed, 32 Oct 2026 99:28:00 GMT",
    "\u0661",
)
"""Values of headers that make no sense."""

_STRANGE: tuple[Any, ...] = (None, 7, -1, 2**70, 1.5, "x", "\u2028", True, [], {}, [None], {"x": None})


def damaged(body: bytes) -> Iterator[bytes]:
    """Yield copies of a JSON body in which one value is another, one is missing, or one byte is damaged."""
    document = json.loads(body)
    for path in _paths(document):
        for strange in _STRANGE:
            yield json.dumps(_changed(document, path, strange)).encode()
        yield json.dumps(_changed(document, path, _GONE)).encode()
    for at in range(len(body)):
        yield body[:at] + b"\xc3" + body[at + 1 :]


_GONE = object()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy with the value at `path` replaced, or left out."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = path
    if rest:
        copy[key] = _changed(value[key], tuple(rest), new)
    elif new is _GONE:
        del copy[key]
    else:
        copy[key] = new
    return copy
