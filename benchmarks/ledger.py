"""What the simulator's ledger says of a run."""

from dataclasses import dataclass
from typing import Any

from benchmarks.process import Server


@dataclass(frozen=True, slots=True)
class Ledger:
    """The requests that a server has seen, each as a line of its ledger; times in seconds."""

    entries: list[dict[str, Any]]

    @classmethod
    def of(cls, server: Server) -> "Ledger":
        """Ask a simulator."""
        return cls(server.records("/sim/ledger"))

    def only(self, model: str) -> "Ledger":
        """Return the part that belongs to a model."""
        return Ledger([entry for entry in self.entries if entry["model"] == model])

    @property
    def first(self) -> float:
        """When the first request came."""
        return min(entry["t"] for entry in self.entries)

    @property
    def last(self) -> float:
        """When the last request came."""
        return max(entry["t"] for entry in self.entries)

    @property
    def end(self) -> float:
        """When the last reply had left."""
        return max(entry["done"] for entry in self.entries)

    def fullest(self, span: float) -> int:
        """Return the most requests that came in any `span` seconds."""
        times, first, most = sorted(entry["t"] for entry in self.entries), 0, 0
        for place, time in enumerate(times):
            while times[first] <= time - span:
                first += 1
            most = max(most, place - first + 1)
        return most

    @property
    def answered(self) -> int:
        """How many requests got an answer."""
        return sum(entry["kind"] == "ok" for entry in self.entries)

    @property
    def refused(self) -> int:
        """How many requests were refused for a limit."""
        return sum(entry["kind"] == "refused" for entry in self.entries)
