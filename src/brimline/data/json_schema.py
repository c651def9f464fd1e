"""JSON schemas, checked with jsonschema: the extra `schema`, imported when it is needed."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from brimline.errors import ConfigError

SHOWN = 3
"""So many things that are wrong with an answer are told at once."""

LONGEST = 250
"""Characters of each of them; a message may quote the whole answer."""


def schema_reader(schema: Mapping[str, Any]) -> Callable[[str], Any]:
    """Return a function that makes a value of a JSON text, or raises a ValueError if it does not follow `schema`.

    Raises:
        ConfigError: It is no JSON schema, or jsonschema is not installed.
    """
    try:
        from jsonschema import SchemaError  # noqa: PLC0415
        from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415
    except ImportError:
        hint = "pip install 'brimline[schema]', or give a type in Python: a Pydantic model, a msgspec Struct, a dataclass."
        raise ConfigError("answers cannot be checked without jsonschema", hint=hint) from None
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema({**schema})
    except SchemaError as error:
        raise ConfigError(f"the schema is no JSON schema: {error.json_path}: {error.message}") from None
    _check_references(schema)
    validator = kind(schema, registry=Registry())  # a registry of its own: nothing is fetched

    def read(document: str) -> Any:
        value = msgspec.json.decode(document)
        problems = [
            f"{error.json_path}: {error.message[:LONGEST]}"
            for error in islice(validator.iter_errors(value), SHOWN)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return value

    return read


def _check_references(schema: Mapping[str, Any]) -> None:
    """See that what the schema refers to is in it: nothing is fetched, and no answer fails for it."""
    from referencing import Registry, Resource  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = Registry().resolver_with_root(resource)
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise ConfigError(f"the schema refers to '{reference}', which is not in it") from None


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)
