"""Read a scenario's tables into structs, and write them back.

Errors are for the person who wrote the file: each names the file, the key and what was expected,
and an unknown key names its nearest neighbour.
"""

import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


class ScenarioError(ValueError):
    """A scenario that cannot be used: `source` is the file, `key` the place in it."""

    def __init__(self, source: str, key: str, problem: str) -> None:
        super().__init__(f"{source}: {key}: {problem}" if key else f"{source}: {problem}")
        self.source, self.key, self.problem = source, key, problem


def read_struct(kind: type[S], table: object, source: str, key: str = "") -> S:
    """Build a struct from a table whose keys are its field names. Raises ScenarioError."""
    if not isinstance(table, Mapping):
        raise ScenarioError(source, key, f"expected a table, got {table!r}")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in table:
        if name not in fields:
            raise ScenarioError(source, join(key, name), f"unknown key; {suggest(name, fields)}")
    values = {}
    for name, field in fields.items():
        if name in table:
            values[field.name] = _read(field.type, table[name], source, join(key, name))
        elif field.required:
            raise ScenarioError(source, join(key, name), "expected, but it is missing")
    try:
        return kind(**values)
    except ValueError as error:  # a struct's own check begins with the name of a key
        name, _, problem = str(error).partition(": ")
        raise ScenarioError(source, join(key, name), problem) from None


def to_words(value: Any) -> Any:
    """The opposite of reading: a struct as tables, lists and words; what is absent is left out."""
    if isinstance(value, msgspec.Struct):
        parts = ((field.encode_name, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {name: to_words(part) for name, part in parts if part is not None}
    if isinstance(value, dict):
        return {name: to_words(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [to_words(part) for part in value]
    return str(value) if hasattr(value, "parse") else value


def suggest(name: str, known: Iterable[str]) -> str:
    """Name the nearest known word, or all of them."""
    words = sorted(known)
    near = get_close_matches(name, words, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(words)}"


def join(key: str, name: str) -> str:
    """The key of something inside a table, quoted as TOML would have it."""
    plain = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    name = name if plain else f'"{name}"'
    return f"{key}.{name}" if key else name


def _read(kind: Any, value: Any, source: str, key: str) -> Any:
    """Read one value of any type that a scenario's structs use."""
    if get_origin(kind) in {types.UnionType, Union}:  # only `X | None` occurs; TOML has no null
        kind = next(one for one in get_args(kind) if one is not types.NoneType)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return read_struct(kind, value, source, key)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict and isinstance(value, Mapping):
        return {name: _read(arguments[1], one, source, join(key, name)) for name, one in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_read(arguments[0], one, source, f"{key}[{i}]") for i, one in enumerate(value))
    if origin is Literal and value not in arguments:
        words = suggest(str(value), arguments)
        raise ScenarioError(source, key, f"expected one of {', '.join(arguments)}, got {value!r}; {words}")
    return _read_leaf(kind, value, source, key)


def _read_leaf(kind: Any, value: Any, source: str, key: str) -> Any:
    try:
        return kind.parse(value) if hasattr(kind, "parse") else msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        expected = str(error).partition(",")[0].replace("`", "")
        raise ScenarioError(
            source, key, f"{expected.replace('Expected', 'expected')}, got {value!r}"
        ) from None
    except ValueError as error:
        raise ScenarioError(source, key, str(error)) from None
