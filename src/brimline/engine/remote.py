"""The mouth: says one command to the run that writes certain results, and returns how it stands then."""

import socket
from pathlib import Path

import msgspec

from brimline.engine.commands import (
    LONGEST_REPLY,
    Command,
    Done,
    Look,
    Refused,
    Reply,
    decode_reply,
    encode,
)
from brimline.engine.status import Status, status_on_file
from brimline.errors import OutputError, RunError, UsageError
from brimline.store.folder import FolderView
from brimline.store.socket import find_socket

PATIENCE = 5.0
"""Seconds for each step of a conversation; a run answers between two turns of its loop."""


class NoRun(RunError):
    """Nothing listens: no process writes these results now, or it takes no commands."""


def tell(output: Path, command: Command, *, patience: float | None = None) -> Done:
    """Say a command to the run that writes `output`; wait `patience` seconds for each step.

    Raises:
        NoRun: There is none.
        RunError: It does not answer.
        UsageError: It refuses, and why.
        OutputError: It belongs to another user.
    """
    folder = FolderView(output)
    path = find_socket(folder.path)
    line = b""
    if path is not None:
        try:
            line = _converse(path, encode(command) + b"\n", patience or PATIENCE)
        except (ConnectionError, FileNotFoundError):
            path = None  # left behind by a process that was killed, or it ends just now
        except PermissionError:
            raise OutputError(f"the run of {output} belongs to another user") from None
        except OSError as error:
            raise _silent(output, folder.owner(), error) from None
    if path is None:
        raise _nobody(output, folder.owner())
    return _understood(output, folder, line)


def look(output: Path) -> Status:
    """Return how a run stands: by its own word, or else by what is on file.

    Raises:
        RunError: It lives and does not answer.
        OutputError: There is no such run, or it belongs to another user.
    """
    try:
        return tell(output, Look()).status
    except NoRun:
        return status_on_file(output)


def _converse(path: Path, line: bytes, patience: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(patience)
        connection.connect(str(path))
        connection.sendall(line)
        reply = bytearray()
        while len(reply) < LONGEST_REPLY and (data := connection.recv(1 << 16)):
            reply += data
        return bytes(reply)


def _understood(output: Path, folder: FolderView, line: bytes) -> Done:
    if not line.endswith(b"\n"):  # it has ended before it could answer
        raise _nobody(output, folder.owner())
    try:
        reply: Reply = decode_reply(line)
    except msgspec.MsgspecError as error:
        raise RunError(f"the run of {output} answers in another version's words: {error}") from None
    if isinstance(reply, Refused):
        raise UsageError(reply.reason)
    return reply


def _nobody(output: Path, owner: int | None) -> NoRun:
    if owner is None:
        return NoRun(
            f"no run is writing {output} now", hint="`brimline status` shows the runs in this folder."
        )
    return NoRun(
        f"process {owner} is writing {output} and takes no commands at the moment",
        hint="It may be reading its input, or ending; try again in a moment.",
    )


def _silent(output: Path, owner: int | None, error: OSError) -> RunError:
    who = f"process {owner}" if owner else "its process"
    return RunError(
        f"the run of {output} does not answer ({error})", hint=f"Is {who} suspended, or very busy?"
    )
