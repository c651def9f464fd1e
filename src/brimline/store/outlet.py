"""Standard output, written without ever holding up the loop: a reader may be slow, stop reading, or leave."""

import asyncio
import errno
import os
import select
from collections.abc import Callable

from brimline.errors import OutputError

PIECE = 4096
"""Bytes that a pipe takes at once when it says that it takes any (PIPE_BUF on Linux; macOS takes as much)."""

PATIENCE = 1.0
"""Seconds after which a reader that takes nothing is worth a word."""

NOT_READ = OSError(errno.EAGAIN, "standard output is not read")


class Outlet:
    """Writes to one descriptor, in order.

    Args:
        fd: Where to; it stays open.
        stalled: Called with the reason while nobody reads, and with None when it goes on.
    """

    def __init__(self, fd: int, *, stalled: Callable[[OSError | None], None]) -> None:
        self._fd = fd
        self._stalled = stalled
        self._turn = asyncio.Lock()
        self._ready: asyncio.Future[None] | None = None
        self._is_closed = False

    async def write(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            OutputError: The reader has left, or the outlet was closed meanwhile.
            OSError: The disk behind it is full or broken.
        """
        async with self._turn:
            while data:
                if self._is_closed:
                    raise OutputError(f"{NOT_READ.strerror}; not everything could be written")
                if not select.select([], [self._fd], [], 0)[1]:
                    await self._wait()
                    continue
                try:
                    data = data[os.write(self._fd, data[:PIECE]) :]
                except BrokenPipeError:
                    raise OutputError("standard output was closed by who reads it") from None

    def close(self) -> None:
        """Wait for the reader no longer."""
        self._is_closed = True
        self._wake()

    async def _wait(self) -> None:
        """Wait until the reader takes more."""
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        alarm = loop.call_later(PATIENCE, self._stalled, NOT_READ)
        loop.add_writer(self._fd, self._wake)
        try:
            await self._ready
        finally:
            loop.remove_writer(self._fd)
            alarm.cancel()
            self._ready = None
        self._stalled(None)

    def _wake(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
