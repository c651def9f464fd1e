"""The canonical form of messages, OpenAI chat's, as providers with another form take it apart.

What a dialect cannot say is `Unsayable`: providers turn it into a problem before anything is sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from brimline.types import Message, Request, Response

_SYSTEM = ("system", "developer")
_REFERENCE = "media:"


class Unsayable(ValueError):
    """What a dialect cannot say, and why."""


class Misplaced(Unsayable):
    """A system message that comes too late.

    It is no problem of the input: such a row fails by itself when its turn comes, and the others are answered. prompto's
    examples hold one on purpose.
    """


class Inline(NamedTuple):
    """A file within a message: its media type and its content in base64; no content where it is put in later."""

    kind: str
    data: str


class Call(NamedTuple):
    """A tool call of a message, and all of it as it stands there."""

    id: str
    name: str
    arguments: dict[str, Any]
    whole: Mapping[str, Any]


def conversation(request: Request, responses: Sequence[Response]) -> list[Message]:
    """Return the messages of the exchange that follows `responses`: the history so far and the next turn."""
    messages: list[Message] = [*request.messages]
    for response, follow_up in zip(responses, request.follow_ups, strict=False):
        text = response.text if isinstance(response.text, str) else response.text[0]
        messages += ({"role": "assistant", "content": text}, {"role": "user", "content": follow_up})
    return messages


def split_system(messages: Sequence[Message], dialect: str) -> tuple[list[Message], list[Message]]:
    """Part the system messages from the rest.

    Raises:
        Misplaced: One comes later.
        Unsayable: There is nothing else.
    """
    count = next((at for at, each in enumerate(messages) if each.get("role") not in _SYSTEM), len(messages))
    rest = [*messages[count:]]
    if not rest:
        raise Unsayable(f"there is only a system message; {dialect} wants one of the user's")
    if any(message.get("role") in _SYSTEM for message in rest):
        raise Misplaced(f"a system message comes after another one; {dialect} takes it only as the first")
    return [*messages[:count]], rest


def parts_of(content: Any) -> list[dict[str, Any]]:
    """Return the parts of a message's content; empty texts are left out, which no dialect but OpenAI's takes.

    Raises:
        Unsayable: It is neither text nor a list of parts.
    """
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    parts = content if isinstance(content, list | tuple) else [content]
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    if not all(isinstance(part, dict) for part in parts):
        raise Unsayable("a message's content is neither text nor a list of parts")
    return [part for part in parts if part.get("type") != "text" or part.get("text")]


def text_of(content: Any) -> str:
    """Return the text of a content that may hold nothing else.

    Raises:
        Unsayable: It holds something else.
    """
    parts = parts_of(content)
    if any(not isinstance(part.get("text"), str) for part in parts):
        raise Unsayable("a message holds what is no text, where only text can be")
    return "\n\n".join(part["text"] for part in parts)


def inline(url: Any) -> Inline | None:
    """Return the file that a URL holds, or None if it lies elsewhere.

    Raises:
        Unsayable: It is no text, or holds its file in a form that nobody takes.
    """
    if not isinstance(url, str):
        raise Unsayable("a file has no URL")
    if url.startswith(_REFERENCE):
        return Inline(url.removeprefix(_REFERENCE).rpartition(";")[0], "")
    if url[:5].lower() != "data:":
        return None
    head, _, data = url[5:].partition(",")
    if not head.endswith(";base64"):
        raise Unsayable("a data URL does not hold its file in base64")
    return Inline(head.partition(";")[0], data)


def member(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object that a part holds under the name of its type.

    Raises:
        Unsayable: It holds none.
    """
    value = part.get(name)
    if not isinstance(value, dict):
        raise Unsayable(f"a part of type '{part.get('type')}' has no {name}")
    return value


def tool_calls(message: Message) -> list[Call]:
    """Return the tool calls of an assistant's message.

    Raises:
        Unsayable: One is none, or its arguments are no JSON object.
    """
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list | tuple):
        raise Unsayable("the tool_calls of a message are no list")
    found = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Unsayable("a tool call of a message names no function")
        found.append(Call(str(call.get("id") or ""), function["name"], _arguments(function), call))
    return found


def _arguments(function: Mapping[str, Any]) -> dict[str, Any]:
    given = function.get("arguments") or "{}"
    try:
        arguments = msgspec.json.decode(given) if isinstance(given, str) else given
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise Unsayable(f"the arguments of a call to '{function['name']}' are no JSON object")
    return arguments
