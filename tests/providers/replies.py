"""Replies as servers send them, as short as tests want them."""

import json

from multidict import CIMultiDict

from brimline.types import HttpReply


def reply(status=200, body=b"", **headers):
    """Header names are written with `_` for `-`."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return HttpReply(
        status, CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}), body
    )


def completion(*messages, reason="stop", **more):
    """A chat completion with a choice for each message, which may be a text."""
    choices = [
        {
            "index": index,
            "message": {"content": message} if isinstance(message, str) else message,
            "finish_reason": reason,
        }
        for index, message in enumerate(messages)
    ]
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": choices, "model": "x-2026", **more}


def events(*documents, names=True, end="\n\n"):
    """A stream of events, each named after its type where they have names."""
    pieces = []
    for document in documents:
        name = f"event: {document['type']}\n" if names else ""
        pieces.append(f"{name}data: {json.dumps(document)}{end}")
    return "".join(pieces).encode()


def feed(reader, data, size=None):
    """Feed a stream, at once or in pieces of `size` bytes; returns the deltas and the result."""
    size = size or max(1, len(data))
    deltas = [delta for at in range(0, len(data), size) for delta in reader.feed(data[at : at + size])]
    return deltas, reader.result()
