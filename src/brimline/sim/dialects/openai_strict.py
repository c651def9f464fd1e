"""What OpenAI's strict mode demands of a schema: objects that are closed, and all of whose properties are required."""

from collections.abc import Iterator, Mapping
from typing import Any

from brimline.sim.chat import Chat
from brimline.sim.errors import Problem, invalid


def strict_flaws(chat: Chat) -> Iterator[Problem]:
    """What would be refused of the schemas that ask for strictness."""
    form = chat.response_format.json_schema if chat.response_format is not None else None
    schemas = [("response_format", form.name, form.schema)] if form is not None and form.strict else []
    functions = [tool.function for tool in chat.tools]
    schemas += [("tools", function.name, function.parameters) for function in functions if function.strict]
    for param, name, schema in schemas:
        what = f"response_format '{name}'" if param == "response_format" else f"function '{name}'"
        for place, flaw in _flaws(schema, ()):
            message = f"Invalid schema for {what}: In context={place!r}, {flaw}."
            yield invalid(message, param, "invalid_json_schema")


def _flaws(schema: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(schema, Mapping):
        return
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        if schema.get("additionalProperties") is not False:
            yield place, "'additionalProperties' is required to be supplied and to be false"
        missing = [name for name in properties or {} if name not in schema.get("required", [])]
        if missing:
            whole = (
                "'required' is required to be supplied and to be an array including every key in properties."
            )
            yield place, f"{whole} Missing '{missing[0]}'"
    for name in ("properties", "$defs"):
        inner = schema.get(name)
        for key, one in inner.items() if isinstance(inner, Mapping) else ():
            yield from _flaws(one, (*place, name, key))
    yield from _flaws(schema.get("items"), (*place, "items"))
    for i, one in enumerate(schema.get("anyOf") or ()):
        yield from _flaws(one, (*place, "anyOf", str(i)))
