"""A server that costs next to nothing: it answers each request at once, with the same chat completion or vectors.

A raw protocol on uvloop, so that what is measured is the client. It is no HTTP server: it looks for the end of
the head and for `content-length`, and for nothing else. Its first line of output is its base URL; it ends when
its standard input is closed.
"""

import asyncio
import base64
import json
import math
import struct
import sys
from functools import cache

import msgspec
import uvloop

BODY = json.dumps({
    "id": "chatcmpl-000000000000000000000000000",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "null",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "She makes 9 * 2 = $18 every day at the farmer's market.\n#### 18",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 96,
        "completion_tokens": 24,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": "fp_0000000000",
}).encode()


def reply(body: bytes) -> bytes:
    """Return a whole reply."""
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_00000000000000000000000000\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


REPLY = reply(BODY)


class Answering(asyncio.Protocol):
    """One connection: a reply for each whole request."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        while (length := request_length(received)) is not None and len(received) >= length:
            self._transport.write(reply_to(received[:length]))
            received = received[length:]
        self._received = received


def reply_to(request: bytes) -> bytes:
    """Return the chat completion, or as many vectors as there are texts to embed."""
    if not request.startswith(b"POST /v1/embeddings"):
        return REPLY
    body = msgspec.json.decode(request[request.find(b"\r\n\r\n") + 4 :])
    return vectors(len(body["input"]), body.get("dimensions", 16))


@cache
def vectors(count: int, dimensions: int) -> bytes:
    """Return the reply to so many texts; a vector's numbers have as many digits as real ones."""
    data = []
    for place in range(count):
        angles = [1 + place + number for number in range(dimensions)]
        packed = struct.pack(f"<{dimensions}f", *(math.sin(angle) / dimensions**0.5 for angle in angles))
        embedding = base64.b64encode(packed).decode()
        data.append({"object": "embedding", "index": place, "embedding": embedding})
    usage = {"prompt_tokens": 8 * count, "total_tokens": 8 * count}
    return reply(json.dumps({"object": "list", "data": data, "model": "null", "usage": usage}).encode())


def request_length(received: bytes) -> int | None:
    """Return the length of the first request, or None while its head is not complete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = received[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        return end + 4
    return end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])


async def serve() -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
