"""`brimline export`: results as a table for other programs."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

import click

from brimline.cli.text import clean, plural
from brimline.data.columns import Column, all_columns, chosen_columns
from brimline.data.writers import (
    FORMATS,
    CsvWriter,
    compressed,
    format_of,
    jsonl_lines,
    parquet_file,
    whole_file,
)
from brimline.errors import ConfigError, InputError, OutputError
from brimline.store.export import LastLines
from brimline.store.lines import FIELDS
from brimline.types import Usage

STDOUT = Path("-")
OPTIONAL = {
    "partial_response",
    "raw_text",
    "tool_calls",
    "reasoning",
    "logprobs",
    *(f"usage.{member.name}" for member in fields(Usage)),
    *(f"error.{member}" for member in ("kind", "message", "http_status", "provider_code", "code")),
}
"""Columns that may be asked for where no line has them: nothing failed, or no provider counted."""


@click.command(name="export")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="A name that ends in .jsonl, .csv or .parquet; .gz or .zst behind the first two compresses; - is standard output.",
)
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Only these, in this order; usage.output_tokens is a member of a member.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(sorted(set(FORMATS.values()))),
    help="What the name does not tell; standard output gets jsonl.",
)
@click.option("--exact", is_flag=True, help="CSV: leave answers that begin like a formula as they are.")
@click.option("--overwrite", is_flag=True, help="Replace the output if there is one.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def command(
    *,
    results: Path,
    output: Path,
    columns: str | None,
    format_: str | None,
    exact: bool,
    overwrite: bool,
    quiet: bool,
) -> int:
    """Write RESULTS of `run`, finished or not, as CSV, Parquet or JSONL: one line for each request, its last.

    What is nested stands as JSON in a cell; --columns reaches into it.
    """
    format_ = format_ or ("jsonl" if output == STDOUT else format_of(output))
    if output == STDOUT and format_ == "parquet":
        raise ConfigError("Parquet cannot go to standard output", hint="Give the name of a file with -o.")
    with LastLines(results) as lines:
        if format_ == "parquet" and not lines.count:
            raise InputError(f"{results} holds no results yet", hint="A Parquet file cannot have no columns.")
        if output.exists() and output.samefile(results):
            raise OutputError(f"{output} is the results file itself", hint="Give another file with -o.")
        chosen = _choose(lines, columns, format_)
        guarded = _write(lines, chosen, output, format_, exact=exact, overwrite=overwrite)
    if not quiet:
        for note in _notes(lines, results, output, guarded):
            click.echo(clean(note), err=True)
    return 0


def _choose(lines: LastLines, text: str | None, format_: str) -> list[Column]:
    """Return the columns to write; none where whole lines are written."""
    if text is not None:
        names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
        if not all(names) or not names:
            raise ConfigError(f"--columns '{text}' leaves a name out")
        return chosen_columns(lines.rows(), names, OPTIONAL)
    return [] if format_ == "jsonl" else all_columns(lines.rows(), FIELDS)


def _write(
    lines: LastLines, columns: list[Column], output: Path, format_: str, *, exact: bool, overwrite: bool
) -> int:
    """Write the table, and return how many of its cells were guarded."""
    if format_ == "parquet":
        with whole_file(output, overwrite=overwrite) as path:
            parquet_file(path, columns, lines.rows())
        return 0
    guarded = () if exact else {column.name for column in columns if _is_answer(column)}
    table = CsvWriter(columns, guarded)
    with _opened(output, overwrite=overwrite) as file:
        if format_ == "csv":
            file.writelines(table.lines(lines.rows()))
        else:
            file.writelines(jsonl_lines(columns, lines.rows()) if columns else lines)
    return table.count


@contextmanager
def _opened(output: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    suffix = output.suffix.lower()
    with (
        whole_file(output, overwrite=overwrite) as path,
        path.open("wb") as file,
        compressed(file, suffix) as inner,
    ):
        yield inner


def _notes(lines: LastLines, results: Path, output: Path, guarded: int) -> Iterator[str]:
    """Say what was written, and what people should know about it."""
    yield f"{plural(lines.count, 'row')} written to {'standard output' if output == STDOUT else output}"
    if guarded:
        yield (
            f"{plural(guarded, 'answer')} that begin like a formula got an apostrophe, so that no spreadsheet computes"
            " them; --exact leaves them as they are, and so do JSONL and Parquet"
        )
    if lines.damaged:
        yield f"{results}: {plural(lines.damaged, 'damaged line')} left out"
    if lines.ambiguous:
        yield (
            f"{results}: {plural(lines.ambiguous, 'id')} {'stands' if lines.ambiguous == 1 else 'stand'} for more than one"
            " request, since rows were changed or moved; running it to its end puts that into order"
        )


def _is_answer(column: Column) -> bool:
    """Whether a model or a server wrote what stands in a column; else the user's own row did."""
    return column.name.partition(".")[0] in FIELDS
