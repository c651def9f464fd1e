"""A parcel: a row on its way through a pipeline, with what it was made of.

A row that is taken apart gets pieces, each with its share of it: a fifth, or a third of a fifth. What is lost on the way
stays a parcel that nobody sees. So whoever gathers the pieces of a row knows by adding up shares when all have come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from fractions import Fraction
from typing import Any, Optional

WHOLE = Fraction(1)


class Fate(Enum):
    """What has become of a parcel."""

    FLOWING = auto()
    """It is on its way."""
    DROPPED = auto()
    """A step wanted no more of it."""
    FAILED = auto()
    """A step failed for it."""
    PENDING = auto()
    """It was not dealt with; the next run does that."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A row on its way.

    Attributes:
        columns: The row.
        path: The number of the row of the input, then which piece of it, and so on: what gives the output its order.
        origin: What it is a piece of, or None.
        share: Which part of that it is.
        fate: What has become of it.
    """

    columns: Mapping[str, Any]
    path: tuple[int, ...]
    origin: Optional["Parcel"] = None
    share: Fraction = WHOLE
    fate: Fate = Fate.FLOWING

    @property
    def is_lost(self) -> bool:
        """Whether nothing flows any more; it is only counted."""
        return self.fate is not Fate.FLOWING

    def with_columns(self, columns: Mapping[str, Any]) -> "Parcel":
        """Return it with other columns; its id stays if they have none."""
        return replace(
            self, columns={"id": self.columns["id"], **columns} if "id" not in columns else columns
        )

    def lost(self, fate: Fate) -> "Parcel":
        """Return what is left of it."""
        return replace(self, fate=fate)

    def taken_apart(self, rows: Sequence[Mapping[str, Any]]) -> "list[Parcel]":
        """Return a piece for each of these rows; one without an id of its own is called as this one, `.0`, `.1` ...

        Of no rows there is a piece that is lost: a row that had nothing in it is still there to be gathered.
        """
        share = WHOLE / max(len(rows), 1)
        pieces = []
        for number, row in enumerate(rows):
            own_id = row.get("id")
            is_own = own_id is not None and own_id != self.columns["id"]
            name = own_id if is_own else f"{self.columns['id']}.{number}"
            pieces.append(Parcel({"id": name, **row} | {"id": name}, (*self.path, number), self, share))
        return pieces or [Parcel(self.columns, (*self.path, 0), self, WHOLE, Fate.DROPPED)]

    def source(self, column: str) -> "tuple[Parcel, Fraction]":
        """Return the outermost parcel that this is a piece of and that has the same in `column`, and its share of that.

        That may be itself. Of the column `id` it is the row of the input, since ids of pieces are their own.
        """
        found = self, WHOLE
        for parcel, share in self._ancestors():
            if column == "id" or _has_same(column, parcel.columns, self.columns):
                found = parcel, share
        return found

    def _ancestors(self) -> "Iterator[tuple[Parcel, Fraction]]":
        parcel, share = self, WHOLE
        while parcel.origin is not None:
            share *= parcel.share
            parcel = parcel.origin
            yield parcel, share


def _has_same(column: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return column in one and column in other and bool(one[column] == other[column])
