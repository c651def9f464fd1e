"""JSON schemas of Python types, in the form that every provider takes, and what makes instances of them."""

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from brimline.errors import ConfigError

_REFERENCE = "#/$defs/"
_PARTS = ("items", "additionalProperties", "not")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def describe(kind: Any) -> tuple[dict[str, Any], Callable[[str], Any]]:
    """Return a type's JSON schema and a function that makes an instance of a JSON text, or raises a ValueError.

    Pydantic is asked about its own, msgspec about all others.

    Raises:
        ConfigError: The type has no JSON schema.
    """
    try:
        schema, read = _with_pydantic(kind) if hasattr(kind, "__pydantic_validator__") else _with_either(kind)
    except Exception as error:  # noqa: BLE001  a type may refuse in any way
        why = str(error).partition("\n")[0]
        name = getattr(kind, "__name__", repr(kind))
        hint = "Give a JSON schema (a dict), a Pydantic model, a msgspec Struct, a dataclass or a TypedDict."
        raise ConfigError(f"'{name}' has no JSON schema: {why}", hint=hint) from None
    return strict(inlined(schema)), read


def _with_either(kind: Any) -> tuple[dict[str, Any], Callable[[str], Any]]:
    try:
        return msgspec.json.schema(kind), msgspec.json.Decoder(kind).decode
    except TypeError:
        if "pydantic" not in sys.modules:
            raise
        return _with_pydantic(kind)  # a list of Pydantic models, or a dataclass that holds one


def _with_pydantic(kind: Any) -> tuple[dict[str, Any], Callable[[str], Any]]:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  whoever has a model has it

    adapter = TypeAdapter(kind)

    def read(document: str) -> Any:
        try:
            return adapter.validate_json(document)
        except ValidationError as error:
            raise ValueError("; ".join(map(_words, error.errors(include_url=False)[:3]))) from None

    return adapter.json_schema(), read


def _words(problem: Any) -> str:
    place = ".".join(("$", *map(str, problem["loc"])))
    return f"{place}: {problem['msg']}"


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose definitions stand where they are used: not every provider takes references.

    Those of types that hold themselves stay, but never as the root, which has to be an object.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})

    def put(part: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [put(one, inside) for one in part]
        if not isinstance(part, dict):
            return part
        rest = {name: put(value, inside) for name, value in part.items() if name not in {"$ref", "$defs"}}
        name = part.get("$ref", "").removeprefix(_REFERENCE)
        if not name:
            return rest
        if name in inside:
            kept.add(name)
            return {"$ref": _REFERENCE + name}
        return put(definitions[name], (*inside, name)) | rest

    kept: set[str] = set()
    result: dict[str, Any] = put(schema, ())
    done: dict[str, Any] = {}
    while waiting := kept - done.keys():
        name = min(waiting)
        done[name] = put(definitions[name], (name,))
    return result | {"$defs": done} if done else result


def strict(schema: Any) -> Any:
    """Return a schema in OpenAI's strict form: objects have exactly the properties that they name, all of them.

    An object that may have any names stays as it is. A default is of no use to whoever has to say everything.
    """
    if not isinstance(schema, dict):
        return schema
    made = {name: value for name, value in schema.items() if name != "default"}
    for name in _PARTS:
        if name in made:
            made[name] = strict(made[name])
    for name in _LISTS:
        if name in made:
            made[name] = [strict(one) for one in made[name]]
    for name in ("properties", "$defs"):
        if name in made:
            made[name] = {key: strict(part) for key, part in made[name].items()}
    if "properties" in made and not made.get("additionalProperties"):
        made |= {"required": [*made["properties"]], "additionalProperties": False}
    return made
