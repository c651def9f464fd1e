"""Read the body of a Converse request: blocks as a conversation."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

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

Table = dict[str, Any]


class _Turn(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: list[Table]


class _Inference(msgspec.Struct, rename="camel"):
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class _Tools(msgspec.Struct, rename="camel"):
    tools: list[Table]
    tool_choice: Table | None = None


class _Body(msgspec.Struct, rename="camel"):
    messages: list[_Turn]
    system: list[Table] = []
    inference_config: _Inference | None = None
    tool_config: _Tools | None = None
    output_config: Table | None = None
    additional_model_request_fields: Table | None = None


_decode = msgspec.json.Decoder(_Body).decode


def read_converse(body: bytes, model: str, *, stream: bool) -> Request | Problem:
    """Read the body of a request; model and stream come from the path."""
    try:
        chat = _chat(_decode(body), model, stream=stream)
    except msgspec.ValidationError as error:
        return invalid(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOT_JSON
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return invalid(f"The content of a block is missing or of a kind that is not known: {error}")
    return checked(chat)


def _chat(asked: _Body, model: str, *, stream: bool) -> Chat:
    system = "\n".join(block["text"] for block in asked.system if "text" in block)
    messages = [Message("system", system)] if system else []
    for turn in asked.messages:
        messages += _messages(turn)
    thinking = (asked.additional_model_request_fields or {}).get("thinking") or {}
    return Chat(
        model=model,
        messages=messages,
        max_tokens=asked.inference_config.max_tokens if asked.inference_config is not None else None,
        stream=stream,
        tools=[*_tools(asked.tool_config)],
        tool_choice=_tool_choice(asked.tool_config),
        response_format=_format(asked.output_config),
        reasoning_effort="medium" if thinking.get("type") in {"enabled", "adaptive"} else None,
    )


def _messages(turn: _Turn) -> Iterator[Message]:
    """A turn as messages: results of tools are blocks here, and messages elsewhere."""
    calls, parts = [], []
    for block in turn.content:
        if "toolUse" in block:
            arguments = msgspec.json.encode(block["toolUse"]["input"]).decode()
            calls.append({
                "type": "function",
                "function": {"name": block["toolUse"]["name"], "arguments": arguments},
            })
        elif "toolResult" in block:
            text = msgspec.json.encode(block["toolResult"]["content"]).decode()
            yield Message("tool", text, tool_call_id=block["toolResult"]["toolUseId"])
        elif "reasoningContent" not in block and "cachePoint" not in block:
            parts.append(_part(block))
    if parts or calls:
        only = parts[0].text if len(parts) == 1 else None
        yield Message(turn.role, only if only is not None else parts or None, tool_calls=calls or None)


def _part(block: Table) -> ContentPart:
    if "text" in block:
        return ContentPart("text", text=block["text"])
    (kind, content), *_ = block.items()
    source = content["source"]
    if "bytes" not in source:
        location = source["s3Location"]["uri"]
        return ContentPart("file", file={"file_id": location, "mime_type": kind})
    mime = f"{kind if kind != 'document' else 'application'}/{content['format']}"
    url = f"data:{mime};base64,{source['bytes']}"
    if kind == "image":
        return ContentPart("image_url", image_url={"url": url})
    return ContentPart("file", file={"file_data": url})


def _tools(config: _Tools | None) -> Iterator[Tool]:
    for tool in config.tools if config is not None else ():
        if "toolSpec" in tool:
            spec = tool["toolSpec"]
            yield Tool("function", Function(spec["name"], spec["inputSchema"]["json"]))


def _tool_choice(config: _Tools | None) -> Literal["auto", "required"] | ToolChoice:
    choice = config.tool_choice if config is not None else None
    if choice is not None and "tool" in choice:
        return ToolChoice(NamedFunction(choice["tool"]["name"]))
    return "required" if choice is not None and "any" in choice else "auto"


def _format(config: Table | None) -> ResponseFormat | None:
    """The schema comes as a text of JSON."""
    form = (config or {}).get("textFormat")
    if form is None:
        return None
    schema = msgspec.json.decode(form["structure"]["jsonSchema"]["schema"])
    return ResponseFormat("json_schema", JsonSchema("output", schema))
