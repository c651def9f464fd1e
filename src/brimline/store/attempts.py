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

from brimline.core.permit import Demand
from brimline.store.durable import sync_folder
from brimline.types import Request

_encode = msgspec.json.Encoder().encode


class Intent(msgspec.Struct, tag_field="what", tag="start", frozen=True, omit_defaults=True):
    """A request leaves. `at` is Unix time in ns; the tokens are estimates, 0 where no quota counts them.

    `model` is the one that it goes to: a member of a pool, or a fallback.
    `group`: whose limits it needs beside those of its model.
    `shared`: it stands in a daybook that processes share, too. `rows`: of a bundle the id, key and repeat of each of its
    requests, which have no others.
    """

    at: int
    number: int
    id: Any
    key: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    repeat: int | None = None
    shared: bool = False
    group: str = ""
    rows: list[tuple[Any, str, int | None]] = []

    def names(self) -> Iterator[bytes]:
        """Yield the name of each request that leaves with it."""
        for id_, key, repeat in self.rows or [(self.id, self.key, self.repeat)]:
            yield name_request(id_, key, repeat)


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
        sync_folder(path.parent)  # where this file is, results that cannot be read are ours
        self._lines = [b"\n"] if os.fstat(self._fd).st_size else []  # ends a line that a crash has torn
        self._number = 0
        self._add(Begin(at, os.getpid()))

    def start(
        self,
        at: int,
        request: Request,
        demand: Demand,
        *,
        model: str = "",
        group: str = "",
        shared: bool = False,
    ) -> int:
        """Note that a request is about to leave, and return its number; `flush` before it does.

        `model` is whose limits it needs, where that is not the model that is asked for; `group` whose beside.
        """
        self._number += 1
        tokens = demand.input_tokens, demand.output_tokens
        identity = request.id, request.key, model or request.model
        rows = [(part.id, part.key, part.repeat) for part in request.parts]
        self._add(Intent(at, self._number, *identity, *tokens, request.repeat, shared, group, rows))
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


@dataclass(slots=True)
class Used:
    """What left at one time for one model and group, as far as quotas count it; `shared`: it stands in a shared daybook, too."""

    at: int
    model: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    shared: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What earlier processes left behind.

    Attributes:
        unfinished: Requests that left in the last process and never ended, by `name_request`. Those without a
            result may have been billed.
        recent: What left within the span asked for, in order of time.
    """

    unfinished: frozenset[bytes]
    recent: tuple[Used, ...]


GRAINS = 4096
"""The span is told apart so finely: a day's million attempts are remembered in as many pieces."""


def read_history(path: Path, *, now: int, span: int) -> History:
    """Read the log of earlier processes; what is torn or unreadable is skipped.

    Args:
        path: The log.
        now: Unix time, ns.
        span: How far back quotas look, ns.
    """
    recent = _Recent(now - span, max(1, span // GRAINS))
    flying: dict[int, Intent] = {}
    for entry in _entries(path):
        if isinstance(entry, Begin):
            recent.add_all(flying)
            flying.clear()
        elif isinstance(entry, Intent):
            flying[entry.number] = entry
        elif (intent := flying.pop(entry.number, None)) is not None:
            recent.add(intent, entry)
    recent.add_all(flying)
    names = frozenset(name for intent in flying.values() for name in intent.names())
    return History(names, recent.in_order())


def name_request(id_: Any, key: str, repeat: int | None = None) -> bytes:
    """Return what tells one request of a run from all others; the first repeat is called like the only one."""
    return _encode((id_, key, repeat) if repeat else (id_, key))


class _Recent:
    """Adds up what left since a time, model by model and grain by grain; what is added up counts as late as its last."""

    def __init__(self, since: int, grain: int) -> None:
        self._since = since
        self._grain = grain
        self._used: dict[tuple[int, str, str, bool], Used] = {}

    def add(self, intent: Intent, end: End | None) -> None:
        """Add an attempt; what it used stands in its end, or else in its intent."""
        if intent.at < self._since:
            return
        grain = intent.at // self._grain, intent.model, intent.group, intent.shared
        used = self._used.setdefault(
            grain, Used(intent.at, intent.model, shared=intent.shared, group=intent.group)
        )
        used.at = max(used.at, intent.at)
        used.requests += 1
        is_known = end is not None and end.input_tokens is not None and end.output_tokens is not None
        source = end if is_known else intent
        assert source is not None
        used.input_tokens += source.input_tokens or 0
        used.output_tokens += source.output_tokens or 0

    def add_all(self, flying: dict[int, Intent]) -> None:
        """Add attempts that never ended."""
        for intent in flying.values():
            self.add(intent, None)

    def in_order(self) -> tuple[Used, ...]:
        """Return everything, in order of time."""
        return tuple(sorted(self._used.values(), key=lambda used: used.at))


def _entries(path: Path) -> Iterator[Intent | End | Begin]:
    if not path.exists():
        return
    with path.open("rb") as log:
        for line in log:
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
