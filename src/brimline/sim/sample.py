"""A plausible JSON value for a JSON schema: right in its types, enums, bounds and required keys."""

import math
from collections.abc import Callable, Mapping
from typing import Any

_DEPTH = 8
"""Where recursive schemas end: below it, optional properties are left out and arrays are empty."""
_FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
}


def sample(schema: Mapping[str, Any], text: str) -> Any:
    """A value that fits; free strings are `text`, so that a mix-up of two replies is seen.

    Raises TypeError, ValueError or AttributeError for what is no schema.
    """
    return _Sampler(schema, text).value(schema, 0)


class _Sampler:
    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root, self._text = root, text
        self._makers: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": lambda schema, _: _integer(schema),
            "number": lambda schema, _: _number(schema),
            "boolean": lambda _schema, _: True,
            "null": lambda _schema, _: None,
        }

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > 3 * _DEPTH:  # `true` allows anything; a loop must end
            return self._text
        if "$ref" in schema:
            return self.value(self._resolve(schema["$ref"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            # the last choice of a recursive type is, by custom, the one that ends it (null)
            return self.value(choices[-1 if depth > _DEPTH else 0], depth + 1)
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for one in schema["allOf"]:
                merged |= self._resolve(one["$ref"]) if "$ref" in one else one
            return self.value(merged, depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = kind[0] if kind else "null"
        maker = self._makers.get(kind)
        return maker(schema, depth) if maker else self._text

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        names = schema.get("required", []) if depth > _DEPTH else list(properties)
        return {name: self.value(properties.get(name, True), depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        count = schema.get("minItems", 0) if depth > _DEPTH else max(1, schema.get("minItems", 1))
        return [self.value(schema.get("items", True), depth + 1) for _ in range(count)]

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        text = _FORMATS.get(schema.get("format", ""), self._text)
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]

    def _resolve(self, reference: str) -> Any:
        found: Any = self._root
        for name in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(name, {}) if name and isinstance(found, Mapping) else found
        return found


def _integer(schema: Mapping[str, Any]) -> int:
    """The whole number nearest to 1 that the bounds allow."""
    lows: list[int] = [math.ceil(schema.get("minimum", 1)), math.floor(schema.get("exclusiveMinimum", 0)) + 1]
    highs: list[int] = [
        math.floor(schema.get("maximum", 1)),
        math.ceil(schema.get("exclusiveMaximum", 2)) - 1,
    ]
    return max(lows) if max(lows) > 1 else min(highs)


def _number(schema: Mapping[str, Any]) -> float:
    """1 where the bounds allow it, else the middle of them, else one step inside the only one."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    if low < 1 < high:
        return 1.0
    if math.isfinite(low) and math.isfinite(high):
        return float((low + high) / 2)
    return float(low + 1 if math.isfinite(low) else high - 1)
