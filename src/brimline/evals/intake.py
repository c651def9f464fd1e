"""What goes into a pipeline: rows from Python or from a file, read as they are wanted."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from brimline.data.frames import Frame, rows_of
from brimline.data.inputs import open_table
from brimline.data.rows import BadRow, Table
from brimline.engine.clock import ticks
from brimline.errors import InputError

Rows: TypeAlias = Iterable[Any] | AsyncIterable[Any] | Frame | str | PathLike[str]
"""Rows (dicts), or texts, which become their `prompt`; a table as for `brimline.run`; or the name of a file of rows."""

BATCH, BATCH_TIME = 64, 0.05
"""A generator is read in a thread, since it may take long: so many rows at a time, or for so many seconds."""

SHOWN = 20
"""So many problems of a file are named."""


def given(rows: Rows) -> Any:
    """Return what is iterated over. A file is checked first.

    Raises:
        InputError: The file cannot be read, or some of its lines cannot.
        UsageError: It is one row and not several.
    """
    if not isinstance(rows, str | PathLike):
        return rows_of(rows)
    table = open_table(Path(rows))
    _check(table)
    return (row.columns for row in table.scan() if not isinstance(row, BadRow))


async def read(rows: Any) -> AsyncIterator[Any]:
    """Yield rows as they are wanted."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    elif isinstance(rows, Collection):
        for row in rows:
            yield row
    else:
        rest = iter(rows)
        while batch := await asyncio.to_thread(_some, rest):
            for row in batch:
                yield row


def as_row(item: Any, number: int) -> dict[str, Any]:
    """Return a row with an id, its number if it has none of its own.

    Raises:
        InputError: It is no row.
    """
    if isinstance(item, str):
        item = {"prompt": item}
    if not isinstance(item, Mapping):
        raise InputError(f"row {number} is neither a dict nor a text but a {type(item).__name__}")
    columns = {str(name): value for name, value in item.items()}
    own_id = columns.get("id")
    if own_id is not None and not isinstance(own_id, str | int | float | bool):
        raise InputError(f"row {number}: its id is neither text nor a number")
    return columns if own_id is not None else {**columns, "id": number}


def _some(rest: Iterator[Any]) -> list[Any]:
    end = ticks() + BATCH_TIME
    batch = []
    for row in islice(rest, BATCH):
        batch.append(row)
        if ticks() > end:
            break
    return batch


def _check(table: Table) -> None:
    problems, rows = [], 0
    for row in table.scan():
        rows += 1
        if isinstance(row, BadRow):
            problems.append(f"{table.source.where(row.line)}: {row.reason}")
    if not rows:
        problems.append(f"{table.source.name} holds no rows")
    if problems:
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise InputError(
            f"{table.source.name} cannot be used; nothing was sent", problems=problems[:SHOWN] + more
        )
