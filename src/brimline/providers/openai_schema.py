"""A JSON schema as OpenAI's dialect asks for it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from brimline.types import Message

JSON_OBJECT = {"type": "json_object"}

_BEYOND_STRICT = frozenset({
    "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
})  # fmt: skip
"""Keywords that OpenAI's strict mode refuses."""

_LONGEST = 64
_DEPTH = 100
_encode = msgspec.json.Encoder(order="sorted").encode


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the member `response_format` for a schema; strict where the schema allows it."""
    title = schema.get("title")
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", title)[:_LONGEST] if isinstance(title, str) else ""
    form: dict[str, Any] = {"name": name or "answer", "schema": schema}
    if schema.get("type") == "object" and is_strict(schema):
        form["strict"] = True
    return {"type": "json_schema", "json_schema": form}


def is_strict(schema: Any, depth: int = 0) -> bool:
    """Whether OpenAI's strict mode takes a schema: its objects are closed, and all their properties are required."""
    if depth > _DEPTH:
        return False
    if isinstance(schema, Mapping):
        if not _BEYOND_STRICT.isdisjoint(schema):
            return False
        properties = schema.get("properties")
        if schema.get("type") == "object" or isinstance(properties, Mapping):
            if schema.get("additionalProperties") is not False:
                return False
            required = schema.get("required")
            if {*(properties or ())} - {*(required if isinstance(required, Sequence) else ())}:
                return False
        return all(is_strict(value, depth + 1) for value in schema.values())
    if isinstance(schema, list | tuple):
        return all(is_strict(value, depth + 1) for value in schema)
    return True


def told(schema: Mapping[str, Any], messages: Sequence[Message]) -> list[Message]:
    """Return messages that tell the schema in words, for servers that know only JSON as such."""
    words = f"Answer with JSON that follows this JSON schema:\n{_encode(schema).decode()}"
    first = messages[0]
    if first.get("role") in {"system", "developer"} and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{words}"}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]
