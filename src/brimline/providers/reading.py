"""Reading the parts of a reply: what should be there and is not, or makes no sense, must not cost the rest."""

from collections.abc import Mapping
from typing import Any

import msgspec

from brimline.providers.bodies import read_body
from brimline.types import Usage

_MOST = 1 << 53
_decode = msgspec.json.Decoder().decode


def read_object(body: bytes) -> dict[str, Any]:
    """Read a body that should be an object.

    Raises:
        NO_BODY: It cannot be read, or it is something else.
    """
    document = read_body(_decode, body)
    if not isinstance(document, dict):
        raise msgspec.ValidationError("it is no object")
    return document


def used(
    into: Any,
    out: Any,
    cached: Any = None,
    written: Any = None,
    reasoning: Any = None,
    *,
    is_apart: bool = False,
) -> Usage | None:
    """Return what was used, as `Usage` orders it; None where nothing is said, or a number makes no sense.

    Args:
        into: All input.
        out: All output.
        cached: The part of the input that was read from a cache; no part is more than its whole.
        written: The part of the input that was written to a cache.
        reasoning: The part of the output that is reasoning.
        is_apart: Whether `into` leaves out what was read from a cache or written to one.
    """
    if into is None and out is None:
        return None
    try:
        whole, made, read, wrote = _tokens(into), _tokens(out), _tokens(cached), _tokens(written)
        if is_apart:
            whole += read + wrote
        read = min(read, whole)
        return Usage(whole, made, read, min(wrote, whole - read), min(_tokens(reasoning), made))
    except (ValueError, TypeError, OverflowError):
        return None


def _tokens(value: Any) -> int:
    """Read a number of tokens; some servers write it as text or with a fraction of zero."""
    number = value if type(value) is int else 0 if value is None else int(value)
    if not 0 <= number < _MOST or (type(value) is float and number != value):
        raise ValueError
    return number


def word(value: Any) -> str | None:
    """Return a value that should be text, if it is."""
    return value if isinstance(value, str) else None


def members(value: Any) -> Mapping[str, Any]:
    """Return what should be an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of what should be a list of them."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def tool_call(number: Any, name: Any, arguments: Any) -> dict[str, Any]:
    """Return a call as `Response.tool_calls` holds it; some providers write its arguments as an object."""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode({} if arguments is None else arguments).decode()
    function = {"name": word(name) or "", "arguments": arguments}
    return {"id": word(number), "type": "function", "function": function}
