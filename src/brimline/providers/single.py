"""Requests that are one text, for what knows no conversation."""

from typing import Any

from brimline.types import Request


def only_text(request: Request) -> str | None:
    """Return the text of a request that is nothing but one text from the user, or None."""
    if len(request.messages) != 1 or request.follow_ups or request.messages[0].get("role") != "user":
        return None
    content: Any = request.messages[0].get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    return content if isinstance(content, str) else None
