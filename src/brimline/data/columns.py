"""Columns of results: which there are, what they hold, and members of members by a dotted name."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from brimline.errors import ConfigError

MISSING = object()
_64_BITS = range(-(1 << 63), 1 << 63)


class Kind(IntFlag):
    """What kinds of values a column holds."""

    NOTHING = 0
    TRUTH = 1
    WHOLE = 2
    NUMBER = 4
    TEXT = 8
    OTHER = 16
    """Lists, objects, and whole numbers of more than 64 bits."""
    VECTOR = 32
    """Lists of nothing but numbers."""


@dataclass(slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        kind: What was seen in it.
        is_found: Whether any row has it.
    """

    name: str
    kind: Kind = Kind.NOTHING
    is_found: bool = False

    def of(self, row: Mapping[str, Any]) -> Any:
        """Return what a row holds here; None where it holds nothing."""
        value = find(row, self.name)
        return None if value is MISSING else value

    def see(self, value: Any) -> None:
        """Note a value of it."""
        self.is_found = True
        self.kind |= kind_of(value)


def find(value: Any, name: str) -> Any:
    """Return the member of `value` with a name, or MISSING.

    `usage.output_tokens` is a member of a member, and `choices.0` the first of a list. A member whose own name has
    dots in it goes first.
    """
    if isinstance(value, dict):
        if name in value:
            return value[name]
        for place, letter in enumerate(name):
            if letter == "." and name[:place] in value:
                return find(value[name[:place]], name[place + 1 :])
    elif isinstance(value, list):
        step, _, rest = name.partition(".")
        if step.isdecimal() and int(step) < len(value):
            return find(value[int(step)], rest) if rest else value[int(step)]
    return MISSING


def kind_of(value: Any) -> Kind:
    """Return the kind of a value that JSON knows."""
    if value is None:
        return Kind.NOTHING
    if isinstance(value, str):
        return Kind.TEXT
    if isinstance(value, bool):
        return Kind.TRUTH
    if isinstance(value, int):
        return Kind.WHOLE if value in _64_BITS else Kind.OTHER
    if isinstance(value, float):
        return Kind.NUMBER
    is_vector = isinstance(value, list) and value and {float, int}.issuperset(map(type, value))
    return Kind.VECTOR if is_vector else Kind.OTHER


def all_columns(rows: Iterable[Mapping[str, Any]], last: Sequence[str]) -> list[Column]:
    """Return every column that a row has, as they come; those named in `last` stand at the end, in that order."""
    columns: dict[str, Column] = {}
    for row in rows:
        for name, value in row.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = Column(name)
            column.see(value)
    first = [column for name, column in columns.items() if name not in last]
    return [*first, *(columns[name] for name in last if name in columns)]


def chosen_columns(
    rows: Iterable[Mapping[str, Any]], names: Sequence[str], optional: Collection[str]
) -> list[Column]:
    """Return the columns with these names.

    Args:
        rows: The rows, which tell what there is.
        names: The names, dotted for members of members.
        optional: Names that need not occur.

    Raises:
        ConfigError: A name occurs in no row, or is given twice.
    """
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ConfigError(f"the column '{twice}' is given twice")
    columns = [Column(name) for name in names]
    known: dict[str, None] = {}
    for row in rows:
        known |= dict.fromkeys(row)
        for column in columns:
            if (value := find(row, column.name)) is not MISSING:
                column.see(value)
    for column in columns:
        if not column.is_found and column.name not in optional and known:
            raise ConfigError(
                f"no line has '{column.name}'",
                hint=f"There are: {', '.join(known)}; a dot leads into them, as in usage.output_tokens.",
            )
    return columns
