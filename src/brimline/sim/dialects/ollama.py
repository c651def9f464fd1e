"""Ollama's chat and generate; both stream unless they are told not to."""

from collections.abc import Iterator
from typing import Any, Literal, TypeVar

import msgspec

from brimline.sim.chat import Chat, ContentPart, Function, JsonSchema, Message, ResponseFormat, Tool
from brimline.sim.checks import checked
from brimline.sim.dialect import Event, Letterhead, Request
from brimline.sim.dialects.ollama_words import OllamaServer, encode, head, tail
from brimline.sim.errors import NOT_JSON, Problem, invalid
from brimline.sim.replies import Answer, Choice, words

_DONE = {"stop": "stop", "tool_calls": "stop", "length": "length", "content_filter": "stop"}
Table = dict[str, Any]


class _Turn(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    images: list[str] | None = None
    tool_calls: list[Table] | None = None
    tool_name: str | None = None


class _FunctionTool(msgspec.Struct):
    function: Function
    type: str = "function"


class _Options(msgspec.Struct):
    num_predict: int | None = None
    temperature: float | None = None


class _Shared(msgspec.Struct, kw_only=True):
    model: str
    stream: bool = True
    format: str | Table | None = None
    options: _Options | None = None
    think: bool | str | None = None


class _ChatBody(_Shared):
    messages: list[_Turn] = []
    tools: list[_FunctionTool] | None = None


class _GenerateBody(_Shared):
    prompt: str = ""
    system: str | None = None
    images: list[str] | None = None


T = TypeVar("T", bound=_Shared)


class OllamaChat(OllamaServer):
    """POST /api/chat."""

    def read(self, body: bytes) -> Request | Problem:
        """Read the messages; nothing can force a tool here, so one is called whenever it is the model's turn."""
        asked = _decoded(body, _ChatBody)
        if isinstance(asked, Problem):
            return asked
        tools = [Tool("function", tool.function) for tool in asked.tools or ()]
        calls = bool(tools) and bool(asked.messages) and asked.messages[-1].role == "user"
        return _request(
            asked, [_message(turn) for turn in asked.messages], tools, "required" if calls else "auto"
        )

    def reply(self, letter: Letterhead, _request: Request, made: Answer) -> bytes:
        """One message, and what it took."""
        [choice] = made.choices
        return encode(
            _line(letter, self._said(choice, choice.text or "", choice.thought)) | _end(choice, made)
        )

    def events(self, letter: Letterhead, _request: Request, made: Answer) -> Iterator[Event]:
        """A line for each word, and a last one that says what it took."""
        [choice] = made.choices
        for word in words(choice.thought or ""):
            yield _event(_line(letter, self._said(None, "", word)), len(word.encode()))
        for word in words(choice.text or ""):
            yield _event(_line(letter, self._said(None, word, None)), len(word.encode()))
        if choice.call is not None:
            yield _event(_line(letter, self._said(choice, "", None)), len(choice.call.arguments))
        yield _event(_line(letter, self._said(None, "", None)) | _end(choice, made), ends=True)

    def _said(self, choice: Choice | None, text: str, thought: str | None) -> Table:
        message: Table = {"role": "assistant", "content": text}
        if thought is not None:
            message["thinking"] = thought
        if choice is not None and choice.call is not None:
            function = {"name": choice.call.name, "arguments": msgspec.json.decode(choice.call.arguments)}
            message["tool_calls"] = [{"function": function}]
        return {"message": message}


class OllamaGenerate(OllamaChat):
    """POST /api/generate."""

    def read(self, body: bytes) -> Request | Problem:
        """Read a prompt, with or without images."""
        asked = _decoded(body, _GenerateBody)
        if isinstance(asked, Problem):
            return asked
        messages = [Message("system", asked.system)] if asked.system is not None else []
        messages.append(_message(_Turn("user", asked.prompt, asked.images)))
        return _request(asked, messages)

    def _said(self, _choice: Choice | None, text: str, thought: str | None) -> Table:
        return {"response": text} | ({"thinking": thought} if thought is not None else {})


def _decoded(body: bytes, kind: type[T]) -> T | Problem:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        return invalid("model is required" if "`model`" in str(error) else str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOT_JSON


def _request(
    asked: _Shared,
    messages: list[Message],
    tools: list[Tool] | None = None,
    choice: Literal["auto", "required"] = "auto",
) -> Request | Problem:
    limit = asked.options.num_predict if asked.options is not None else None
    chat = Chat(
        model=asked.model,
        messages=messages,
        max_tokens=limit if limit is not None and limit > 0 else None,
        stream=asked.stream,
        tools=tools or [],
        tool_choice=choice,
        response_format=_format(asked.format),
        reasoning_effort="medium" if asked.think else None,
    )
    if isinstance(asked.format, str) and asked.format not in {"", "json"}:
        return invalid(f'invalid format: expected "json" or a JSON schema, got "{asked.format}"')
    return checked(chat)


def _message(turn: _Turn) -> Message:
    if not turn.images:
        return Message(turn.role, turn.content, tool_calls=turn.tool_calls)
    images = [ContentPart("image_url", image_url={"url": f"data:;base64,{data}"}) for data in turn.images]
    return Message(turn.role, [ContentPart("text", text=turn.content), *images], tool_calls=turn.tool_calls)


def _format(form: str | Table | None) -> ResponseFormat | None:
    if not form:
        return None
    if isinstance(form, str):
        return ResponseFormat("json_object")
    return ResponseFormat("json_schema", JsonSchema("output", form))


def _line(letter: Letterhead, said: Table) -> Table:
    return head(letter) | said | {"done": False}


def _end(choice: Choice, made: Answer) -> Table:
    return {"done": True, "done_reason": _DONE[choice.finish]} | tail(made.usage)


def _event(line: Table, size: int = 0, *, ends: bool = False) -> Event:
    return Event(encode(line) + b"\n", size, ends)
