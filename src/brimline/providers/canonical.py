"""The canonical form of messages and parameters, OpenAI chat's, as providers with another form take it apart.

What a dialect cannot say is `Unsayable`: providers turn it into a problem before anything is sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from brimline.types import Message, Request, Response

_SYSTEM = ("system", "developer")
_REFERENCE = "media:"
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "candidate_count": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "parallel_tool_calls": (True,),
}
"""What a parameter may be where it does not exist, since it asks for nothing."""


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


class Params:
    """Generation parameters as the user gave them, taken out one by one; null counts as not given."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.rest = {name: value for name, value in params.items() if value is not None}

    def take(self, *names: str) -> Any:
        """Return the first of several names for the same thing that is given, or None, and take out all of them."""
        values = [self.rest.pop(name) for name in names if name in self.rest]
        return values[0] if values else None

    def refuse(self, dialect: str, *names: str) -> None:
        """Take out what does not exist in a dialect.

        Raises:
            Unsayable: It is there and asks for something.
        """
        for name in names:
            value = self.take(name)
            if value is not None and value not in _NEUTRAL.get(name, ()):
                raise Unsayable(
                    f"parameter '{name}' does not exist for {dialect}; leave it out for its models"
                )


def reserved(params: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return what is wrong with parameters that brimline sets itself, or None."""
    if not params:
        return None
    given = {name for name in names if name in params and not (name == "stream" and params[name] is False)}
    return f"parameter '{min(given)}' cannot be set; brimline sets it itself" if given else None


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


def functions(tools: Any) -> list[tuple[Mapping[str, Any] | None, Any]]:
    """Return for each tool the function that it describes in the canonical form, or None, and the tool itself.

    Raises:
        Unsayable: They are no list.
    """
    if not isinstance(tools, list):
        raise Unsayable("parameter 'tools' is no list")
    found: list[tuple[Mapping[str, Any] | None, Any]] = []
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        found.append((function if isinstance(function, dict) else None, tool))
    return found


def response_schema(request: Request, params: Params) -> tuple[bool, Any]:
    """Return whether the answer has to be JSON, and the schema that it has to follow, or None.

    Raises:
        Unsayable: The `response_format` is none.
    """
    given = params.take("response_format")
    kind = given.get("type") if isinstance(given, dict) else None
    if request.schema is not None:
        return True, request.schema
    if given is None or kind == "text":
        return False, None
    if kind == "json_object":
        return True, None
    described = given.get("json_schema") if kind == "json_schema" else None
    if isinstance(described, dict) and isinstance(described.get("schema"), dict):
        return True, described["schema"]
    raise Unsayable(
        "parameter 'response_format' is neither text, nor json_object, nor json_schema with a schema"
    )


def chosen_function(choice: Any) -> str | None:
    """Return the function that a canonical `tool_choice` names, or None."""
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
