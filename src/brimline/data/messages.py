"""What a row gives as its prompt, as messages: a text, a conversation, or messages in any form that users write.

Accepted beside the chat dialect's own form: prompto's plain strings among content parts, an image given by its
name alone, and local images.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from brimline.data.media import REFERENCE, Media, MediaError
from brimline.types import Message

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_REMOTE = ("https://", "http://", "data:")


class PromptError(Exception):
    """A prompt that cannot be sent, and why."""


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
        files: dict[str, str] = {}
        return Prompt(tuple(_message(message, media, files) for message in value), media=files)
    raise PromptError("the prompt is neither a string, nor a list of strings, nor a list of messages")


def user(text: str) -> Message:
    """Return a user's message."""
    return {"role": "user", "content": text}


def with_system(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Put a system message first, unless there is one."""
    if any(message["role"] in {"system", "developer"} for message in messages):
        return messages
    return ({"role": "system", "content": text}, *messages)


def _message(message: dict[str, Any], media: Media, files: dict[str, str]) -> Message:
    role = message.get("role")
    if role not in ROLES:
        raise PromptError(f"a message has the role {role!r}; roles are {', '.join(ROLES)}")
    content = message.get("content")
    if content is None and "tool_calls" not in message and "function_call" not in message:
        raise PromptError("a message has no content")
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, list):
        return {**message, "content": [_part(part, media, files) for part in content]}
    if content is not None and not isinstance(content, str):
        raise PromptError(f"a message's content is {type(content).__name__}, not text or a list of parts")
    return message


def _part(part: Any, media: Media, files: dict[str, str]) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict) or "type" not in part:
        raise PromptError("a content part is neither a string nor an object with a type")
    if part["type"] != "image_url":
        return part
    image = part.get("image_url")
    image = {"url": image} if isinstance(image, str) else image
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        raise PromptError("an image part has no image_url")
    if not image["url"][:8].lower().startswith(_REMOTE):
        image = {**image, "url": _local(image["url"], media, files)}
    return {**part, "image_url": image}


def _local(name: str, media: Media, files: dict[str, str]) -> str:
    """Let a digest stand for a local file, so that the request is the same wherever the file lies."""
    try:
        digest, path = media.find(name)
    except MediaError as error:
        raise PromptError(str(error)) from None
    url = REFERENCE + digest
    files[url] = str(path)
    return url
