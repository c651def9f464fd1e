"""A reply that is read as it comes."""

import asyncio
from contextlib import suppress
from typing import Protocol

import aiohttp

from brimline.transport.explain import FAILURES, explain
from brimline.types import Fault, HttpReply

TYPES = frozenset({
    "text/event-stream",
    "application/x-ndjson",
    "application/jsonl",
    "application/stream+json",
    "application/vnd.amazon.eventstream",
})
"""Content types of answers that come in pieces; any other reply is read whole."""

LINGER = 0.1
"""Seconds in which a reply may come to its end after all that matters has come; then its connection is used again."""


class ByteStream(Protocol):
    """The body of a reply, as it comes.

    Attributes:
        head: Status and headers; the body is empty.
    """

    head: HttpReply

    async def read(self) -> bytes | Fault:
        """Return what has come, at least one byte; nothing at the end, or why there is no end."""
        ...

    async def finish(self) -> None:
        """Let go of a reply of which nothing more matters; its connection is used again if that costs no time."""
        ...

    def close(self) -> None:
        """Let go of it. Unless it is at its end its connection is closed, so that the server stops."""
        ...


class HttpStream:
    """The body of an HTTP reply. Nobody reads ahead: what is not read stays with the server."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.head = HttpReply(response.status, response.headers, b"")
        self._response = response
        self._read = response.content.readany

    async def read(self) -> bytes | Fault:
        """Return what has come, at least one byte; nothing at the end, or why there is no end."""
        try:
            return await self._read()
        except FAILURES as error:
            return explain(error)

    async def finish(self) -> None:
        """Let go of a reply of which nothing more matters; its connection is used again if that costs no time."""
        if not self._response.content.at_eof():
            with suppress(TimeoutError, *FAILURES):
                async with asyncio.timeout(LINGER):
                    await self._skip()
        self.close()

    def close(self) -> None:
        """Let go of it. Unless it is at its end its connection is closed, so that the server stops."""
        self._response.close()

    async def _skip(self) -> None:
        while await self._read():
            pass
