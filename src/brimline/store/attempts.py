"""The attempts log: a line when a request leaves and a line when it has ended.

It says what a crash may have cost (requests that left and never ended) and what a quota's window still holds
after a restart. It is written once per turn of the event loop, before the requests of that turn leave, and it is
not synced: a killed process loses nothing of it, and a power cut may cost history, never results.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from brimline.core.limits import Demand
from brimline.types import Request

_encode = msgspec.json.Encoder().encode


class Intent(msgspec.Struct, tag_field="what", tag="start", frozen=True):
    """A request leaves. `at` is Unix time in ns; the tokens are estimates, 0 where no quota counts them."""

    at: int
    number: int
    id: Any
    key: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0


class End(msgspec.Struct, tag_field="what", tag="end", frozen=True):
    """An attempt has ended. Tokens are what it used, or None where that is not known."""

    at: int
    number: int
    status: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class Begin(msgspec.Struct, tag_field="what", tag="begin", frozen=True):
    """A process begins to run; numbers count from 1 again."""

    at: int
    pid: int


_decode = msgspec.json.Decoder(Intent | End | Begin).decode


class AttemptsLog:
    """Appends to the log of one run."""

    def __init__(self, path: Path, *, at: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self._lines = [b"\n"] if os.fstat(self._fd).st_size else []  # ends a line that a crash has torn
        self._number = 0
        self._add(Begin(at, os.getpid()))

    def start(self, at: int, request: Request, demand: Demand) -> int:
        """Note that a request is about to leave, and return its number; `flush` before it does."""
        self._number += 1
        tokens = demand.input_tokens, demand.output_tokens
        self._add(Intent(at, self._number, request.id, request.key, request.model, *tokens))
        return self._number

    def end(self, at: int, number: int, status: str, tokens: tuple[int, int] | None) -> None:
        """Note how the attempt `number` ended."""
        self._add(End(at, number, status, *(tokens or (None, None))))

    def flush(self) -> None:
        """Hand everything noted to the kernel, in one write.

        Raises:
            OSError: The disk is full; what was not written is kept for the next flush.
        """
        data, self._lines = b"".join(self._lines), []
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            self._lines = [data, *self._lines]
            raise

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._fd)

    def _add(self, entry: Intent | End | Begin) -> None:
        self._lines.append(_encode(entry) + b"\n")


@dataclass(frozen=True, slots=True)
class Used:
    """What left at one time, as far as a quota counts it."""

    at: int
    model: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class History:
    """What earlier processes left behind.

    Attributes:
        unfinished: Requests that left in the last process and never ended, by `name_request`. Those without a
            result may have been billed.
        recent: What left since the time asked for, in order of time.
    """

    unfinished: frozenset[bytes]
    recent: tuple[Used, ...]


def read_history(path: Path, *, since: int) -> History:
    """Read the log of earlier processes; what is torn or unreadable is skipped. `since` is Unix time in ns."""
    flying: dict[int, Intent] = {}
    recent: list[Used] = []
    for entry in _entries(path):
        if isinstance(entry, Begin):
            recent += [_used(intent, None) for intent in flying.values() if intent.at >= since]
            flying.clear()
        elif isinstance(entry, Intent):
            flying[entry.number] = entry
        else:
            intent = flying.pop(entry.number, None)
            if intent is not None and intent.at >= since:
                recent.append(_used(intent, entry))
    recent += [_used(intent, None) for intent in flying.values() if intent.at >= since]
    names = frozenset(name_request(intent.id, intent.key) for intent in flying.values())
    return History(names, tuple(sorted(recent, key=lambda used: used.at)))


def name_request(id_: Any, key: str) -> bytes:
    """Return what tells one request of a run from all others."""
    return _encode((id_, key))


def _used(intent: Intent, end: End | None) -> Used:
    if end is None or end.input_tokens is None or end.output_tokens is None:
        return Used(intent.at, intent.model, intent.input_tokens, intent.output_tokens)
    return Used(intent.at, intent.model, end.input_tokens, end.output_tokens)


def _entries(path: Path) -> Iterator[Intent | End | Begin]:
    if not path.exists():
        return
    with path.open("rb") as log:
        for line in log:
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
