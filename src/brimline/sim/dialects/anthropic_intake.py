"""Read the body of a Messages request: blocks as a conversation, or the problem that Anthropic would name."""

import re
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
from brimline.sim.media import embedded

Table = dict[str, Any]
NO_SAMPLING_SINCE = "2026-10-21"
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_IGNORED = frozenset({"thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"})


class _Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Table]


class _Tool(msgspec.Struct):
    name: str
    input_schema: Table = {}


class _ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class _Thinking(msgspec.Struct):
    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: Annotated[int, msgspec.Meta(ge=1024)] | None = None


class _Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: Table


class _Output(msgspec.Struct):
    format: _Format | None = None
    effort: str | None = None


class _Body(msgspec.Struct):
    model: str
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    messages: list[_Turn]
    system: str | list[Table] | None = None
    stream: bool = False
    tools: list[_Tool] = []
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    output_format: _Format | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _BadBlockError(ValueError):
    pass


_decode = msgspec.json.Decoder(_Body).decode


def read_message(body: bytes, version: str | None) -> Request | Problem:
    """Read the body of a request; `version` is that of the API."""
    if version is None:
        return invalid("anthropic-version: header is required")
    try:
        asked: _Body = _decode(body)
        flaw = _flaw(asked, version)
        if flaw is not None:
            return invalid(flaw)
        chat = _chat(asked)
    except msgspec.ValidationError as error:
        return invalid(_wrong(str(error)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOT_JSON
    except _BadBlockError as error:
        return invalid(str(error))
    except (LookupError, TypeError, ValueError, AttributeError):
        return invalid("messages: Input should be a valid list of content blocks")
    return checked(chat)


def _flaw(asked: _Body, version: str) -> str | None:
    if not asked.messages:
        return "messages: at least one message is required"
    for i, turn in enumerate(
        asked.messages[:-1] if asked.messages[-1].role == "assistant" else asked.messages
    ):
        if not turn.content:
            return f"messages.{i}: all messages must have non-empty content"
    if version >= NO_SAMPLING_SINCE:
        for name in ("temperature", "top_p", "top_k"):
            if getattr(asked, name) is not None:
                return f"{name}: this parameter is not supported in API version {version}"
    budget = asked.thinking.budget_tokens if asked.thinking is not None else None
    if asked.thinking is not None and asked.thinking.type == "enabled" and budget is None:
        return "thinking.enabled.budget_tokens: Field required"
    if budget is not None and budget >= asked.max_tokens:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    choice = asked.tool_choice
    if (
        choice is not None
        and choice.type == "tool"
        and choice.name not in {tool.name for tool in asked.tools}
    ):
        return f"Tool '{choice.name}' not found in provided tools"
    return None


def _chat(asked: _Body) -> Chat:
    messages = [Message("system", _content(asked.system, "system"))] if asked.system is not None else []
    for i, turn in enumerate(asked.messages):
        messages += _messages(turn, f"messages.{i}.content")
    form = asked.output_config.format if asked.output_config is not None else asked.output_format
    thinks = asked.thinking is not None and asked.thinking.type != "disabled"
    return Chat(
        model=asked.model,
        messages=messages,
        max_tokens=asked.max_tokens,
        stream=asked.stream,
        tools=[Tool("function", Function(tool.name, tool.input_schema)) for tool in asked.tools],
        tool_choice=_tool_choice(asked.tool_choice),
        response_format=ResponseFormat("json_schema", JsonSchema("output", form.schema)) if form else None,
        reasoning_effort="medium" if thinks else None,
    )


def _messages(turn: _Turn, where: str) -> Iterator[Message]:
    """A turn as messages: results of tools are blocks here, and messages elsewhere."""
    if isinstance(turn.content, str):
        yield Message(turn.role, turn.content)
        return
    calls = [_call(block) for block in turn.content if block.get("type") == "tool_use"]
    for block in turn.content:
        if block.get("type") == "tool_result":
            content = _content(block.get("content", ""), where)
            yield Message("tool", content, tool_call_id=str(block.get("tool_use_id")))
    rest = [block for block in turn.content if block.get("type") not in ("tool_use", "tool_result")]
    if rest or calls:
        yield Message(turn.role, _content(rest, where) if rest else None, tool_calls=calls or None)


def _call(block: Table) -> Table:
    arguments = msgspec.json.encode(block.get("input", {})).decode()
    return {
        "id": block.get("id"),
        "type": "function",
        "function": {"name": block.get("name"), "arguments": arguments},
    }


def _content(blocks: str | list[Table], where: str) -> str | list[ContentPart]:
    """Blocks as parts; a single text is as good as a string."""
    if isinstance(blocks, str):
        return blocks
    parts = [part for i, block in enumerate(blocks) if (part := _part(block, f"{where}.{i}")) is not None]
    if len(parts) == 1 and parts[0].text is not None:
        return parts[0].text
    return parts


def _part(block: Table, where: str) -> ContentPart | None:
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        return ContentPart("text", text=block["text"])
    if kind in ("image", "document") and isinstance(block.get("source"), dict):
        return _source(kind, block["source"], f"{where}.{kind}.source")
    if isinstance(kind, str) and kind in _IGNORED:
        return None
    raise _BadBlockError(
        f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    )


def _source(kind: str, source: Table, where: str) -> ContentPart:
    """Where an image or a document comes from."""
    form, mime, data = source.get("type"), str(source.get("media_type", "")), str(source.get("data", ""))
    if form == "text":
        return ContentPart("text", text=data)
    if form in ("url", "file"):
        place = str(source.get("url") or source.get("file_id"))
        if form == "url" and kind == "image":
            return ContentPart("image_url", image_url={"url": place})
        return ContentPart("file", file={"file_id": place, "mime_type": kind})
    if form != "base64":
        raise _BadBlockError(
            f"{where}: Input tag '{form}' found using 'type' does not match any of the expected tags"
        )
    _check_type(kind, mime, data, where)
    url = f"data:{mime};base64,{data}"
    return (
        ContentPart("image_url", image_url={"url": url})
        if kind == "image"
        else ContentPart("file", file={"file_data": url})
    )


def _check_type(kind: str, mime: str, data: str, where: str) -> None:
    expected = _IMAGES if kind == "image" else ("application/pdf",)
    if mime not in expected:
        words = ", ".join(f"'{one}'" for one in expected)
        raise _BadBlockError(f"{where}.base64.media_type: Input should be {words}")
    true = embedded(data, mime).true
    if true != mime:
        raise _BadBlockError(
            f"{where}.base64.data: The {kind} was specified using the {mime} media type, but the {kind} appears to be "
            f"a {true} {kind}"
        )


def _tool_choice(
    choice: _ToolChoice | None,
) -> Literal["none", "auto", "required"] | ToolChoice | None:
    if choice is None or choice.type == "auto":
        return "auto"
    if choice.type == "tool":
        return ToolChoice(NamedFunction(choice.name or ""))
    return "required" if choice.type == "any" else "none"


def _wrong(problem: str) -> str:
    """Say as pydantic does what msgspec found."""
    place = re.search(r" - at `\$\.?([^`]*)`$", problem)
    where = re.sub(r"\[(\d+)\]", r".\1", place[1]) if place else ""
    missing = re.match(r"Object missing required field `(\w+)`", problem)
    if missing:
        return f"{where}.{missing[1]}: Field required".removeprefix(".")
    said = problem.partition(" - at ")[0].replace("Expected", "Input should be").replace("`", "")
    return f"{where}: {said}"
