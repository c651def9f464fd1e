"""Read the body of a Responses request: items and instructions as a conversation."""

from typing import Annotated, Any, Literal

import msgspec

from brimline.sim.chat import (
    Chat,
    ContentPart,
    Count,
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
from brimline.sim.dialects.openai_intake import problem_of, wrong
from brimline.sim.errors import NOT_JSON, Problem, invalid

Table = dict[str, Any]


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: Table = {}
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None


class _Body(msgspec.Struct):
    model: str
    input: str | list[Table] = ""
    instructions: str | None = None
    max_output_tokens: Count | None = None
    text: _Text | None = None
    tools: list[Table] = []
    tool_choice: str | Table | None = None
    reasoning: _Reasoning | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    stream: bool | None = None


_decode = msgspec.json.Decoder(_Body).decode


def read_response(body: bytes) -> Request | Problem:
    """Read the body of a request."""
    try:
        asked: _Body = _decode(body)
        chat = _chat(asked)
    except msgspec.ValidationError as error:
        return wrong(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOT_JSON
    except (KeyError, TypeError, AttributeError) as error:
        return invalid(f"Invalid value: {error}.", "input", "invalid_value")
    sound = checked(chat)
    return (problem_of(sound) if isinstance(sound, Chat) else None) or sound


def _chat(asked: _Body) -> Chat:
    messages = [Message("system", asked.instructions)] if asked.instructions is not None else []
    if isinstance(asked.input, str):
        messages.append(Message("user", asked.input))
    else:
        messages += [message for item in asked.input if (message := _message(item)) is not None]
    return Chat(
        model=asked.model,
        messages=messages,
        max_completion_tokens=asked.max_output_tokens,
        stream=asked.stream,
        tools=[_tool(tool) for tool in asked.tools if tool.get("type") == "function"],
        tool_choice=_tool_choice(asked.tool_choice),
        response_format=_format(asked.text.format if asked.text is not None else None),
        reasoning_effort=asked.reasoning.effort if asked.reasoning is not None else None,
    )


def _message(item: Table) -> Message | None:
    """An item of the input as a message; reasoning and references have nothing to say here."""
    kind = item.get("type", "message")
    if kind == "message":
        content = item["content"]
        role: Any = item["role"]
        return Message(role, content if isinstance(content, str) else [_part(part) for part in content])
    if kind == "function_call":
        function = {"name": item["name"], "arguments": item["arguments"]}
        call = {"id": item["call_id"], "type": "function", "function": function}
        return Message("assistant", None, tool_calls=[call])
    if kind == "function_call_output":
        return Message("tool", str(item["output"]), tool_call_id=item["call_id"])
    return None


def _part(part: Table) -> ContentPart:
    kind = part["type"]
    if kind in {"input_text", "output_text"}:
        return ContentPart("text", text=part["text"])
    if kind == "input_image":
        if "image_url" in part:
            return ContentPart("image_url", image_url={"url": part["image_url"]})
        return ContentPart("file", file={"file_id": part["file_id"], "mime_type": "image"})
    if kind == "input_file":
        return ContentPart("file", file={"file_id": part.get("file_url", "")} | part)
    if kind == "input_audio":
        return ContentPart("input_audio", input_audio=part["input_audio"])
    if kind == "refusal":
        return ContentPart("refusal", refusal=part["refusal"])
    raise KeyError(kind)


def _tool(tool: Table) -> Tool:
    if "name" not in tool:
        raise msgspec.ValidationError("Object missing required field `name` - at `$.tools[0]`")
    return Tool("function", Function(tool["name"], tool.get("parameters") or {}, tool.get("strict")))


def _tool_choice(choice: str | Table | None) -> Literal["none", "auto", "required"] | ToolChoice | None:
    if isinstance(choice, dict):
        return ToolChoice(NamedFunction(choice["name"])) if choice.get("type") == "function" else None
    if choice == "required":
        return "required"
    return "auto"


def _format(form: _Format | None) -> ResponseFormat | None:
    if form is None:
        return None
    if form.type != "json_schema":
        return ResponseFormat(form.type)
    if not form.name:
        raise msgspec.ValidationError("Object missing required field `name` - at `$.text.format`")
    return ResponseFormat("json_schema", JsonSchema(form.name, form.schema, form.strict))
