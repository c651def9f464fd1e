"""Rows of a file, in order and again by their place: JSONL and CSV."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import msgspec

from brimline.data.problems import ProblemKind
from brimline.data.source import Source

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 20
_decode = msgspec.json.Decoder().decode
_TRUNCATED = "Input data was truncated"
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
csv.field_size_limit(2**31 - 1)


@dataclass(slots=True)
class Row:
    """A row.

    Attributes:
        offset: Where it begins in the file, in bytes.
        line: The number of its first line in the file, from 1; 0 where it was read by its place.
        columns: What it holds.
    """

    offset: int
    line: int
    columns: dict[str, Any]


@dataclass(slots=True)
class BadRow:
    """A row that cannot be read, and why."""

    offset: int
    line: int
    reason: str


class RowError(Exception):
    """A row that is no request, and why.

    Attributes:
        kind: What is wrong with it: the row itself, its prompt, or a file that this names.
    """

    def __init__(self, message: str, kind: ProblemKind = ProblemKind.ROW) -> None:
        super().__init__(message)
        self.kind = kind


class Table(Protocol):
    """A file of rows."""

    source: Source

    def scan(self) -> Iterator[Row | BadRow]:
        """Yield every row in order; blank lines are none."""
        ...

    def read(self, offsets: Iterable[int]) -> list[Row]:
        """Return the rows that begin at these places; they were scanned before."""
        ...

    def line_at(self, offset: int) -> int:
        """Return the number of the line, from 1, that begins at a place."""
        ...


class JsonlTable:
    """One JSON object in each line, UTF-8, with or without a byte order mark."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def scan(self) -> Iterator[Row | BadRow]:
        """Yield every row in order."""
        offset = 0
        with self.source.open() as file:
            for number, line in enumerate(file, 1):
                begin, offset = offset, offset + len(line)
                text = line.removeprefix(BOM) if number == 1 else line
                if not text.isspace() and text:
                    yield _parse(begin, number, text)

    def read(self, offsets: Iterable[int]) -> list[Row]:
        """Return the rows at these places."""
        rows, place = [], -1
        with self.source.open() as file:
            for offset in offsets:
                if offset != place:
                    file.seek(offset)
                line = file.readline()
                place = offset + len(line)
                row = _parse(offset, 0, line.removeprefix(BOM))
                if isinstance(row, BadRow):
                    raise self.source.changed()
                rows.append(row)
        return rows

    def line_at(self, offset: int) -> int:
        """Return the number of the line that begins at a place."""
        return _line_at(self.source, offset)


def _line_at(source: Source, offset: int) -> int:
    number = 1
    with source.open() as file:
        while offset > 0 and (chunk := file.read(min(offset, CHUNK))):
            number += chunk.count(b"\n")
            offset -= len(chunk)
    return number


def _parse(offset: int, line: int, text: bytes) -> Row | BadRow:
    try:
        columns = _decode(text.rstrip(b"\r\n"))
    except UnicodeDecodeError:
        return BadRow(offset, line, "is not UTF-8")
    except msgspec.ValidationError:
        return BadRow(offset, line, "holds a number that is out of range")
    except msgspec.DecodeError as error:
        return BadRow(offset, line, f"is not JSON: {_plain(str(error), text)}")
    except RecursionError:
        return BadRow(offset, line, "is nested too deep")
    if not isinstance(columns, dict):
        return BadRow(offset, line, "is no JSON object")
    return Row(offset, line, columns)


def _plain(reason: str, text: bytes) -> str:
    """Say what msgspec says of broken JSON in a person's words."""
    reason = reason.removeprefix("JSON is malformed: ")
    if "surrogate" in reason or (reason == _TRUNCATED and _HALF.search(text)):
        return "it holds half of a surrogate pair (\\ud800 to \\udfff)"
    return "it ends too early" if reason == _TRUNCATED else reason


class CsvTable:
    """Comma separated values with a header; an empty cell is absent. A record may span lines."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._header: list[str] | None = None

    def scan(self) -> Iterator[Row | BadRow]:
        """Yield every record in order."""
        self._header = None
        with self.source.open() as file:
            lines = _Lines(file)
            for cells in _records(lines):
                if isinstance(cells, BadRow):
                    yield cells
                elif self._header is not None:
                    yield self._row(lines.begin, lines.begin_number, cells)
                elif problem := _header_problem(cells):
                    yield BadRow(lines.begin, lines.begin_number, problem)
                    return
                else:
                    self._header = cells

    def read(self, offsets: Iterable[int]) -> list[Row]:
        """Return the records at these places."""
        rows = []
        with self.source.open() as file:
            for offset in offsets:
                file.seek(offset)
                cells = next(_records(_Lines(file)), None)
                row = self._row(offset, 0, cells) if isinstance(cells, list) else None
                if not isinstance(row, Row):
                    raise self.source.changed()
                rows.append(row)
        return rows

    def line_at(self, offset: int) -> int:
        """Return the number of the line that begins at a place."""
        return _line_at(self.source, offset)

    def _row(self, offset: int, line: int, cells: list[str]) -> Row | BadRow:
        assert self._header is not None
        if len(cells) > len(self._header):
            return BadRow(offset, line, f"has {len(cells)} cells, the header has {len(self._header)}")
        columns = {name: cell for name, cell in zip(self._header, cells, strict=False) if cell}
        return Row(offset, line, columns)


def _records(lines: "_Lines") -> Iterator[list[str] | BadRow]:
    """Yield the cells of each record; what cannot be read ends the file, since nobody knows where it ends."""
    records = csv.reader(lines, strict=True)
    while True:
        lines.mark()
        try:
            cells = next(records)
        except StopIteration:
            return
        except UnicodeDecodeError:
            yield BadRow(lines.begin, lines.number, "is not UTF-8")
            return
        except csv.Error as error:
            yield BadRow(lines.begin, lines.begin_number, f"is not CSV: {_reason(str(error))}")
            return
        if any(cells):  # spreadsheets end with rows of nothing but commas
            yield cells


def _reason(reason: str) -> str:
    """Say what `csv` says in a person's words."""
    if reason.startswith("new-line character"):
        return "a line ends in CR alone; end lines in LF or CRLF, or quote the cell"
    return "a quote is not closed" if reason == "unexpected end of data" else reason


def _header_problem(names: list[str]) -> str | None:
    twice = {name for name in names if names.count(name) > 1}
    if twice == {""}:
        return "the header leaves more than one column without a name"
    return f"the header names '{max(twice)}' twice" if twice else None


class _Lines:
    """The lines of a file as text, which knows where it is: `csv` reads as many as a record needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = file.tell()
        self.number = 0
        self.begin = 0
        self.begin_number = 0

    def mark(self) -> None:
        """Note that a record begins here."""
        self.begin = self._offset
        self.begin_number = self.number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            raise StopIteration
        first = self._offset == 0
        self._offset += len(line)
        self.number += 1
        return (line.removeprefix(BOM) if first else line).decode("utf-8")
