"""A message of OpenAI's dialect in the forms that servers have for it, and what it says in ours."""

from collections.abc import Iterable
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode

_WORDS = {
    "function_call": "tool_calls",  # OpenAI's before there were tools
    "tool_use": "tool_calls",
    "model_length": "length",  # Mistral
    "max_tokens": "length",
    "eos": "stop",  # Together
    "eos_token": "stop",  # TGI
    "end_turn": "stop",
    "stop_sequence": "stop",
}


class Message(msgspec.Struct):
    """What a choice holds; what is not always of the same kind is looked at when it is used."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None
    reasoning_content: Any = None
    reasoning: Any = None


def finish_word(reason: Any) -> str | None:
    """Return why an answer stopped, in the canonical words where there is one."""
    return _WORDS.get(reason, reason) if isinstance(reason, str) else None


def text_of(message: Message) -> str:
    """The content's text; a list of chunks (Mistral's reasoning models) is joined, a refusal stands for none."""
    content = message.content
    if not content:
        return message.refusal or ""
    if isinstance(content, str):
        return content
    return _joined(chunk.get("text") if isinstance(chunk, dict) else chunk for chunk in content)


def reasoning_of(message: Message) -> str | None:
    """Return what the model thought: DeepSeek's and xAI's member, OpenRouter's and Groq's, or Mistral's chunks."""
    said = message.reasoning_content or message.reasoning
    if said:
        return said if isinstance(said, str) else None
    if not isinstance(message.content, list):
        return None
    chunks = (
        chunk for chunk in message.content if isinstance(chunk, dict) and chunk.get("type") == "thinking"
    )
    return _joined(_thought(chunk.get("thinking")) for chunk in chunks) or None


def calls_of(message: Message) -> list[Any]:
    """Return the tool calls in the canonical form: arguments are text."""
    calls = [*(message.tool_calls or ())]
    if isinstance(message.function_call, dict):
        calls.append({"id": None, "function": message.function_call})
    return [_call(call) for call in calls if isinstance(call, dict)]


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        return call  # of a kind of its own
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "{}" if arguments is None else _encode(arguments).decode()
    return {**call, "type": "function", "function": {**function, "arguments": arguments}}


def _thought(thinking: Any) -> str:
    if not isinstance(thinking, list):
        return thinking if isinstance(thinking, str) else ""
    return _joined(chunk.get("text") if isinstance(chunk, dict) else chunk for chunk in thinking)


def _joined(chunks: Iterable[Any]) -> str:
    return "".join(chunk for chunk in chunks if isinstance(chunk, str))
