"""Rows of tables that live in Python: pandas and polars data frames, Arrow tables, Hugging Face data sets.

They are told by what they can do; none of their libraries is imported. Rows are taken a few at a time, never all of
them at once. As in CSV, a cell that holds nothing (None, NaN) is absent.
"""

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from brimline.errors import UsageError
from brimline.types import Request

CHUNK = 1024
"""Rows of an Arrow table that are made Python's at a time."""

_PLAIN = {str, int, bool}
_NOTHING = {"NAType", "NaTType"}


class Frame(Protocol):
    """What data frames and Arrow tables have in common for a type checker."""

    @property
    def columns(self) -> Any:
        """Its columns, or their names."""
        ...


@dataclass(frozen=True, slots=True)
class SizedRows:
    """Rows of a table that knows how many it has."""

    table: Sized
    rows: Callable[[], Iterator[dict[str, Any]]]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.rows()


def rows_of(items: Any) -> Any:
    """Return the rows of a table as dicts, a few in memory at a time; anything else is returned as it is.

    Raises:
        UsageError: It is one item and not several, or several tables and not one.
    """
    reader = _reader(items)
    if reader is None:
        if isinstance(items, str | bytes | Mapping | Request):
            raise UsageError("requests must be an iterable of requests, not one of them", hint="Use [...].")
        return items

    def rows() -> Iterator[dict[str, Any]]:
        return (present(row) for row in reader(items))

    return SizedRows(items, rows) if isinstance(items, Sized) else rows()


def present(row: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return a row without the cells that hold nothing, its values as JSON knows them."""
    return {str(name): plain(value) for name, value in row if not _is_nothing(value)}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it, where there is such a form; what has none is returned as it is.

    Numbers of numpy become Python's, arrays lists, times ISO 8601, spans of time and decimals text; bytes are text where they are
    UTF-8, or else base64.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return _text(bytes(value))
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    return None if _is_nothing(value) else _converted(value)


def _converted(value: Any) -> Any:
    """Return a value that knows itself how to become Python's, or text."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        listed = value.tolist()
        return plain(listed) if type(listed) is not type(value) else value
    return value


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return b64encode(data).decode()


def _is_nothing(value: Any) -> bool:
    return (
        value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in _NOTHING
    )


def _reader(items: Any) -> "Callable[[Any], Iterator[Iterable[tuple[Any, Any]]]] | None":
    """Return what reads a table's rows as names with values, or None if it is no table."""
    if hasattr(items, "iter_rows") and hasattr(items, "columns"):
        return _polars
    if hasattr(items, "itertuples") and hasattr(items, "columns"):
        _check_names(items.columns)
        return _pandas
    if hasattr(items, "to_batches") or hasattr(items, "read_next_batch"):
        return _arrow
    if hasattr(items, "column_names") and isinstance(items, Mapping):
        raise UsageError(f"these are several data sets: {', '.join(items)}", hint="Give one of them.")
    if hasattr(items, "column_names") and hasattr(items, "features"):
        return _hugging_face
    if hasattr(items, "collect") and hasattr(items, "lazy"):
        raise UsageError("a lazy frame has no rows yet", hint="Give what its collect() returns.")
    return None


def _polars(frame: Any) -> Iterator[Iterable[tuple[Any, Any]]]:
    names = [*frame.columns]
    return (zip(names, row, strict=True) for row in frame.iter_rows())


def _pandas(frame: Any) -> Iterator[Iterable[tuple[Any, Any]]]:
    names = [*frame.columns]
    return (zip(names, row, strict=True) for row in frame.itertuples(index=False, name=None))


def _arrow(table: Any) -> Iterator[Iterable[tuple[Any, Any]]]:
    for batch in table.to_batches() if hasattr(table, "to_batches") else table:
        for start in range(0, batch.num_rows, CHUNK):
            for row in batch.slice(start, CHUNK).to_pylist():
                yield row.items()


def _hugging_face(dataset: Any) -> Iterator[Iterable[tuple[Any, Any]]]:
    return (row.items() for row in dataset)


def _check_names(names: Iterable[Any]) -> None:
    seen: set[str] = set()
    for name in map(str, names):
        if name in seen:
            raise UsageError(f"the data frame has two columns '{name}'", hint="Rename one of them.")
        seen.add(name)
