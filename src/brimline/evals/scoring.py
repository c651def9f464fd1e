"""Scoring a results file: each answered row gets its scores, in a file of its own; the results stay as they are."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from filecmp import cmp
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from brimline.errors import OutputError, OutputLocked
from brimline.evals.gate import Gate
from brimline.evals.row import ScoreError
from brimline.evals.spec import Scorer
from brimline.evals.statistics import Mean, mean_of
from brimline.store.export import LastLines
from brimline.store.folder import FolderView

Group: TypeAlias = tuple[str, ...]
"""The model, and the row's values of the columns by which means are taken."""

SHOWN = 5
"""So many rows that could not be scored are named."""

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Values:
    """The scores of one group."""

    scores: "defaultdict[str, list[tuple[Hashable, float]]]" = field(
        default_factory=lambda: defaultdict(list)
    )
    rows: int = 0
    unanswered: int = 0


@dataclass(slots=True)
class Scored:
    """What came of scoring.

    Attributes:
        by: The columns by which means are taken, beside the model.
        problems: The first rows that could not be scored, and why.
        unscored: How many there were of them.
    """

    by: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    unscored: int = 0
    _groups: dict[Group, _Values] = field(default_factory=dict)

    @property
    def groups(self) -> list[Group]:
        """The groups, in the order in which they came."""
        return [*self._groups]

    def rows(self, group: Group) -> tuple[int, int]:
        """Return how many rows a group has, and how many of them have no answer."""
        values = self._groups[group]
        return values.rows, values.unanswered

    def means(self, group: Group) -> dict[str, Mean]:
        """Return the means of a group's scores, by name; rows without a score are not in them."""
        scores = self._groups[group].scores
        return {name: mean for name, pairs in scores.items() if (mean := mean_of(pairs)) is not None}

    def misses(self, gates: Iterable[Gate]) -> list[str]:
        """Say which gates do not hold; a row without a score, for whatever reason, counts as 0."""
        totals: defaultdict[tuple[str, str], float] = defaultdict(float)
        rows: defaultdict[str, int] = defaultdict(int)
        for group, values in self._groups.items():
            rows[group[0]] += values.rows
            for name, pairs in values.scores.items():
                totals[group[0], name] += sum(value for _, value in pairs)
        names = {name for _, name in totals}
        means = {(model, name): totals[model, name] / rows[model] for model in rows for name in names}
        return [miss for gate in gates for miss in gate.misses(means)]

    def note(self, line: Mapping[str, Any], scores: Mapping[str, float], *, cluster: Hashable) -> None:
        """Take in one line and its scores."""
        group = (str(line.get("model", "")), *(str(line.get(column, "")) for column in self.by))
        values = self._groups.setdefault(group, _Values())
        values.rows += 1
        values.unanswered += line.get("status") != "ok"
        for name, score in scores.items():
            values.scores[name].append((cluster, score))


def score_file(
    results: Path, scorers: Sequence[Scorer], *, by: Sequence[str] = (), output: Path | None = None
) -> Scored:
    """Score every request of a results file and write each with its `scores` (and `score_errors`) to `output`.

    Of a run that is not finished the last line of each request counts.

    Args:
        results: The results file.
        scorers: The scorers.
        by: Columns by which means are taken, beside the model.
        output: Where the scored lines go; None: nowhere.

    Raises:
        InputError: The results cannot be read.
        OutputError: The scored lines cannot be written, or would replace the results.
    """
    if output is not None and output.exists() and output.samefile(results):
        raise OutputError(f"{output} holds the results themselves", hint="Name another file with -o.")
    scored = Scored(by=(*by,))
    with LastLines(results) as rows:
        lines = (_scored(scored, line, number, scorers) for number, line in enumerate(rows.rows(), 1))
        if output is None:
            for _ in lines:
                pass
        else:
            write_lines(lines, output)
    return scored


def write_lines(lines: Iterable[Mapping[str, Any]], output: Path) -> int:
    """Write the lines of a file that is whole or not there; one that holds them already is left alone. Return how many.

    Raises:
        OutputError: It cannot be written, or holds the answers of a run.
    """
    if output.exists() and FolderView(output).path.is_dir():
        raise OutputError(f"{output} holds the results of a run", hint="Name another file.")
    part = output.with_name(output.name + ".part")
    count = 0
    try:
        with part.open("wb") as written:
            for count, line in enumerate(lines, 1):  # noqa: B007  it is returned
                written.write(_encode(line) + b"\n")
        if not output.is_file() or not cmp(part, output, shallow=False):
            part.replace(output)
    except OSError as error:
        raise OutputError(f"{output}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return count


def refuse_if_busy(results: Path) -> None:
    """See that nobody is writing these results now, whose input is about to be made anew.

    Raises:
        OutputLocked: Another process is.
    """
    if (pid := FolderView(results).owner()) is not None:
        hint = "Wait until it has finished, stop it, or give another file with -o."
        raise OutputLocked(f"{results} is being written by process {pid}", pid=pid, hint=hint)


def score_lines(
    lines: Iterable[Mapping[str, Any]], scorers: Sequence[Scorer], *, by: Sequence[str] = ()
) -> Scored:
    """Score lines of results that are at hand."""
    scored = Scored(by=(*by,))
    for number, line in enumerate(lines, 1):
        _scored(scored, line, number, scorers)
    return scored


def _scored(
    scored: Scored, line: Mapping[str, Any], number: int, scorers: Sequence[Scorer]
) -> dict[str, Any]:
    """Return a line with its scores; what has no answer has none."""
    scores: dict[str, float] = {}
    errors: dict[str, str] = {}
    for scorer in scorers if line["status"] == "ok" else ():
        try:
            scores |= scorer.score(line)
        except ScoreError as error:
            errors[scorer.name] = str(error)
            scored.unscored += 1
            if len(scored.problems) < SHOWN:
                scored.problems.append(f"line {number}, {scorer.name}: {error}")
    cluster = line.get("id") if line.get("id") is not None else line.get("key", number)
    scored.note(line, scores, cluster=str(cluster))
    found: dict[str, Any] = {**line, "scores": scores or None}
    return found | {"score_errors": errors} if errors else found
