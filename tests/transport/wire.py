"""Servers that speak bytes: each connection is handed to a script, whatever HTTP says."""

import asyncio
import contextlib
import json
import socket
import struct

BODY = json.dumps({"answer": 42}).encode()


def answer(body=BODY, status="200 OK", **headers):
    """The bytes of a reply; header names are written with `_` for `-`."""
    fields = {"content_type": "application/json", "content_length": len(body), **headers}
    head = "".join(
        f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value is not None
    )
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


async def receive(reader):
    """Return start line, headers and body of the next request, or None where the connection has ended."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return head[0], headers, await reader.readexactly(int(headers.get("content-length", 0)))


def reset(writer):
    """Break a connection the hard way: the peer gets RST instead of an end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class Server:
    """Listens on loopback while it is entered.

    Args:
        script: Coroutine function of reader and writer; without one, every request gets `replies` in turn.
        replies: Bytes; the last one is repeated.
    """

    def __init__(self, *replies, script=None):
        self.replies = [*replies] or [answer()]
        self.script = script or self.serve
        self.requests = []
        self.connections = 0

    async def serve(self, reader, writer):
        while (request := await receive(reader)) is not None:
            self.requests.append(request)
            writer.write(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])
            await writer.drain()

    async def _handle(self, reader, writer):
        self.connections += 1
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self.script(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def __aenter__(self):
        self._tasks = set()
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
