"""The ear of a live run: takes commands through a socket that only its owner can open.

It decides nothing: each command is one call of what the run can do anyway. A client says one line and gets one; a
client that says nothing, or too much, is hung up on.
"""

import asyncio
import logging
from pathlib import Path
from typing import Protocol, cast

import msgspec

from brimline.config import LimitRule
from brimline.engine.commands import (
    LONGEST_COMMAND,
    Command,
    Done,
    Look,
    Pause,
    Refused,
    Reply,
    Resume,
    Set,
    Stop,
    decode_command,
    encode,
)
from brimline.engine.status import Status
from brimline.errors import BrimlineError
from brimline.store.socket import ControlSocket

log = logging.getLogger("brimline.engine")

PATIENCE = 5.0
"""Seconds that a client has to say its line."""


class Controlled(Protocol):
    """What can be told what to do. Each tells people what came of it, or raises a BrimlineError that says why not."""

    def status(self) -> Status:
        """Return how it stands."""
        ...

    def pause(self) -> str:
        """Start nothing until it is resumed."""
        ...

    def resume(self) -> str:
        """Go on."""
        ...

    def halt(self, *, now: bool) -> str:
        """End, resumably: with what is in flight, or without."""
        ...

    def declare(self, rules: list[LimitRule]) -> str:
        """Change declared limits."""
        ...


class Control:
    """Listens beside the results of one run until closed.

    Args:
        run: What is told what to do.
        folder: The folder beside the results; its lock is held.
    """

    def __init__(self, run: Controlled, folder: Path) -> None:
        self._run = run
        self._folder = folder
        self._socket: ControlSocket | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()

    async def open(self) -> None:
        """Listen. A run goes on without where no socket can be made."""
        try:
            self._socket = ControlSocket(self._folder)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(
                lambda: _Client(self._run, self._clients), sock=self._socket.socket
            )
        except OSError as error:
            log.warning("this run takes no commands: %s", error)
            self.close()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        for client in [*self._clients]:
            client.hang_up()
        if self._socket is not None:
            self._socket.close()


class _Client(asyncio.Protocol):
    """One connection: a line in, a line out."""

    def __init__(self, run: Controlled, clients: "set[_Client]") -> None:
        self._run = run
        self._clients = clients
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.hang_up)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base
        self._clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        line, newline, _ = (self._heard + data).partition(b"\n")
        self._heard = line
        if len(line) > LONGEST_COMMAND:
            self._reply(Refused("the command is too long"))
        elif newline:
            self._reply(_obey(self._run, line))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._timer.cancel()
        self._clients.discard(self)

    def hang_up(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _reply(self, reply: Reply) -> None:
        assert self._transport is not None
        self._transport.write(encode(reply) + b"\n")
        self._transport.close()


def _obey(run: Controlled, line: bytes) -> Reply:
    try:
        command = decode_command(line)
        return Done(_perform(run, command), run.status())
    except msgspec.MsgspecError as error:
        return Refused(f"this version does not know the command: {error}")
    except BrimlineError as error:
        return Refused(str(error))
    except Exception as error:
        log.exception("a command failed")
        return Refused(f"internal error: {type(error).__name__}: {error}")


def _perform(run: Controlled, command: Command) -> str:
    match command:
        case Look():
            return ""
        case Pause():
            return run.pause()
        case Resume():
            return run.resume()
        case Stop(now):
            return run.halt(now=now)
        case Set(changes):
            return run.declare([change.rule() for change in changes])
