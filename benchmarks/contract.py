"""What a benchmark is given and what it gives back."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class BenchmarkError(Exception):
    """A benchmark could not measure what it is to measure, and why."""


class Skipped(Exception):
    """A benchmark cannot run here, and what it needs."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a benchmark.

    Attributes:
        folder: An empty folder of its own, removed afterwards.
        quick: Whether it only has to show that it works: shrink everything.
        rounds: So many rounds instead of the benchmark's own number, or None.
        data: The file of real prompts that some benchmark needs, or None.
        root: The checkout that is measured.
    """

    folder: Path
    quick: bool
    rounds: int | None
    data: Path | None
    root: Path

    def pick(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else full

    def turns(self, full: int) -> range:
        """Return the rounds to go: as asked for, else 1 if it must be quick, else `full`."""
        return range(self.rounds or (1 if self.quick else full))


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that was measured, once in each round.

    Attributes:
        what: What it is.
        unit: In what it is measured; empty for a ratio.
        values: The measurements, in the order in which they were made.
        bar: What it must not exceed, or None where it stands beside others for comparison.
        every: Whether each value has to keep the bar, and not the median alone.
    """

    what: str
    unit: str
    values: Sequence[float]
    bar: float | None = None
    every: bool = False

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is kept, or None if there is none."""
        if self.bar is None:
            return None
        return (max(self.values) if self.every else self.median) <= self.bar


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the ratio in each round."""
    return [one / other for one, other in zip(above, below, strict=True)]
