"""The listening socket, which can go away and come back on the same port."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

_BACKLOG = 4_096
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Listener:
    """A port that is held from the start, and at which somebody listens between `open` and `close`."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        """Take the port, 0 for a free one. Raises OSError when it is not to be had."""
        self._factory, self._host = factory, host
        self._socket = self._bind(port)
        self._server: asyncio.AbstractServer | None = None
        self.port: int = self._socket.getsockname()[1]

    def __repr__(self) -> str:
        return f"Listener({self.url}, {'open' if self.is_open else 'closed'})"

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    async def open(self) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._factory, sock=self._socket, backlog=_BACKLOG)

    def close(self) -> None:
        """Refuse connections; those that are open stay so. The port remains ours: it is bound again."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = self._bind(self.port)

    def release(self) -> None:
        """Give the port up."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._socket.close()

    def _bind(self, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._host, port))
        except OSError:
            sock.close()
            raise
        return sock


def drop(transport: asyncio.Transport | None) -> None:
    """End a connection with an RST, as a machine does that lost its power and came back."""
    if transport is None:
        return
    with suppress(OSError, AttributeError):  # the socket may be gone already
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
