"""Canonical messages as Anthropic has them: turns of user and assistant, made of blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

from brimline.providers.canonical import Unsayable, inline, member, parts_of, tool_calls
from brimline.types import Message

NAME = "Anthropic"
_OWN_MEMBERS = ("cache_control", "citations", "context", "title")
"""What a part may carry beyond the canonical form."""


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages in turns of user and assistant; the results of parallel calls have to stand in one.

    Raises:
        Unsayable: There is something in them that the dialect does not have.
    """
    said: list[dict[str, Any]] = []
    results: list[Any] | None = None
    for message in messages:
        role = message.get("role")
        if role == "tool":
            if results is None:
                results = []
                said.append({"role": "user", "content": results})
            results.append(_result(message))
            continue
        results = None
        if role not in {"user", "assistant"}:
            raise Unsayable(f"a message has the role '{role}', which {NAME} does not have")
        content = message.get("content")
        if not isinstance(content, str) or not content or message.get("tool_calls"):
            content = [*blocks(content), *_uses(message)]
        if content:
            said.append({"role": role, "content": content})
    return said


def _uses(message: Message) -> list[dict[str, Any]]:
    return [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in tool_calls(message)
    ]


def _result(message: Message) -> dict[str, Any]:
    content = message.get("content")
    more = {name: message[name] for name in ("is_error", "cache_control") if name in message}
    return {
        "type": "tool_result",
        "tool_use_id": message.get("tool_call_id"),
        "content": content if isinstance(content, str) else blocks(content),
        **more,
    }


def blocks(content: Any) -> list[dict[str, Any]]:
    """Return a message's content as blocks.

    Raises:
        Unsayable: There is something in it that the dialect does not have.
    """
    return [_block(part) for part in parts_of(content)]


def _block(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part as a block; what is no canonical part is taken for a block already."""
    match part.get("type"):
        case "image_url":
            return {"type": "image", "source": _source(member(part, "image_url").get("url")), **_more(part)}
        case "file":
            return _document(part)
        case "refusal":
            return {"type": "text", "text": str(part.get("refusal"))}
        case "input_audio":
            raise Unsayable(f"{NAME} takes no audio")
        case _:
            return part


def _document(part: dict[str, Any]) -> dict[str, Any]:
    file = member(part, "file")
    name = file.get("filename")
    title = {} if name is None else {"title": name}
    if file.get("file_id") is not None:
        return {
            "type": "document",
            "source": {"type": "file", "file_id": file["file_id"]},
            **title,
            **_more(part),
        }
    source = _source(file.get("file_data"))
    kind = source.get("media_type", "application/pdf")
    if kind.startswith("image/"):
        return {"type": "image", "source": source, **_more(part)}
    if kind != "application/pdf":
        raise Unsayable(f"{NAME} takes no file of the type {kind}; it takes images and PDF")
    return {"type": "document", "source": source, **title, **_more(part)}


def _source(url: Any) -> dict[str, Any]:
    held = inline(url)
    if held is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": held.kind, "data": held.data}


def _more(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in _OWN_MEMBERS if name in part}
