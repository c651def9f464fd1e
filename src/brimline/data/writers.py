"""Rows go out: JSONL, CSV or Parquet, compressed by their name."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from brimline.data.columns import Column, Kind
from brimline.data.compression import SUFFIXES, compressing, plain_name
from brimline.data.parquet import write_parquet
from brimline.errors import ConfigError, OutputError

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_TYPES = {
    Kind.TRUTH: "BOOLEAN",
    Kind.WHOLE: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.NUMBER | Kind.WHOLE: "DOUBLE",
}
_FORMULA = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""What spreadsheets take a formula by; the last four are full width."""
_encode = msgspec.json.Encoder().encode


def format_of(path: Path) -> str:
    """Return the format that a file's name tells.

    Raises:
        ConfigError: It tells none that can be written.
    """
    format_ = FORMATS.get(plain_name(path).suffix.lower())
    if format_ is None or (format_ == "parquet" and path.suffix.lower() in SUFFIXES):
        hint = "Write to .jsonl, .csv (also with .gz or .zst behind it) or .parquet, or say --format."
        raise ConfigError(f"{path}: the name tells no format", hint=hint)
    return format_


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name to write to, which takes the place of `path` when all went well; else nothing changes.

    Raises:
        OutputError: There is such a file and it may not be overwritten, or it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is no file", hint="Give the name of a file, or - for standard output.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists", hint="Give another file with -o, or --overwrite.")
    target = path.resolve()  # a link stays one
    temporary = target.with_name(target.name + ".partial")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def compressed(file: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    """Write to `file` compressed, if `suffix` says so; the file stays open."""
    if suffix not in SUFFIXES:
        yield file
        return
    with compressing(file, suffix) as inner:
        yield inner


def jsonl_lines(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield the chosen columns of each row as a JSON object; what a row lacks is null."""
    for row in rows:
        yield _encode({column.name: column.of(row) for column in columns}) + b"\n"


class CsvWriter:
    """Writes CSV as RFC 4180 has it, in UTF-8: what is nested as JSON, what is absent as an empty cell.

    Spreadsheets take a cell that begins like a formula for one. Text of a column in `guarded` gets an apostrophe
    before it there, unless it is a number; every other cell is written as it is.

    Args:
        columns: The columns.
        guarded: Names of columns whose text is not the user's own.

    Attributes:
        count: How many cells were guarded.
    """

    def __init__(self, columns: Sequence[Column], guarded: Collection[str]) -> None:
        self._columns = columns
        self._guarded = guarded
        self.count = 0

    def lines(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        """Yield the header, then each row."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)  # the line end CR LF makes it quote a lone CR, too
        for cells in self._records(rows):
            writer.writerow(cells)
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()

    def _records(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
        yield [column.name for column in self._columns]
        for row in rows:
            yield [self._cell(column, column.of(row)) for column in self._columns]

    def _cell(self, column: Column, value: Any) -> str:
        text = as_text(value)
        if text.startswith(_FORMULA) and column.name in self._guarded and not _is_number(text):
            self.count += 1
            return "'" + text
        return text


def as_text(value: Any) -> str:
    """Return a value as text: text as it is, nothing as nothing, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else _encode(value).decode()


def parquet_file(path: Path, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a Parquet file: a column of numbers or truths has their type, any other is text, what is nested as JSON.

    Embeddings are lists of 32-bit floats.
    """
    kinds = {column.name: _type(column) for column in columns}
    texts = [kind == "VARCHAR" for kind in kinds.values()]
    write_parquet(path, kinds, (_values(columns, texts, row) for row in rows))


def _type(column: Column) -> str:
    if column.kind is Kind.VECTOR and column.name.rpartition(".")[2] == "embedding":
        return "FLOAT[]"
    return _TYPES.get(column.kind, "VARCHAR")


def _values(columns: Sequence[Column], texts: Sequence[bool], row: Mapping[str, Any]) -> list[Any]:
    values = (column.of(row) for column in columns)
    return [
        as_text(value) if is_text and value is not None else value
        for value, is_text in zip(values, texts, strict=True)
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
