"""`brimline score`: how right the answers in a results file are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from brimline.cli.summary import as_json as run_as_json
from brimline.cli.text import clean, plural
from brimline.engine.report import Report
from brimline.errors import ConfigError
from brimline.evals import Gate, Mean, Scored, Scorer, find_scorer, parse_gate, score_file

GATE_MISSED = 4


@click.command(name="score")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "-s",
    "--score",
    "scorers",
    multiple=True,
    required=True,
    metavar="SCORER",
    help="match, includes, exact, contains, regex:PATTERN, choice, numeric[:abs=X,rel=X], json, schema:FILE, f1, rouge-l, "
    "bleu, or a function as MODULE:FUNCTION; expected=COLUMN names the column of the right answer. Repeatable.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[<results stem>.scored.jsonl]")
@click.option("--by", multiple=True, metavar="COLUMN", help="Means by this column, too. Repeatable.")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="'NAME >= X'",
    help="Exit with 4 if it does not hold. Repeatable.",
)
@click.option("--json", "to_json", is_flag=True, help="Write the means as JSON.")
def command(
    *,
    results: Path,
    scorers: tuple[str, ...],
    output: Path | None,
    by: tuple[str, ...],
    gates: tuple[str, ...],
    to_json: bool,
) -> int:
    """Score the answers in RESULTS of `run`. The results stay as they are; the scores go to a file beside them.

    What cannot be scored is said for its row and never stops the others. A gate counts a row without a score as 0.
    """
    found = [find_scorer(spec) for spec in scorers]
    checks = _gates(gates, found)
    output = output or scored_file(results)
    scored = score_file(results, found, by=by, output=output)
    return show(scored, checks, output=output, to_json=to_json)


@dataclass(frozen=True, slots=True)
class Scoring:
    """How the answers of a run are scored when it is done.

    Attributes:
        scorers: The scorers.
        by: Columns by which means are taken.
        gates: What has to hold.
    """

    scorers: list[Scorer]
    by: tuple[str, ...]
    gates: list[Gate]

    def after(self, report: Report, code: int, results: Path, *, to_json: bool) -> int:
        """Score what a run has answered and return the exit code: its own, or 4 if it is done and a gate is missed."""
        if not results.exists():
            return code
        output = scored_file(results)
        scored = score_file(results, self.scorers, by=self.by, output=output)
        missed = show(scored, self.gates, output=output, to_json=False, quiet=to_json)
        code = missed or code if report.is_complete else code
        if to_json:
            scores = as_json(scored, scored.misses(self.gates))
            whole = msgspec.json.decode(run_as_json(report, code)) | {"scores": scores}
            click.echo(msgspec.json.encode(whole))
        return code


def read_scoring(given: dict[str, Any]) -> Scoring | None:
    """Take the options about scores out of `given`; None if there are none.

    Raises:
        ConfigError: One is wrong, or there is nothing to score by.
    """
    specs, by, gates = given.pop("scorers"), given.pop("by"), given.pop("gates")
    if not specs:
        if by or gates:
            raise ConfigError("--by and --gate are about scores", hint="Say which with --score.")
        return None
    found = [find_scorer(spec) for spec in specs]
    return Scoring(found, by, _gates(gates, found))


def _gates(texts: tuple[str, ...], scorers: list[Scorer]) -> list[Gate]:
    """Read gates, and see that their scores will be given; a function names its own only when it is called.

    Raises:
        ConfigError: One is none, or is about a score that nobody gives.
    """
    gates = [parse_gate(text) for text in texts]
    names = [scorer.name for scorer in scorers]
    for gate in gates:
        if gate.score not in names and all(scorer.function is None for scorer in scorers):
            raise ConfigError(
                f"gate '{gate}' is about a score that is not given; there is {', '.join(names)}"
            )
    return gates


def scored_file(results: Path) -> Path:
    """Return where the scores of a results file go."""
    return results.with_name(f"{results.name.removesuffix('.jsonl').removesuffix('.results')}.scored.jsonl")


def show(
    scored: Scored, gates: list[Gate], *, output: Path | None, to_json: bool, quiet: bool = False
) -> int:
    """Show the means and say whether the gates hold; return the exit code."""
    misses = scored.misses(gates)
    if to_json:
        click.echo(msgspec.json.encode(as_json(scored, misses)))
    elif not quiet:
        _print(scored, output)
    for problem in scored.problems:
        click.echo(clean(f"brimline: {problem}"), err=True)
    if scored.unscored > len(scored.problems):
        click.echo(f"brimline: ... {plural(scored.unscored, 'score')} could not be given", err=True)
    for miss in misses:
        click.echo(clean(f"brimline: gate missed: {miss}"), err=True)
    return GATE_MISSED if misses else 0


def as_json(scored: Scored, misses: list[str]) -> dict[str, Any]:
    """Return the means as JSON has them."""
    groups = []
    for group in scored.groups:
        rows, unanswered = scored.rows(group)
        means = {name: mean_as_json(mean) for name, mean in scored.means(group).items()}
        named = dict(zip(("model", *scored.by), group, strict=True))
        groups.append({**named, "rows": rows, "unanswered": unanswered, "scores": means})
    return {
        "groups": groups,
        "unscored": scored.unscored,
        "problems": scored.problems,
        "gates_missed": misses,
    }


def mean_as_json(mean: Mean) -> dict[str, Any]:
    """Return a mean; an end of its interval that nobody knows is null."""
    ends = {"low": mean.low, "high": mean.high} if mean.is_bounded else {"low": None, "high": None}
    return {"mean": mean.value, **ends, "rows": mean.rows, "clusters": mean.clusters}


def _print(scored: Scored, output: Path | None) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", *scored.by, "score"):
        table.add_column(column, overflow="fold")
    for column in ("mean", "95% interval", "rows", "unanswered"):
        table.add_column(column, justify="right")
    for cells in _cells(scored):
        table.add_row(*map(Text, cells))
    Console().print(table)
    if output is not None:
        click.echo(clean(f"Scores of each row: {output}"), err=True)


def _cells(scored: Scored) -> Iterator[tuple[str, ...]]:
    for group in scored.groups:
        rows, unanswered = scored.rows(group)
        shown = tuple(clean(part) for part in group)
        means = scored.means(group)
        for name, mean in means.items():
            interval = f"{mean.low:.3f} to {mean.high:.3f}" if mean.is_bounded else "?"
            yield (*shown, clean(name), f"{mean.value:.3f}", interval, f"{mean.rows:,}", f"{unanswered:,}")
        if not means:
            yield (*shown, "-", "-", "-", f"{rows:,}", f"{unanswered:,}")
