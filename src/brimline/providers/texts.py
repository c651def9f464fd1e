"""Requests that are texts: those that want them embedded, and those that are one text alone."""

from typing import Any

from brimline.providers.canonical import Unsayable, text_of
from brimline.types import Message, Request

NO_TEXT = "an embedding is that of texts, not of a conversation"


def texts(request: Request) -> list[str]:
    """Return the texts of an embedding request, in order: of a bundle those of all its parts.

    Raises:
        Unsayable: It is a conversation, or holds something else.
    """
    found: list[str] = []
    for part in request.parts or (request,):
        found += map(_text, part.messages)
        if part.follow_ups or not part.messages:
            raise Unsayable(NO_TEXT)
    return found


def count_texts(request: Request) -> int:
    """Return how many texts it wants embedded."""
    return sum(len(part.messages) for part in request.parts or (request,))


def _text(message: Message) -> str:
    if message.get("role") != "user":
        raise Unsayable(NO_TEXT)
    content = message.get("content")
    return content if isinstance(content, str) else text_of(content)


def only_text(request: Request) -> str | None:
    """Return the text of a request that is nothing but one text from the user, or None."""
    if len(request.messages) != 1 or request.follow_ups or request.messages[0].get("role") != "user":
        return None
    content: Any = request.messages[0].get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    return content if isinstance(content, str) else None
