"""What a pipeline is made of: rows are asked about, mapped, split and gathered. Plain values, checked when they are made."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from brimline.data.documents import find_document
from brimline.data.shape import Schema
from brimline.data.template import Template
from brimline.errors import ConfigError

Row: TypeAlias = dict[str, Any]
"""A row: its columns by name; `id` is one of them."""

_NAME = re.compile(r"\w[\w-]*")
TAKEN = ("failed", "output", "id")
"""Names that a step cannot have: of files and of a column that are there anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Asks a model about every row; the answer goes into a column. A row that gets none leaves the pipeline as failed.

    Attributes:
        name: What the step and the column are called.
        model: The model reference; without one, rows name theirs.
        prompt: Jinja template over the row's columns; without one, rows have a column `prompt` or `messages`.
        system: Jinja template of the system message.
        schema: What answers have to be like; the column holds what they say then, and not their text.
        params: Generation parameters.
        parse: Makes of an answer what the column holds. What it raises fails the row; the answer stays on file.
    """

    name: str = field(kw_only=False)
    model: str | None = None
    prompt: str | None = None
    system: str | None = None
    schema: Schema | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    parse: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in TAKEN:
            raise ConfigError(
                f"a step cannot be called {self.name!r}: letters, digits, '_' and '-' name its file"
            )
        for option in ("prompt", "system"):
            if getattr(self, option) is not None:
                Template(getattr(self, option), f"step '{self.name}': {option}")
        _check_callable(self.parse, f"step '{self.name}': parse")


@dataclass(frozen=True, slots=True)
class Map:
    """Lets a function change every row.

    Attributes:
        function: Gets a row and returns it, changed or not; None: it leaves the pipeline; a list: these rows take its
            place, called as it is with `.0`, `.1`, ... if they have no ids of their own. It may be an `async def`; any
            other one should not take long, since everything waits for it. What it raises fails the row.
        name: What the step is called; the function's name if not given.
    """

    function: Callable[[Row], Any]
    name: str = ""

    def __post_init__(self) -> None:
        _check_callable(self.function, "Map: function", is_needed=True)
        object.__setattr__(self, "name", self.name or _name_of(self.function, "map"))


@dataclass(frozen=True, slots=True)
class Split:
    """Cuts the text in a column into chunks, between paragraphs, sentences or words; each is a row of its own.

    Attributes:
        column: Where the text is.
        into: Where a chunk goes; the same column if not given. The others are those of the row.
        size: A chunk has at most so many characters.
        name: What the step is called.
    """

    column: str
    into: str = ""
    size: int = 4000
    name: str = "split"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"Split: a chunk has at least one character, not {self.size!r}")
        object.__setattr__(self, "into", self.into or self.column)


@dataclass(frozen=True, slots=True)
class Gather:
    """Merges rows into one.

    All that was made of one row of the input, as soon as the last of it has come or was lost:

        Gather(merge)

    What was made of a later row, told by a column that its pieces share: `Gather(merge, of="claim")`. Or, when all rows
    have come, those that have the same in a column, whatever they were made of: `Gather(merge, by="topic")`.

    A merged row has the columns of the one that was taken apart (with `by` only that column), then what `merge` returns, and
    `missing`, the number of pieces that have failed, if there are any.

    Attributes:
        merge: Gets the rows in the order of the input and returns columns; None: nothing comes of them. Of a row all of
            whose pieces were dropped it gets none.
        of: The column.
        by: The column by which rows from everywhere go together, instead.
        complete: With `by`: says of the rows so far whether they are all.
        name: What the step is called; the function's name if not given.
    """

    merge: Callable[[list[Row]], Mapping[str, Any] | None]
    of: str = "id"
    by: str | None = None
    complete: Callable[[list[Row]], bool] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        _check_callable(self.merge, "Gather: merge", is_needed=True)
        _check_callable(self.complete, "Gather: complete")
        if self.by is not None and self.of != "id":
            raise ConfigError("Gather: `of` and `by` exclude each other")
        if self.complete is not None and self.by is None:
            raise ConfigError(
                "Gather: `complete` goes with `by`; without it is known when all pieces have come"
            )
        object.__setattr__(self, "name", self.name or _name_of(self.merge, "gather"))


PipelineStep: TypeAlias = Ask | Map | Split | Gather


def check_steps(steps: Sequence[PipelineStep]) -> None:
    """See that steps make a pipeline.

    Raises:
        ConfigError: There are none, something else is among them, or two ask under one name.
    """
    if not steps:
        raise ConfigError("a pipeline needs a step")
    for step in steps:
        if not isinstance(step, Ask | Map | Split | Gather):
            raise ConfigError(f"{step!r} is no step; there are Ask, Map, Split and Gather")
    names = [step.name for step in steps if isinstance(step, Ask)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two steps are called '{name}'; each has a file of its own")


def parse_json(answer: Any) -> Any:
    """Return what the JSON in an answer says, whatever stands around it; of several answers a list. For `Ask(parse=...)`.

    Raises:
        ValueError: There is none.
    """
    if isinstance(answer, list):
        return [parse_json(one) for one in answer]
    return msgspec.json.decode(find_document(answer))


def _check_callable(value: Any, what: str, *, is_needed: bool = False) -> None:
    if (value is not None or is_needed) and not callable(value):
        raise ConfigError(f"{what} is {value!r}, which is no function")


def _name_of(function: Any, otherwise: str) -> str:
    name = getattr(function, "__name__", otherwise)
    return otherwise if name == "<lambda>" else name
