"""An input becomes a table: a file that is told by its name, or standard input."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from brimline.data.compression import decompressed, is_compressed, plain_name
from brimline.data.frames import present
from brimline.data.parquet import read_parquet
from brimline.data.rows import CsvTable, JsonlTable, Table
from brimline.data.source import Source, stamp_of
from brimline.data.spool import CHUNK, Spool
from brimline.errors import InputError

STDIN = Path("-")
_KINDS: dict[str, Callable[[Source], Table]] = {
    ".jsonl": JsonlTable,
    ".ndjson": JsonlTable,
    ".csv": CsvTable,
}
_HINT = "Rows are read from .jsonl (one JSON object in each line), .csv and .parquet files; the first two also as .gz and .zst."
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PAR1\x15": "Parquet",
    b"PK\x03\x04": "zip or a spreadsheet's",
}
"""What begins so is no text: every line of it would be wrong for a reason that does not help."""
_encode = msgspec.json.Encoder().encode


def open_table(path: Path) -> Table:
    """Return the table in the file at `path`, or JSONL on standard input (`-`).

    What cannot be read by place is copied to a temporary file first.

    Raises:
        InputError: There is no such file, it cannot be read, or its format is not known.
        ConfigError: It needs a module that is not installed.
    """
    if path == STDIN:
        source = _copied(_pieces(sys.stdin.buffer)).source("stdin")
        _check_text(source, "Unpack it on the way, or give the file by its name.")
        return JsonlTable(source)
    _check_readable(path)
    name, stamp = str(path), stamp_of(path)
    if path.suffix.lower() == ".parquet":
        spool = _copied(_encode(present(row.items())) + b"\n" for row in read_parquet(path))
        return JsonlTable(spool.source(name, stamp, has_lines=False))
    inner = plain_name(path)
    kind = _KINDS.get(inner.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: files ending in '{inner.suffix}' cannot be read", hint=_HINT)
    if is_compressed(path):
        return kind(_copied(decompressed(path)).source(name, stamp))
    source = Source.of(path)
    _check_text(source, "Let its name end in .gz, .zst or .parquet, as what it holds.")
    return kind(source)


def is_input(path: Path) -> bool:
    """Whether the name of a file says that rows can be read from it."""
    return path.suffix.lower() == ".parquet" or plain_name(path).suffix.lower() in _KINDS


def stem_of(path: Path) -> str:
    """Return an input's name without what tells its format: `in` for `in.jsonl.gz`, `stdin` for standard input."""
    return "stdin" if path == STDIN else plain_name(path).stem


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="Give a file of rows: .jsonl, .csv or .parquet.")
    if not path.exists():
        raise InputError(f"{path} does not exist")
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _check_text(source: Source, hint: str) -> None:
    with source.open() as file:
        head = file.read(8)
    for magic, what in _PACKED.items():
        if head.startswith(magic):
            raise InputError(f"{source.name} holds {what} data, not lines of text", hint=hint)


def _copied(pieces: Iterable[bytes]) -> Spool:
    spool = Spool()
    for piece in pieces:
        spool.write(piece)
    return spool


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece
