"""What was really served: one line for each request, and sums for each model."""

from collections import defaultdict
from typing import BinaryIO

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.replies import Usage
from brimline.sim.world import Exchange

ANSWERS = frozenset({"ok", "empty", "filter200", "length", "null_content"})
"""The kinds that give the client an answer: a 200 that was handed over whole."""
_TEXT = 80
_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True):
    """One request that is over; a line of the ledger. Times in seconds since the start."""

    n: int
    """Counted in the order of arrival; the lines are in the order of their end."""
    t: float
    """Arrival."""
    wall: int
    """Arrival in Unix time, nanoseconds."""
    model: str
    key: str
    """The digest of the conversation; empty when it could not be read."""
    text: str
    """The beginning of the last user message."""
    status: int
    """What the client was told; 0 for nothing."""
    kind: str
    """ok, refused (a limit), a fault's name, gone (the client left), cut (the server left), ..."""
    latency: float
    """What the scenario made of it; what it took is `done - t`."""
    done: float
    """When the last byte was handed to the socket, or the connection was lost."""
    usage: Usage | None


class Tally(msgspec.Struct):
    """Sums over requests. received = in_flight + all kinds."""

    received: int = 0
    served: int = 0
    """Answers handed over whole."""
    refused: int = 0
    """By a limit."""
    failed: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    """All that got no answer, by kind; the refused are counted apart."""
    kinds: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    in_flight: int = 0
    max_in_flight: int = 0
    first_at: float | None = None
    """The first arrival, in seconds since the start."""
    last_at: float | None = None
    input_tokens: int = 0
    """Of all that were served."""
    output_tokens: int = 0

    def open(self, at: float) -> None:
        """Count an arrival."""
        self.received += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.first_at = at if self.first_at is None else self.first_at
        self.last_at = at

    def close(self, kind: str, usage: Usage | None) -> None:
        """Count an end."""
        self.in_flight -= 1
        self.kinds[kind] += 1
        if kind == "refused":
            self.refused += 1
        elif kind not in ANSWERS:
            self.failed[kind] += 1
        else:
            self.served += 1
            self.input_tokens += usage.input_tokens if usage else 0
            self.output_tokens += usage.output_tokens if usage else 0


class Stats(msgspec.Struct, frozen=True):
    """The sums of a ledger."""

    uptime: float
    """Seconds since the start."""
    total: Tally
    models: dict[str, Tally]
    """By name; "" stands for bodies that could not be read."""


class Ledger:
    """The record of one server, in memory and, if given, at the end of a file.

    It keeps about 300 bytes a request: the encoded lines and nothing else.
    """

    def __init__(self, start: int, epoch: int, file: BinaryIO | None = None) -> None:
        """`start` is now; `epoch` the Unix time in nanoseconds at `now == 0`."""
        self._start, self._epoch, self._file = start, epoch, file
        self._lines = bytearray()
        self._written = 0
        self.total = Tally()
        self.models: dict[str, Tally] = defaultdict(Tally)

    def open(self, exchange: Exchange) -> None:
        """Note that a request has arrived."""
        at = self._since_start(exchange.arrived)
        self.total.open(at)
        self.models[exchange.model].open(at)

    def close(self, exchange: Exchange, now: int, kind: str) -> None:
        """Note how a request ended."""
        self.total.close(kind, exchange.usage)
        self.models[exchange.model].close(kind, exchange.usage)
        self._lines += _encode(
            Entry(
                n=exchange.number,
                t=self._since_start(exchange.arrived),
                wall=self._epoch + exchange.arrived,
                model=exchange.model,
                key=exchange.key,
                text=exchange.text[:_TEXT],
                status=exchange.told,
                kind=kind,
                latency=exchange.script.lasts / SECOND if exchange.script is not None else 0.0,
                done=self._since_start(now),
                usage=exchange.usage,
            )
        )
        self._lines += b"\n"

    def lines(self) -> bytes:
        """All entries so far, as JSONL."""
        return bytes(self._lines)

    def entries(self) -> list[Entry]:
        """All entries so far."""
        return [msgspec.json.decode(line, type=Entry) for line in self._lines.splitlines()]

    def stats(self, now: int) -> Stats:
        """The sums so far."""
        return Stats(self._since_start(now), self.total, self.models)

    def flush(self) -> None:
        """Write to the file what it does not hold yet."""
        if self._file is not None and self._written < len(self._lines):
            self._file.write(memoryview(self._lines)[self._written :])
            self._file.flush()
            self._written = len(self._lines)

    def _since_start(self, now: int) -> float:
        return (now - self._start) / SECOND
