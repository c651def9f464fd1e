"""A JSON schema as Anthropic takes it: closed objects, and in words what its grammar cannot hold.

The official SDK does the same. What an answer has to fulfil is not made less by it: answers are validated with the
schema that the user gave.
"""

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset({
    "$ref", "$defs", "definitions", "$schema", "$id", "type", "enum", "const", "anyOf", "allOf", "properties", "required",
    "items", "additionalProperties", "title", "description", "default", "format",
})  # fmt: skip
_OF_NAMES = ("properties", "$defs", "definitions")
_OF_SCHEMAS = ("anyOf", "oneOf", "allOf")
_FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
})  # fmt: skip


def sendable(schema: Any) -> Any:
    """Return a schema with nothing in it that is refused; bounds and patterns go into its description."""
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _OF_NAMES and isinstance(value, Mapping):
            kept[name] = {key: sendable(inner) for key, inner in value.items()}
        elif name in _OF_SCHEMAS and isinstance(value, list):
            kept["allOf" if name == "allOf" else "anyOf"] = [sendable(inner) for inner in value]
        elif name == "items":
            kept[name] = sendable(value)
        elif _is_taken(name, value):
            kept[name] = value
        else:
            told[name] = value
    if kept.get("type") == "object":
        kept["additionalProperties"] = False
    if told:
        words = ", ".join(f"{name}: {value}" for name, value in told.items())
        kept["description"] = "\n\n".join(filter(None, (kept.get("description"), f"{{{words}}}")))
    return kept


def _is_taken(name: str, value: Any) -> bool:
    if name == "format":
        return value in _FORMATS
    if name == "minItems":
        return value in {0, 1}
    return name in _KEPT
