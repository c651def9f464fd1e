"""What a row gives as its prompt, as messages: a text, a conversation, or messages in any form that users write.

Accepted beside the chat dialect's own form: prompto's plain strings among content parts, an image given by its
name alone, local files, Anthropic's blocks (also `tool_use` and `tool_result`), and Gemini's `role: model` and `parts`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from brimline.data.media import Media
from brimline.data.parts import Parts, PromptError
from brimline.types import Message, Operation

__all__ = ["ROLES", "Prompt", "PromptError", "read_prompt", "read_texts", "user", "with_system"]

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_ALIASES = {"model": "assistant"}


class Prompt(NamedTuple):
    """A prompt: the first exchange, the user's later turns, and the local files that are named."""

    messages: tuple[Message, ...]
    follow_ups: tuple[str, ...] = ()
    media: Mapping[str, str] = {}


def read_prompt(value: Any, media: Media) -> Prompt:
    """Read a prompt: a string, a list of strings (turns), or a list of messages.

    Raises:
        PromptError: It is none of them, or empty, or names a file that cannot be sent.
    """
    if isinstance(value, str) and value:
        return Prompt((user(value),))
    if not value:
        raise PromptError("the prompt is empty")
    if isinstance(value, list) and all(isinstance(turn, str) for turn in value):
        if not all(value):
            raise PromptError("a turn of the prompt is empty")
        return Prompt((user(value[0]),), tuple(value[1:]))
    if isinstance(value, list) and all(isinstance(message, dict) for message in value):
        reader = _Messages(media)
        messages = tuple(message for given in value for message in reader.read(given))
        return Prompt(messages, media=reader.parts.files)
    raise PromptError("the prompt is neither a string, nor a list of strings, nor a list of messages")


def read_texts(value: Any, operation: Operation, *, is_list: bool) -> Prompt:
    """Read what is embedded or completed: one text; where `is_list`, several may be asked for at once.

    Raises:
        PromptError: It is none, or empty.
    """
    if not value:
        raise PromptError("the prompt is empty")
    if isinstance(value, str):
        return Prompt((user(value),))
    texts = value if is_list and operation is Operation.EMBEDDING and isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        what = "embed" if operation is Operation.EMBEDDING else "complete"
        got = "a conversation or messages" if isinstance(value, list) else type(value).__name__
        raise PromptError(f"the prompt is {got}, and there is only a text to {what}")
    if not all(texts):
        raise PromptError("one of its texts is empty")
    return Prompt(tuple(user(text) for text in texts))


def user(text: str) -> Message:
    """Return a user's message."""
    return {"role": "user", "content": text}


def with_system(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Put a system message first, unless there is one."""
    if any(message["role"] in {"system", "developer"} for message in messages):
        return messages
    return ({"role": "system", "content": text}, *messages)


class _Messages:
    """Reads the messages of one prompt; Gemini's calls and results without ids belong together in their order."""

    def __init__(self, media: Media) -> None:
        self.parts = Parts(media)
        self._calls = 0
        self._results = 0

    def read(self, given: dict[str, Any]) -> list[Message]:
        """Return a message in the canonical form; one that holds results of tools is several.

        Raises:
            PromptError: It is none, or names a file that cannot be sent.
        """
        is_native = "parts" in given and "content" not in given
        message = {**given, "content": given["parts"]} if is_native else given
        message = (
            {name: value for name, value in message.items() if name != "parts"} if is_native else message
        )
        role = message.get("role")
        if isinstance(role, str) and role in _ALIASES:
            role = _ALIASES[role]
            message = {**message, "role": role}
        if role not in ROLES:
            raise PromptError(f"a message has the role {role!r}; roles are {', '.join(ROLES)}")
        content = message.get("content")
        if content is None and "tool_calls" not in message and "function_call" not in message:
            raise PromptError("a message has no content")
        if isinstance(content, dict):
            content = [content]
        if isinstance(content, list):
            return self._split(message, content, is_native=is_native)
        if content is not None and not isinstance(content, str):
            raise PromptError(f"a message's content is {type(content).__name__}, not text or a list of parts")
        return [message]

    def _split(self, message: dict[str, Any], content: list[Any], *, is_native: bool) -> list[Message]:
        """Part what a message says from the calls in it and the results of calls."""
        calls: list[Any] = []
        results: list[Message] = []
        parts: list[Any] = []
        for part in content:
            if (call := self._call(part)) is not None:
                calls.append(call)
            elif (result := self._result(part)) is not None:
                results.append(result)
            else:
                parts.append(self.parts.read(part, is_native=is_native))
        if calls:
            message = {**message, "tool_calls": [*message.get("tool_calls", ()), *calls]}
        if results and not parts and not calls:
            return results
        return [*results, {**message, "content": parts or None if calls else parts}]

    def _call(self, part: Any) -> dict[str, Any] | None:
        """Return a call in Anthropic's or Gemini's form in the canonical one."""
        if not isinstance(part, dict):
            return None
        if part.get("type") == "tool_use":
            return _canonical_call(part.get("id"), part.get("name"), part.get("input"))
        call = part.get("functionCall") or part.get("function_call")
        if "type" in part or not isinstance(call, dict):
            return None
        self._calls += 1
        made = _canonical_call(call.get("id") or f"call_{self._calls}", call.get("name"), call.get("args"))
        if signature := part.get("thoughtSignature") or part.get("thought_signature"):
            made["extra_content"] = {"google": {"thought_signature": signature}}
        return made

    def _result(self, part: Any) -> dict[str, Any] | None:
        """Return the result of a call in Anthropic's or Gemini's form as a message of its own."""
        if not isinstance(part, dict):
            return None
        if part.get("type") == "tool_result":
            content = part.get("content", "")
            kept = {name: part[name] for name in ("is_error", "cache_control") if name in part}
            if isinstance(content, list):
                content = [self.parts.read(inner) for inner in content]
            return {"role": "tool", "tool_call_id": part.get("tool_use_id"), "content": content, **kept}
        result = part.get("functionResponse") or part.get("function_response")
        if "type" in part or not isinstance(result, dict):
            return None
        self._results += 1
        number = result.get("id") or f"call_{self._results}"
        text = _json(result.get("response"))
        return {"role": "tool", "tool_call_id": number, "name": result.get("name"), "content": text}


def _canonical_call(number: Any, name: Any, arguments: Any) -> dict[str, Any]:
    text = _json({} if arguments is None else arguments)
    return {"id": number, "type": "function", "function": {"name": name, "arguments": text}}


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PromptError(f"a message holds what is not JSON: {error}") from None
