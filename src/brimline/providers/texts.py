"""The texts that a request wants embedded."""

from brimline.providers.canonical import Unsayable, text_of
from brimline.types import Message, Request


def texts(request: Request) -> list[str]:
    """Return the texts of an embedding request, in order: of a bundle those of all its parts.

    Raises:
        Unsayable: It is a conversation, or holds something else.
    """
    found = [_text(message) for part in request.parts or (request,) for message in part.messages]
    if not found or any(part.follow_ups for part in request.parts or (request,)):
        raise Unsayable("an embedding is that of texts, not of a conversation")
    return found


def count_texts(request: Request) -> int:
    """Return how many texts it wants embedded."""
    return sum(len(part.messages) for part in request.parts or (request,))


def _text(message: Message) -> str:
    if message.get("role") != "user":
        raise Unsayable("an embedding is that of texts, not of a conversation")
    content = message.get("content")
    return content if isinstance(content, str) else text_of(content)
