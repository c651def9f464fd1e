"""Read the body of a generateContent request, whose keys may be in camelCase or in snake_case."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Literal

import msgspec

from brimline.sim.chat import (
    Chat,
    ContentPart,
    Function,
    JsonSchema,
    Message,
    NamedFunction,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from brimline.sim.checks import checked
from brimline.sim.dialect import Request
from brimline.sim.errors import NOT_JSON, Problem, invalid
from brimline.sim.files import Files

Table = Mapping[str, Any]
SHOWN, HIDDEN = "shown", "hidden"
"""How a request wants its reasoning; the neutral request keeps it as the effort."""
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


@cache
def _snake(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


def _spellings(names: str) -> frozenset[str]:
    return frozenset(spelling for name in names.split() for spelling in (name, _snake(name)))


_BODY = _spellings(
    "contents systemInstruction generationConfig tools toolConfig safetySettings cachedContent serviceTier "
    "labels store model"
)
_CONFIG = _spellings(
    "temperature topP topK candidateCount maxOutputTokens stopSequences seed responseMimeType responseSchema "
    "responseJsonSchema _responseJsonSchema presencePenalty frequencyPenalty responseLogprobs logprobs "
    "thinkingConfig responseModalities speechConfig mediaResolution enableEnhancedCivicAnswers audioTimestamp "
    "routingConfig imageConfig"
)


class RefusedError(ValueError):
    """A body that cannot be meant; `code` is the status that goes with it."""

    def __init__(self, message: str, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.code = code


def get(table: Table, name: str, default: Any = None) -> Any:
    """A member by its camelCase name, in either spelling."""
    if name in table:
        return table[name]
    return table.get(_snake(name), default)


def read_json(body: bytes) -> dict[str, Any] | Problem:
    """The body as an object."""
    try:
        table = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOT_JSON
    return table if isinstance(table, dict) else NOT_JSON


def refused(error: Exception) -> Problem:
    """What was raised while a body was read, as a problem."""
    code = error.code if isinstance(error, RefusedError) else "INVALID_ARGUMENT"
    return invalid(str(error) if isinstance(error, RefusedError) else f"Invalid value: {error}", code=code)


def read_generate(body: bytes, model: str, files: Files, *, stream: bool) -> Request | Problem:
    """Read the body of a request; model and stream come from the path."""
    table = read_json(body)
    if isinstance(table, Problem):
        return table
    try:
        chat = _chat(table, model, files, stream=stream)
    except (RefusedError, LookupError, TypeError, ValueError, AttributeError) as error:
        return refused(error)
    return checked(chat)


def text_of(content: Any) -> str:
    """The text of a content."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content.get("parts", ()) if "text" in part)


def _chat(table: Table, model: str, files: Files, *, stream: bool) -> Chat:
    _known(table, _BODY, "")
    config = get(table, "generationConfig") or {}
    _known(config, _CONFIG, " at 'generation_config'")
    _bounds(config)
    contents = table.get("contents") or []
    if not contents:
        raise RefusedError("* GenerateContentRequest.contents: contents is not specified\n")
    system = get(table, "systemInstruction")
    messages = [Message("system", text_of(system))] if system else []
    for content in contents if isinstance(contents, list) else [contents]:
        messages += _messages(content, files)
    tools = [*_tools(table.get("tools") or ())]
    return Chat(
        model=model,
        messages=messages,
        max_tokens=get(config, "maxOutputTokens"),
        n=get(config, "candidateCount"),
        stream=stream,
        tools=tools,
        tool_choice=_tool_choice(get(table, "toolConfig") or {}, tools),
        response_format=_format(config),
        reasoning_effort=_thinking(get(config, "thinkingConfig")),
    )


