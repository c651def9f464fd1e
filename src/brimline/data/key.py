"""A request's key: what makes it this request, so that an answer on file is the answer to it.

Version 1: BLAKE2b with 128 bits, in hex, over JSON in UTF-8 with sorted keys and no spaces of

    {"v": 1, "endpoint", "model", "messages", "follow_ups", "params", "operation", "schema"}

with `follow_ups` and `schema` left out where there are none, and `operation` where it is chat. `params` are as the user gave them, tools
among them; local files stand in the messages as a digest of their content. Base URL, credential, timeouts, limits, tries and
the row's id are not in it.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from brimline.types import Message, Operation

_CHAT = Operation.CHAT
_encode = msgspec.json.Encoder(order="sorted").encode


def request_key(
    model: str,
    messages: Sequence[Message],
    follow_ups: Sequence[str],
    params: Mapping[str, Any],
    operation: Operation = Operation.CHAT,
    *,
    schema: Mapping[str, Any] | None = None,
) -> str:
    """Return the key of a request to the model reference `model`."""
    endpoint, _, name = model.partition("/")
    identity: dict[str, Any] = {
        "v": 1,
        "endpoint": endpoint,
        "model": name,
        "messages": messages,
        "params": params,
    }
    if follow_ups:
        identity["follow_ups"] = follow_ups
    if operation is not _CHAT:
        identity["operation"] = operation
    if schema is not None:
        identity["schema"] = schema
    return blake2b(_encode(identity), digest_size=16).hexdigest()
