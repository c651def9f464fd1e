"""Parquet files, read and written with DuckDB: the extra `tables`, imported when it is needed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from brimline.errors import BrimlineError, ConfigError, InputError, OutputError

if TYPE_CHECKING:
    import duckdb

ROWS = 1000
"""Rows that are taken from DuckDB at a time."""

GROUP_BYTES = 32 << 20
GROUP_ROWS = 122_880
"""A row group is held in memory until it is written: at most so many bytes, about, and so many rows."""

MEMORY = 256 << 20
"""Bytes for DuckDB while it writes; left alone it would hold a share of the machine's memory before it writes anything."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, in order; a few row groups are in memory at a time.

    A number that is no number (NaN) is as JSON cannot write it: a float. Bytes are text where they are UTF-8, or else
    base64; times are text.

    Raises:
        InputError: It is no Parquet file, or damaged.
        ConfigError: DuckDB is not installed.
    """
    with _database(f"{path} cannot be read as Parquet", InputError) as database:
        # A file that is there goes before what its name could mean as a pattern.
        file = f"read_parquet({_text(path.absolute())}, hive_partitioning = false)"
        described = database.execute(f"DESCRIBE SELECT * FROM {file}").fetchall()  # noqa: S608  quoted
        binary = [_name(name) for name, kind, *_ in described if kind == "BLOB"]
        texts = ", ".join(f"coalesce(try(decode({name})), to_base64({name})) AS {name}" for name in binary)
        columns = f"* REPLACE ({texts})" if binary else "*"
        rows = database.execute(f'SELECT to_json("the row") FROM (SELECT {columns} FROM {file}) "the row"')  # noqa: S608
        while batch := rows.fetchmany(ROWS):
            for (text,) in batch:
                yield _parse(text)


def write_parquet(path: Path, kinds: Mapping[str, str], rows: Iterable[list[Any]]) -> None:
    """Write rows to a Parquet file; a copy of them goes to a temporary file first, so memory stays bounded.

    Args:
        path: The file.
        kinds: DuckDB's type of each column, by name.
        rows: The values of each row, in the order of the columns and as JSON has them.

    Raises:
        OutputError: It cannot be written.
        ConfigError: DuckDB is not installed.
    """
    with (
        TemporaryDirectory(prefix="brimline-") as folder,
        _database(f"{path} cannot be written", OutputError, folder) as database,
    ):
        lines = Path(folder) / "rows.jsonl"
        count, size, longest = _spill(lines, rows)
        database.execute(f"SET memory_limit = '{max(MEMORY, 32 * longest) >> 10} KiB'")
        group = min(GROUP_ROWS, max(1, GROUP_BYTES * max(1, count) // max(1, size)))
        types = ", ".join(f"c{place}: {_text(kind)}" for place, kind in enumerate(kinds.values()))
        names = ", ".join(f"c{place} AS {_name(name)}" for place, name in enumerate(kinds))
        options = f"format = 'newline_delimited', maximum_object_size = {max(16 << 20, 2 * longest)}"
        read = f"SELECT {names} FROM read_json({_text(lines)}, columns = {{{types}}}, {options})"  # noqa: S608
        database.execute(
            f"COPY ({read}) TO {_text(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group})"
        )


def _spill(path: Path, rows: Iterable[list[Any]]) -> tuple[int, int, int]:
    """Write rows as JSON, and return how many they are, their bytes, and those of the longest."""
    count = size = longest = 0
    with path.open("wb") as file:
        for row in rows:
            line = _encode({f"c{place}": value for place, value in enumerate(row)}) + b"\n"
            file.write(line)
            count, size, longest = count + 1, size + len(line), max(longest, len(line))
    return count, size, longest


@contextmanager
def _database(
    what: str, error: type[BrimlineError], folder: str = ""
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a database in memory that asks nobody; `folder` takes what does not fit into memory."""
    try:
        import duckdb  # noqa: PLC0415  an extra
    except ImportError:
        hint = "Install it with: pip install 'brimline[tables]'"
        raise ConfigError("Parquet needs a module that is not installed", hint=hint) from None
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "temp_directory": folder,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as database:
            database.execute("SET TimeZone = 'UTC'")
            yield database
    except duckdb.Error as problem:
        raise error(f"{what}: {_plain(str(problem))}") from None
    except OSError as problem:
        raise error(f"{what}: {problem.strerror}") from None


def _parse(text: str) -> Any:
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return json.loads(text)  # DuckDB writes NaN and Infinity as they are


def _plain(message: str) -> str:
    """Return what DuckDB says, without the kind of its error and the query."""
    line = message.partition("\n")[0]
    return line.partition(": ")[2] or line


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