def _known(table: Table, known: frozenset[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise RefusedError(
                f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
            )


def _bounds(config: Table) -> None:
    for name, low, high in (("temperature", 0, 2), ("topP", 0, 1), ("candidateCount", 1, 8)):
        value = get(config, name)
        if value is not None and not low <= value <= high:
            raise RefusedError(
                f"* GenerateContentRequest.generation_config.{name}: must be in [{low}, {high}]\n"
            )
    limit = get(config, "maxOutputTokens")
    if limit is not None and limit < 1:
        raise RefusedError("max_output_tokens must be positive.")


def _messages(content: Table, files: Files) -> Iterator[Message]:
    """A content as messages: results of functions are parts here, and messages elsewhere."""
    calls, parts = [], []
    role: Literal["user", "assistant"] = "assistant" if content.get("role") == "model" else "user"
    if content.get("role", "user") not in {"user", "model", "function"}:
        raise RefusedError("Please use a valid role: user, model.")
    for part in content["parts"]:
        called, given = get(part, "functionCall"), get(part, "functionResponse")
        if called is not None:
            arguments = msgspec.json.encode(called.get("args") or {}).decode()
            calls.append({"type": "function", "function": {"name": called["name"], "arguments": arguments}})
        elif given is not None:
            text = msgspec.json.encode(given.get("response")).decode()
            yield Message("tool", text, name=given["name"])
        elif not part.get("thought"):
            parts.append(_part(part, files))
    if parts or calls:
        only = parts[0].text if len(parts) == 1 else None
        yield Message(role, only if only is not None else parts or None, tool_calls=calls or None)


def _part(part: Table, files: Files) -> ContentPart:
    inline, referred = get(part, "inlineData"), get(part, "fileData")
    if "text" in part:
        return ContentPart("text", text=str(part["text"]))
    if inline is not None:
        mime, data = str(get(inline, "mimeType")), inline["data"]
        if mime.startswith("audio/"):
            return ContentPart("input_audio", input_audio={"data": data, "format": mime[6:]})
        url = f"data:{mime};base64,{data}"
        if mime.startswith("image/"):
            return ContentPart("image_url", image_url={"url": url})
        return ContentPart("file", file={"file_data": url})
    if referred is not None:
        return ContentPart("file", file=_stored(referred, files))
    raise RefusedError(
        "* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have one initialized field\n"
    )


def _stored(referred: Table, files: Files) -> dict[str, Any]:
    """What a file is referred to by; one of this API's has to have been uploaded."""
    uri, mime = str(get(referred, "fileUri")), str(get(referred, "mimeType", ""))
    own = re.search(r"/v1(?:beta)?/(files/[^/]+)$", uri)
    if own is None:
        return {"file_id": uri, "mime_type": mime}
    file = files.get(own[1])
    if file is None:
        message = f"You do not have permission to access the File {own[1][6:]} or it may not exist."
        raise RefusedError(message, "PERMISSION_DENIED")
    return {"file_id": own[1], "mime_type": mime or file.mime, "true_type": file.true, "size": file.size}


def _tools(tools: Iterable[Table]) -> Iterator[Tool]:
    for tool in tools:
        for each in get(tool, "functionDeclarations") or ():
            schema = get(each, "parametersJsonSchema") or plain_schema(each.get("parameters") or {})
            yield Tool("function", Function(each["name"], schema))


def _tool_choice(config: Table, tools: list[Tool]) -> Literal["none", "auto", "required"] | ToolChoice | None:
    calling = get(config, "functionCallingConfig") or {}
    allowed = get(calling, "allowedFunctionNames") or []
    mode = str(calling.get("mode", "AUTO")).upper()
    if mode != "ANY":
        return "none" if mode == "NONE" else "auto"
    names = {tool.function.name for tool in tools}
    if not set(allowed) <= names:
        raise RefusedError("Allowed function names must be a subset of the function declarations.")
    return ToolChoice(NamedFunction(allowed[0])) if allowed else "required"


def _format(config: Table) -> ResponseFormat | None:
    schema = get(config, "responseSchema")
    schema = plain_schema(schema) if schema is not None else get(config, "responseJsonSchema")
    if schema is None:
        schema = config.get("_responseJsonSchema")
    if get(config, "responseMimeType") != "application/json":
        if schema is not None:
            raise RefusedError("Response schema is only supported with response mime type: application/json.")
        return None
    return (
        ResponseFormat("json_object")
        if schema is None
        else ResponseFormat("json_schema", JsonSchema("output", schema))
    )


def _thinking(config: Table | None) -> str | None:
    if config is None or get(config, "thinkingBudget") == 0:
        return None
    return SHOWN if get(config, "includeThoughts") else HIDDEN


def plain_schema(schema: Any) -> Any:
    """A schema as JSON Schema has it: Google's types are in capitals, and null is a flag."""
    if not isinstance(schema, Mapping):
        return schema
    plain: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "type":
            plain[name] = str(value).lower()
        elif name == "properties":
            plain[name] = {key: plain_schema(one) for key, one in value.items()}
        elif name in {"anyOf", "any_of"}:
            plain["anyOf"] = [plain_schema(one) for one in value]
        elif name == "items":
            plain[name] = plain_schema(value)
        elif name in {"minItems", "min_items", "maxItems", "max_items", "minLength", "maxLength"}:
            plain[re.sub(r"_([a-z])", lambda found: found[1].upper(), name)] = int(value)
        elif name not in {"nullable", "propertyOrdering", "property_ordering", "title"}:
            plain[name] = value
    return plain
