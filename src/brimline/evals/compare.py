"""The same rows answered by several: who is better, by how much, at what cost, and where they differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import msgspec

from brimline.errors import InputError
from brimline.evals.row import ScoreError
from brimline.evals.spec import Scorer
from brimline.evals.statistics import Mean, mean_of, paired_difference
from brimline.store.export import LastLines

RowName: TypeAlias = tuple[str, int]
"""Which row, by its id, and which of several answers to it."""

_encode = msgspec.json.Encoder(order="sorted").encode


class Cell(NamedTuple):
    """What one side has for a row; numbers only, the texts stay on disk."""

    is_answered: bool
    digest: bytes
    score: float | None
    latency: float | None
    cost: float | None
    tokens: int | None


@dataclass(slots=True)
class Side:
    """One of those that are compared.

    Attributes:
        name: What it is called: its file, its model, or both.
        cells: What it has for each row.
    """

    name: str
    cells: dict[RowName, Cell] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Rows that it has answered."""
        return sum(cell.is_answered for cell in self.cells.values())

    @property
    def score(self) -> Mean | None:
        """Its mean score."""
        return mean_of((row[0], cell.score) for row, cell in self.cells.items() if cell.score is not None)

    @property
    def latency(self) -> float | None:
        """The median latency of its answers, seconds."""
        return median(known) if (known := _known(self.cells.values(), "latency")) else None

    @property
    def cost(self) -> float | None:
        """What it cost in all, US dollars; None if the price of any row is unknown."""
        known = _known(self.cells.values(), "cost")
        return sum(known) if len(known) == len(self.cells) else None


@dataclass(frozen=True, slots=True)
class Difference:
    """How one side stands to the first.

    Attributes:
        name: Its name.
        rows: Rows that both have.
        wins: Rows on which its score is higher.
        ties: Rows on which the scores are equal.
        losses: Rows on which its score is lower.
        score: How much its score is above the first's, in the mean over the rows that both have a score for.
        same: Rows that both have answered alike.
        latency: How much longer it took in the mean, seconds.
        cost: How much more it cost in the mean of the rows with known prices, US dollars.
    """

    name: str
    rows: int
    wins: int
    ties: int
    losses: int
    score: Mean | None
    same: int
    latency: Mean | None
    cost: Mean | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several sides over the same rows.

    Attributes:
        sides: The sides; the first is what the others are compared with.
        differences: How each other side stands to it.
        differing: The rows that not all have answered alike, in the first's order.
        missing: How many rows are not known to all sides.
        scorer: What the score is called; empty if there is none.
    """

    sides: tuple[Side, ...]
    differences: tuple[Difference, ...]
    differing: tuple[RowName, ...]
    missing: int
    scorer: str


def compare(results: Sequence[Path], scorer: Scorer | None = None) -> Comparison:
    """Compare results files; a file with several models is one side for each.

    Args:
        results: The files, of `run` or of `score`.
        scorer: Gives the rows their scores; if not given, a score that is in the files is taken.

    Raises:
        InputError: A file cannot be read, there is nothing to compare, or no row is known to all.
    """
    sides: dict[str, Side] = {}
    found = set()
    for name, line in _lines(results):
        score, what = _score(line, scorer)
        found |= {what} - {""}
        sides.setdefault(name, Side(name)).cells[_row(line)] = _cell(line, score)
    if len(sides) < 2:
        raise InputError("there is only one side; give another file, or results of several models")
    first, *others = sides.values()
    shared = set(first.cells).intersection(*(side.cells for side in others))
    if not shared:
        raise InputError("they have no row in common; rows are the same where their ids are")
    every = set().union(*(side.cells for side in sides.values()))
    return Comparison(
        (first, *others),
        tuple(_difference(first, side) for side in others),
        tuple(row for row in first.cells if row in shared and _differs(row, sides.values())),
        len(every - shared),
        found.pop() if len(found) == 1 else "score" if found else "",
    )


def rows_of(
    results: Sequence[Path], wanted: Iterable[RowName]
) -> Iterator[tuple[RowName, dict[str, dict[str, Any]]]]:
    """Yield rows with the lines that each side has for them, in the order asked for."""
    order = [*wanted]
    lines: dict[RowName, dict[str, dict[str, Any]]] = {row: {} for row in order}
    for name, line in _lines(results):
        if (row := _row(line)) in lines:
            lines[row][name] = line
    for row in order:
        yield row, lines[row]


def _lines(results: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each line with the name of its side: the model where that tells them apart, or else the file."""
    with ExitStack() as stack:
        files = [(path, stack.enter_context(LastLines(path))) for path in results]
        several = len(files) > 1
        stems = [path.stem for path in results]
        for path, lines in files:
            file = path.stem if stems.count(path.stem) == 1 else str(path)
            models: set[str] = set()
            if several:
                models = {str(line.get("model")) for line in lines.rows()}
            for line in lines.rows():
                model = str(line.get("model"))
                name = model if not several else file if len(models) == 1 else f"{file}: {model}"
                yield name, line


def _row(line: Mapping[str, Any]) -> RowName:
    repeat = line.get("repeat")
    return str(line.get("id", line.get("custom_id"))), repeat if isinstance(repeat, int) else 0


def _cell(line: Mapping[str, Any], score: float | None) -> Cell:
    usage, cost = line.get("usage"), line.get("cost_usd")
    return Cell(
        line.get("status") == "ok",
        blake2b(_encode(line.get("response")), digest_size=8).digest(),
        score,
        line.get("latency_s"),
        cost if isinstance(cost, int | float) else None,
        usage.get("output_tokens") if isinstance(usage, dict) else None,
    )


def _score(line: Mapping[str, Any], scorer: Scorer | None) -> tuple[float | None, str]:
    """Return a line's score and what it is called; the first if there are several."""
    scores = line.get("scores")
    if scorer is not None and line.get("status") == "ok":
        try:
            scores = scorer.score(line)
        except ScoreError:
            return None, scorer.name
    if not isinstance(scores, dict) or not scores:
        return None, ""
    name, score = next(iter(scores.items()))
    return float(score), str(name)


def _differs(row: RowName, sides: Iterable[Side]) -> bool:
    cells = [side.cells[row] for side in sides]
    return len({(cell.is_answered, cell.digest) for cell in cells}) > 1


def _difference(first: Side, side: Side) -> Difference:
    pairs = [(row[0], cell, side.cells[row]) for row, cell in first.cells.items() if row in side.cells]
    scores = _pairs(pairs, "score")
    return Difference(
        side.name,
        len(pairs),
        sum(other > one for _, one, other in scores),
        sum(other == one for _, one, other in scores),
        sum(other < one for _, one, other in scores),
        paired_difference(scores),
        sum(one.is_answered and other.is_answered and one.digest == other.digest for _, one, other in pairs),
        paired_difference(_pairs(pairs, "latency")),
        paired_difference(_pairs(pairs, "cost")),
    )


def _pairs(pairs: Iterable[tuple[str, Cell, Cell]], what: str) -> list[tuple[str, float, float]]:
    both = ((name, getattr(one, what), getattr(other, what)) for name, one, other in pairs)
    return [(name, one, other) for name, one, other in both if one is not None and other is not None]


def _known(cells: Iterable[Cell], what: str) -> list[float]:
    return [value for cell in cells if (value := getattr(cell, what)) is not None]
