"""How a pipeline stands, and what has failed on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from brimline.evals.parcel import Fate, Parcel
from brimline.types import Fault, FaultKind, Usage

_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(slots=True)
class StepProgress:
    """How one step stands.

    Attributes:
        name: What it is called.
        kind: `ask`, `map`, `split` or `gather`.
        came: Rows that have come.
        done: Those it is done with; what it made of them may be more rows, or fewer.
        dropped: Those that it wanted no more of.
        failed: Those it failed for.
        pending: Those it did not deal with; the next run does.
        known: Of an ask, answers and failures that were on file.
        usage: Of an ask, what its answers used, those on file included.
    """

    name: str
    kind: str
    came: int = 0
    done: int = 0
    dropped: int = 0
    failed: int = 0
    pending: int = 0
    known: int = 0
    usage: Usage = field(default_factory=Usage)

    @property
    def open(self) -> int:
        """Rows that it has and is not done with."""
        return self.came - self.done - self.dropped - self.failed - self.pending

    def lose(self, fate: Fate) -> None:
        """Count a row that is lost here."""
        match fate:
            case Fate.DROPPED:
                self.dropped += 1
            case Fate.FAILED:
                self.failed += 1
            case _:
                self.pending += 1


class FailedRows:
    """The rows that a run has lost, and why: a line for each in a file that every run begins anew.

    Args:
        path: The file.

    Attributes:
        count: How many they are.
        watch: Called with that number when it has grown.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.count = 0
        self.watch: Callable[[int], None] = lambda _: None

    def add(self, step: str, parcel: Parcel, fault: Fault) -> None:
        """Write a row down."""
        self.count += 1
        line = {
            "id": parcel.columns.get("id"),
            "step": step,
            "error": {"kind": fault.kind, "message": fault.detail},
        }
        self._file.write(_encode(line) + b"\n")
        self.watch(self.count)

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def broken(error: Exception) -> Fault:
    """Return the fault of a function that has raised."""
    return Fault(FaultKind.INVALID_REQUEST, f"{type(error).__name__}: {error}")


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: what a model of Pydantic says, or else its text."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)


def encode_row(columns: Mapping[str, Any]) -> bytes:
    """Return a row as JSON."""
    return msgspec.json.encode(columns, enc_hook=plain)
