"""Reading the body of a good reply: what it says is paid for, so what is not quite JSON is repaired."""

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

from brimline.providers.faults import UNREADABLE, clean
from brimline.types import Fault, FaultKind, HttpReply

T = TypeVar("T")

NO_BODY = (*UNREADABLE, ValueError)
"""What reading a body raises."""


def read_body(decode: Callable[[bytes], T], body: bytes) -> T:
    """Read a body; what some servers write that is not JSON is repaired.

    Raises:
        NO_BODY: It cannot be read all the same, or is something else.
    """
    try:
        return decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode(_repaired(body))


def _repaired(body: bytes) -> bytes:
    """Return a body without what JavaScript and Python write but JSON forbids.

    Halves of surrogate pairs and bytes that are no UTF-8 (a character cut in two) become U+FFFD, NaN and Infinity
    null.

    Raises:
        ValueError: It cannot be read all the same.
    """
    text = body.decode("utf-8-sig", "replace")
    document = json.loads(text, strict=False, parse_constant=lambda _: None)
    return clean(json.dumps(document, ensure_ascii=False)).encode()


def bad_reply(reply: HttpReply, why: str) -> Fault:
    """Return the fault of a reply that is no answer."""
    return Fault(FaultKind.BAD_REPLY, why, http_status=reply.status)


def header(reply: HttpReply, name: str) -> str | None:
    """Return a header that can be written down, or None."""
    value = reply.headers.get(name)
    return None if value is None else clean(value)
