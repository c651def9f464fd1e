"""The texts that a request wants embedded."""

from brimline.providers.canonical import Unsayable, text_of
from brimline.types import Request


def texts(request: Request) -> list[str]:
    """Return the texts of an embedding request, in order: that of its only message.

    Raises:
        Unsayable: There is another message, or it holds something else.
    """
    if len(request.messages) != 1 or request.follow_ups:
        raise Unsayable("an embedding is that of one message's text, not of a conversation")
    return [text_of(request.messages[0].get("content"))]
