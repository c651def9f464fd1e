"""A plausible JSON value for a JSON schema: right in its types, enums, bounds and required keys."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from brimline.sim.pattern import matching

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
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
    "duration": "P1D",
}


def sample(schema: Mapping[str, Any], text: str) -> Any:
    """A value that fits; free strings are `text`, so that a mix-up of two replies is seen.

    Raises TypeError, ValueError or AttributeError for what is no schema.
    """
    return _Sampler(schema, text).value(schema, 0)


class _Sampler:
    """Makes the n-th of several values that have to differ, where `nth` is not 0."""

    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root, self._text = root, text
        self._makers: dict[str, Callable[[Mapping[str, Any], int, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": lambda schema, _, nth: _integer(schema, nth),
            "number": lambda schema, _, nth: _number(schema, nth),
            "boolean": lambda _schema, _, nth: nth % 2 == 0,
            "null": lambda _schema, _, _nth: None,
        }

    def value(self, schema: Any, depth: int, nth: int = 0) -> Any:
        if not isinstance(schema, Mapping) or depth > 3 * _DEPTH:  # `true` allows anything; a loop must end
            return self._free(nth)
        if "$ref" in schema:
            return self.value(self._resolve(schema["$ref"]), depth + 1, nth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][nth % len(schema["enum"])]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            # the last choice of a recursive type is, by custom, the one that ends it (null)
            return self.value(choices[-1 if depth > _DEPTH else 0], depth + 1, nth)
        if "allOf" in schema:
            return self.value(self._merged(schema), depth + 1, nth)
        return self._typed(schema, depth, nth)

    def _free(self, nth: int) -> str:
        return f"{self._text} {nth + 1}" if nth else self._text

    def _merged(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """All of several schemas as one."""
        merged: dict[str, Any] = {name: value for name, value in schema.items() if name != "allOf"}
        for one in schema["allOf"]:
            each = self._resolve(one["$ref"]) if "$ref" in one else one
            both = {name: {**merged.get(name, {}), **each[name]} for name in ("properties",) if name in each}
            required = [*merged.get("required", []), *each.get("required", [])]
            merged |= each | both | ({"required": required} if required else {})
        return merged

    def _typed(self, schema: Mapping[str, Any], depth: int, nth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = kind[0] if kind else "null"
        maker = self._makers.get(kind)
        return maker(schema, depth, nth) if maker else self._free(nth)

    def _object(self, schema: Mapping[str, Any], depth: int, nth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        required = schema.get("required", [])
        names = [*required] if depth > _DEPTH else [*dict.fromkeys([*required, *properties])]
        names += [f"key{i}" for i in range(len(names), schema.get("minProperties", 0))]
        order = [name for name in properties if name in names]
        names = [*order, *(name for name in names if name not in properties)]
        if "maxProperties" in schema:
            names = [*dict.fromkeys([*required, *names])][: schema["maxProperties"]]
        return {name: self.value(properties.get(name, others), depth + 1, nth) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int, _nth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = max(schema.get("minItems", 0), len(first))
        count = least if depth > _DEPTH else max(1, least)
        count = min(count, schema.get("maxItems", count))
        differ = schema.get("uniqueItems", False)
        items = schema.get("contains", schema.get("items", True))
        kinds = [first[i] if i < len(first) else items for i in range(count)]
        return [self.value(kind, depth + 1, i if differ else 0) for i, kind in enumerate(kinds)]

    def _string(self, schema: Mapping[str, Any], _depth: int, nth: int) -> str:
        text = _FORMATS.get(schema.get("format", ""), self._free(nth))
        if "pattern" in schema:
            text = matching(schema["pattern"], text)
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]

    def _resolve(self, reference: str) -> Any:
        found: Any = self._root
        for name in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(name, {}) if name and isinstance(found, Mapping) else found
        return found


def _integer(schema: Mapping[str, Any], nth: int) -> int:
    """The whole number nearest to 1 that the bounds allow, or the n-th after it."""
    lows: list[int] = [math.ceil(schema.get("minimum", 1)), math.floor(schema.get("exclusiveMinimum", 0)) + 1]
    highs: list[int] = [
        math.floor(schema.get("maximum", 1)),
        math.ceil(schema.get("exclusiveMaximum", 2)) - 1,
    ]
    nearest = max(lows) if max(lows) > 1 else min(highs)
    step: int = schema.get("multipleOf", 1)
    return int(-(-nearest // step) * step + nth * step)


def _number(schema: Mapping[str, Any], nth: int) -> float:
    """1 where the bounds allow it, else the middle of them, else one step inside the only one."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    step = float(schema.get("multipleOf", 0))
    if step:
        return (max(math.ceil(low / step) if math.isfinite(low) else 1, 1) + nth) * step
    if low < 1 < high:
        return 1.0 + nth
    if math.isfinite(low) and math.isfinite(high):
        return float((low + high) / 2)
    return float(low + 1 if math.isfinite(low) else high - 1) + nth
