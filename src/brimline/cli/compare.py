"""`brimline compare`: the same rows answered by several, side by side."""

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from brimline.cli.text import clean
from brimline.errors import OutputError
from brimline.evals import find_scorer
from brimline.evals.compare import Comparison, Side, compare, rows_of
from brimline.evals.page import page, text_of
from brimline.evals.statistics import Mean


@click.command(name="compare")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-s", "--score", "scorer", metavar="SCORER", help="Score the rows, as `brimline score` does.")
@click.option(
    "--rows", type=click.IntRange(min=0), default=10, show_default=True, help="Show so many rows that differ."
)
@click.option(
    "--html", type=click.Path(path_type=Path), help="Write a page of HTML with up to 1,000 rows that differ."
)
@click.option("--json", "to_json", is_flag=True, help="Write JSON, all rows that differ included.")
def command(
    *, results: tuple[Path, ...], scorer: str | None, rows: int, html: Path | None, to_json: bool
) -> int:
    """Compare what RESULTS files say of the same rows; one file with several models is compared by model.

    The first is what the others are compared with. Rows are the same where their ids are. Scores come from --score, or from files of
    `brimline score`.
    """
    found = compare(results, None if scorer is None else find_scorer(scorer))
    if html is not None:
        _write(
            html, page(found, rows_of(results, found.differing[:1000]), title=", ".join(map(str, results)))
        )
        click.echo(clean(f"Page: {html}"), err=True)
    if to_json:
        differing = [{"row": list(row), **lines} for row, lines in rows_of(results, found.differing)]
        click.echo(msgspec.json.encode(as_json(found) | {"differing": differing}))
        return 0
    console = Console()
    console.print(_sides(found), _differences(found), sep="\n\n")
    if found.missing:
        click.echo(f"{found.missing:,} rows are not known to all and are left out", err=True)
    if rows and found.differing:
        console.print(f"\n{min(rows, len(found.differing))} of {len(found.differing):,} rows that differ:")
        for row, lines in islice(rows_of(results, found.differing[:rows]), rows):
            console.print(Text(f"\n{clean(row[0])}", style="bold"))
            for side in found.sides:
                console.print(Text(f"  {clean(side.name)}: {clean(text_of(lines[side.name]))}"))
    return 0


def as_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it, without the rows."""
    return {
        "scorer": found.scorer,
        "sides": [_side(side) for side in found.sides],
        "differences": [asdict(difference) for difference in found.differences],
        "missing": found.missing,
    }


def _side(side: Side) -> dict[str, Any]:
    score = side.score
    return {
        "name": side.name,
        "rows": len(side.cells),
        "answered": side.answered,
        "score": None if score is None else asdict(score),
        "median_latency_s": side.latency,
        "cost_usd": side.cost,
    }


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if place else "left", overflow="fold")
    return table


def _sides(found: Comparison) -> Table:
    table = _table("side", "rows", "answered", found.scorer or "score", "median latency", "cost")
    for side in found.sides:
        latency = "?" if side.latency is None else f"{side.latency:.3f} s"
        cost = "?" if side.cost is None else f"${side.cost:.4f}"
        table.add_row(
            Text(clean(side.name)),
            f"{len(side.cells):,}",
            f"{side.answered:,}",
            _mean(side.score),
            latency,
            cost,
        )
    return table


def _differences(found: Comparison) -> Table:
    columns = ("rows", "same answer", "win / tie / loss", "score", "latency", "cost a row")
    table = _table(f"beside {clean(found.sides[0].name)}", *columns)
    for each in found.differences:
        table.add_row(
            Text(clean(each.name)),
            f"{each.rows:,}",
            f"{each.same:,}",
            f"{each.wins:,} / {each.ties:,} / {each.losses:,}",
            _signed(each.score),
            _signed(each.latency),
            _signed(each.cost, 6),
        )
    return table


def _mean(mean: Mean | None) -> str:
    return "-" if mean is None else f"{mean.value:.3f}"


def _signed(mean: Mean | None, digits: int = 3) -> str:
    if mean is None:
        return "-"
    value, low, high = (f"{number:+.{digits}f}" for number in (mean.value, mean.low, mean.high))
    return f"{value} ({low} to {high})" if mean.is_bounded else value
