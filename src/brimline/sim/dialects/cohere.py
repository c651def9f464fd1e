"""Cohere's chat, plain and as named events, and its embeddings."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from brimline.sim.chat import Chat, ContentPart, JsonSchema, Message, ResponseFormat, Tool
from brimline.sim.checks import checked
from brimline.sim.dialect import Dialect, Event, Letterhead, Request, Words
from brimline.sim.embed import Embed
from brimline.sim.errors import NOT_JSON, Problem, ProblemKind, invalid
from brimline.sim.replies import Answer, Choice, Usage, words
from brimline.sim.vectors import DIMENSIONS, base64_vector, json_vector

_encode = msgspec.json.Encoder().encode
_STATUSES: dict[ProblemKind, int] = {
    "no_key": 401,
    "bad_key": 401,
    "not_found": 404,
    "rate": 429,
    "too_large": 429,
    "quota": 402,
    "server_error": 500,
    "unavailable": 503,
    "overloaded": 503,
}
_MESSAGES: dict[ProblemKind, str] = {
    "no_key": "no api key supplied",
    "bad_key": "invalid api token",
    "quota": "Please add or update your payment method at https://dashboard.cohere.com/billing",
    "rate": "You are past the per minute request limit, please wait and try again later.",
    "server_error": "internal server error, this has been reported to our developers",
}
_FINISHES = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "ERROR"}
_MOST = 96
Table = dict[str, Any]


class _Format(msgspec.Struct):
    type: Literal["text", "json_object"] = "text"
    json_schema: Table | None = None
    schema: Table | None = None


class _Thinking(msgspec.Struct):
    type: Literal["enabled", "disabled"]


class _Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system", "tool"]
    content: str | list[Table] | None = None
    tool_calls: list[Table] | None = None
    tool_call_id: str | None = None


class _ChatBody(msgspec.Struct):
    model: str
    messages: list[_Turn]
    max_tokens: int | None = None
    stream: bool = False
    tools: list[Tool] = []
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    response_format: _Format | None = None
    thinking: _Thinking | None = None


class _EmbedBody(msgspec.Struct):
    model: str
    input_type: str
    texts: list[str] = []
    embedding_types: tuple[str, ...] = ("float",)
    output_dimension: int | None = None


class _Cohere(Dialect):
    """Either endpoint."""

    retry = "s"
    broken = b'event: content-delta\ndata: {"type":"conte\n\n'

    def lines(self, letter: Letterhead, _latency: int) -> str:
        """An id, and that billing counts."""
        return f"x-debug-trace-id: sim{letter.number:029d}\r\nx-endpoint-monthly-call-limit: 1000000\r\n"

    def error(self, letter: Letterhead, problem: Problem) -> Words:
        """{"id", "message"}."""
        message = _MESSAGES.get(problem.kind, problem.message)
        if problem.kind == "not_found":
            message = f"model '{problem.model}' not found, make sure the correct model ID was used"
        return Words(_STATUSES.get(problem.kind, 400), _encode({"id": _id(letter), "message": message}))


class CohereChat(_Cohere):
    """POST /v2/chat."""

    def read(self, body: bytes) -> Request | Problem:
        """Read the messages."""
        try:
            asked = msgspec.json.decode(body, type=_ChatBody)
        except msgspec.ValidationError as error:
            return invalid(f"invalid request: {error}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        if not asked.messages:
            return invalid("invalid request: messages must not be empty")
        chat = Chat(
            model=asked.model,
            messages=[_message(turn) for turn in asked.messages],
            max_tokens=asked.max_tokens,
            stream=asked.stream,
            tools=asked.tools,
            tool_choice="required" if asked.tool_choice == "REQUIRED" else "auto",
            response_format=_format(asked.response_format),
            reasoning_effort="medium" if asked.thinking and asked.thinking.type == "enabled" else None,
        )
        return checked(chat)

    def reply(self, letter: Letterhead, _request: Request, made: Answer) -> bytes:
        """A message of parts; the model is not named."""
        [choice] = made.choices
        message: Table = {"role": "assistant"}
        parts = _parts(choice)
        if parts:
            message["content"] = parts
        if choice.call is not None:
            message |= {"tool_plan": "", "tool_calls": [_call(letter, choice, choice.call.arguments)]}
        end = {"finish_reason": _finish(choice), "usage": _usage(made.usage)}
        return _encode({"id": _id(letter), "message": message} | end)

    def error_event(self, letter: Letterhead) -> bytes:
        """An end whose reason is the error."""
        delta = {"finish_reason": "ERROR", "error": "internal server error"}
        return _event("message-end", {"id": _id(letter), "delta": delta}).data

    def events(self, letter: Letterhead, _request: Request, made: Answer) -> Iterator[Event]:
        """Part after part, then the call, then how it ended."""
        [choice] = made.choices
        start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield _event("message-start", {"id": _id(letter), "delta": {"message": start}})
        for index, part in enumerate(_parts(choice)):
            name = part["type"]
            yield _part_event("content-start", index, {"content": {"type": name, name: ""}})
            for word in words(part[name]):
                yield _part_event("content-delta", index, {"content": {name: word}}, len(word.encode()))
            yield _event("content-end", {"index": index})
        if choice.call is not None:
            yield _part_event("tool-call-start", 0, {"tool_calls": _call(letter, choice, "")})
            for word in words(choice.call.arguments):
                piece = {"tool_calls": {"function": {"arguments": word}}}
                yield _part_event("tool-call-delta", 0, piece, len(word.encode()))
            yield _event("tool-call-end", {"index": 0})
        delta = {"finish_reason": _finish(choice), "usage": _usage(made.usage)}
        yield _event("message-end", {"id": _id(letter), "delta": delta}, ends=True)


class CohereEmbeddings(_Cohere):
    """POST /v2/embed."""

    def read(self, body: bytes) -> Request | Problem:
        """Read the texts; what they are for has to be said."""
        try:
            asked = msgspec.json.decode(body, type=_EmbedBody)
        except msgspec.ValidationError as error:
            return invalid(f"invalid request: {error}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        if not 0 < len(asked.texts) <= _MOST:
            return invalid(f"invalid request: total number of texts must be at least 1 and at most {_MOST}")
        size = asked.output_dimension or DIMENSIONS
        return checked(Embed(asked.model, asked.texts, size, encoding=",".join(asked.embedding_types)))

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """Vectors by type."""
        assert isinstance(request, Embed)
        size, types = request.dimensions, request.encoding.split(",")
        forms: dict[str, Any] = {}
        if "float" in types:
            forms["float"] = [msgspec.Raw(json_vector(text, size)) for text in made.inputs]
        if "base64" in types:
            forms["base64"] = [base64_vector(text, size) for text in made.inputs]
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": made.usage.input_tokens}}
        about = {"id": _id(letter), "texts": made.inputs, "meta": meta, "response_type": "embeddings_by_type"}
        return _encode(about | {"embeddings": forms})


def _id(letter: Letterhead) -> str:
    return f"00000000-0000-4000-8000-{letter.number:012d}"


def _event(name: str, members: Table, size: int = 0, *, ends: bool = False) -> Event:
    data = _encode({"type": name} | members)
    return Event(b"event: %b\ndata: %b\n\n" % (name.encode(), data), size, ends)


def _part_event(name: str, index: int, message: Table, size: int = 0) -> Event:
    return _event(name, {"index": index, "delta": {"message": message}}, size)


def _message(turn: _Turn) -> Message:
    content: str | list[ContentPart] | None = None
    if isinstance(turn.content, list):
        content = [part for each in turn.content if (part := _part(each)) is not None]
    else:
        content = turn.content
    return Message(turn.role, content, tool_calls=turn.tool_calls, tool_call_id=turn.tool_call_id)


def _part(part: Table) -> ContentPart | None:
    if part.get("type") == "image_url":
        return ContentPart("image_url", image_url=part["image_url"])
    return ContentPart("text", text=str(part["text"])) if "text" in part else None


def _format(form: _Format | None) -> ResponseFormat | None:
    if form is None or form.type == "text":
        return None
    schema = form.json_schema if form.json_schema is not None else form.schema
    if schema is None:
        return ResponseFormat("json_object")
    return ResponseFormat("json_schema", JsonSchema("output", schema))


def _parts(choice: Choice) -> list[Table]:
    thought = [{"type": "thinking", "thinking": choice.thought}] if choice.thought is not None else []
    return [*thought, *([{"type": "text", "text": choice.text}] if choice.text is not None else [])]


def _call(letter: Letterhead, choice: Choice, arguments: str) -> Table:
    assert choice.call is not None
    function = {"name": choice.call.name, "arguments": arguments}
    return {"id": f"{choice.call.name}_sim{letter.number:012d}", "type": "function", "function": function}


def _finish(choice: Choice) -> str:
    return "TOOL_CALL" if choice.call is not None else _FINISHES[choice.finish]


def _usage(usage: Usage) -> Table:
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {"billed_units": tokens, "tokens": tokens}
