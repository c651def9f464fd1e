"""Which group a row belongs to: rows of a group share a limit on requests, whichever models they go to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Tells the group of a row.

    Attributes:
        columns: Where it is named; the first that a row has counts.
        single: The name of the only group, to which all rows belong, whatever they say; empty: they do.
        only: The groups that there are, if not any that a row names.
        apart: Models that are a group of their own within another, by its name (`openai` -> `openai-gpt-4o`).
    """

    columns: tuple[str, ...] = ("group",)
    single: str = ""
    only: tuple[str, ...] = ()
    apart: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def group_of(self, row: Mapping[str, Any], model: str = "") -> str:
        """Return the group of a row that goes to the model reference `model`; empty if it is in none.

        A row without `api` and `model_name` has those of its model reference.
        """
        if self.single:
            return self.single
        endpoint, _, name = model.partition("/")
        named = {"api": endpoint, "model_name": name} | {
            column: value for column, value in row.items() if value is not None
        }
        group = next((str(named[column]) for column in self.columns if named.get(column)), "")
        if (own := str(named["model_name"])) in self.apart.get(group, ()):
            return f"{group}-{own}"
        return group if not self.only or group in self.only else ""
