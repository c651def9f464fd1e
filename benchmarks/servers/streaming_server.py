"""A server whose answers come in pieces: so many chunks of a chat completion, at once or one after another.

Usage: `streaming_server.py PIECES`. Below `/together` they are written as fast as they are taken; below `/apart`
each is a write of its own, with a pause before it. Its first line of output is its base URL without these; it ends
when its standard input is closed.
"""

import asyncio
import json
import sys

import uvloop

PAUSE = 0.001
TOGETHER = 16
"""Pieces in a write."""

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_00000000000000000000000000\r\ntransfer-encoding: chunked\r\n\r\n"
)


def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    """Return a piece as OpenAI sends it, with its frame."""
    body = {
        "id": "chatcmpl-000000000000000000000000000",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "null",
        "service_tier": "default",
        "system_fingerprint": "fp_0000000000",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
        "usage": None,
        "obfuscation": "aXyzPq",
    }
    return frame(b"data: %b\n\n" % json.dumps(body, separators=(",", ":")).encode())


def frame(data: bytes) -> bytes:
    """Return data as a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


WORD = chunk({"content": " market"})
LAST = chunk({}, "stop") + frame(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Answering(asyncio.Protocol):
    """One connection: an answer in pieces for each request, which comes in one read."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._go_on = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._go_on.set()

    def pause_writing(self) -> None:
        self._go_on.clear()

    def resume_writing(self) -> None:
        self._go_on.set()

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"POST"):
            self._writing = asyncio.create_task(self._answer(b"/apart/" in data.split(b"\r\n", 1)[0]))

    async def _answer(self, is_apart: bool) -> None:
        pieces = int(sys.argv[1])
        self._transport.write(HEAD)
        for _ in range(pieces if is_apart else pieces // TOGETHER):
            if is_apart:
                await asyncio.sleep(PAUSE)
            await self._go_on.wait()
            self._transport.write(WORD if is_apart else WORD * TOGETHER)
        self._transport.write(LAST)


async def serve() -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
