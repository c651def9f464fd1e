"""What judges have said, as tables and as JSON."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brimline.cli.score import mean_as_json
from brimline.cli.text import clean
from brimline.evals.judged import WIN, Group, Judged
from brimline.evals.statistics import Mean

MOST = 8
"""So many different verdicts in words are shown."""

VERDICTS = ("judge", "model", "criterion", ">verdict", ">95% interval", ">rows", ">no verdict")
CONTESTS = ("judge", ">wins", ">ties", ">losses", ">share", ">95% interval", ">contradicted", ">no verdict")
"""Heads of columns; those with a `>` stand to the right."""


def print_judged(judged: Judged) -> None:
    """Print the verdicts by judge, model and criterion, and how far the judges agree."""
    console = Console()
    if judged.is_pairwise:
        console.print(Text(clean(" against ".join(judged.sides))))
        console.print(_table(CONTESTS, _contests(judged)))
    else:
        console.print(_table(VERDICTS, _cells(judged)))
    agreement = [
        (clean(one.criterion), one.kind, "?" if one.kappa is None else f"{one.kappa:.3f}", f"{one.rows:,}")
        for one in judged.agreement()
    ]
    if agreement:
        console.print()
        console.print(_table(("agreement on", "kappa", ">value", ">rows"), iter(agreement)))


def verdicts_as_json(judged: Judged) -> dict[str, Any]:
    """Return the same as JSON has it."""
    told: dict[str, Any] = {"groups": [_group(judged, group) for group in judged.groups]}
    if judged.is_pairwise:
        told = {"contests": [_contest(judged, judge) for judge in judged.judges]}
    return told | {
        "agreement": [
            {"criterion": one.criterion, "kind": one.kind, "kappa": one.kappa, "rows": one.rows}
            for one in judged.agreement()
        ],
        "failed": judged.failed,
        "failures": judged.failures,
    }


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(
            head.removeprefix(">"), justify="right" if head[0] == ">" else "left", overflow="fold"
        )
    for cells in rows:
        table.add_row(*map(Text, cells))  # as text: a verdict's brackets are no markup
    return table


def _cells(judged: Judged) -> Iterator[tuple[str, ...]]:
    for seat, tally in judged.tallies.items():
        who = clean(seat.judge), clean(seat.model)
        groups = [group for group in judged.groups if group.seat == seat]
        for group in groups:
            verdict, interval = _verdict(judged, group)
            rows = sum(judged.counts(group).values())
            yield (*who, clean(group.criterion), verdict, interval, f"{rows:,}", f"{tally.failed:,}")
        if not groups:
            yield (*who, "-", "-", "-", "0", f"{tally.failed:,}")


def _verdict(judged: Judged, group: Group) -> tuple[str, str]:
    mean = judged.mean(group)
    if mean is not None:
        return f"{mean.value:.3f}", _interval(mean)
    counts = judged.counts(group).most_common()
    words = [f"{word} {count:,}" for word, count in counts[:MOST]]
    if len(counts) > MOST:
        words.append(f"and {len(counts) - MOST:,} others")
    return clean(", ".join(words)), "-"


def _interval(mean: Mean) -> str:
    return f"{mean.low:.3f} to {mean.high:.3f}" if mean.is_bounded else "?"


def _contests(judged: Judged) -> Iterator[tuple[str, ...]]:
    for judge in judged.judges:
        (wins, ties, losses), mean = judged.wins(judge)
        tally = judged.contest(judge)
        share = ("-", "-") if mean is None else (f"{mean.value:.3f}", _interval(mean))
        counts = (
            f"{wins:,}",
            f"{ties:,}",
            f"{losses:,}",
            *share,
            f"{tally.contradicted:,}",
            f"{tally.failed:,}",
        )
        yield (clean(judge), *counts)


def _contest(judged: Judged, judge: str) -> dict[str, Any]:
    (wins, ties, losses), mean = judged.wins(judge)
    tally = judged.contest(judge)
    return {
        "judge": judge,
        "sides": [*judged.sides],
        "wins": wins,
        "ties": ties,
        "losses": losses,
        WIN: None if mean is None else mean_as_json(mean),
        "contradicted": tally.contradicted,
        "asked": tally.asked,
        "failed": tally.failed,
    }


def _group(judged: Judged, group: Group) -> dict[str, Any]:
    mean, tally = judged.mean(group), judged.tallies[group.seat]
    return {
        **group.seat._asdict(),
        "criterion": group.criterion,
        "mean": None if mean is None else mean_as_json(mean),
        "counts": {str(word): count for word, count in judged.counts(group).items()},
        "asked": tally.asked,
        "failed": tally.failed,
    }
