"""Messages as Converse wants them: turns of content blocks, which are texts, images, documents, sounds and tools' uses."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from brimline.providers.canonical import Inline, Unsayable, inline, member, parts_of, tool_calls
from brimline.types import Message

_IMAGES = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_OWN = frozenset({
    "text", "image", "document", "video", "audio", "guardContent", "cachePoint", "reasoningContent", "searchResult",
})  # fmt: skip


def turns_of(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return messages whose roles alternate, as Converse wants them; results of tools are the user's.

    Raises:
        Unsayable: One is empty, or holds what cannot be sent.
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role in ("tool", "function"):
            content = [_result(message)]
        else:
            calls = tool_calls(message)
            content = _blocks(message.get("content")) + [
                {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}}
                for call in calls
            ]
        if not content and role == "assistant":
            continue  # an answer without a text; what follows it can be said all the same
        if not content:
            raise Unsayable("a message is empty, which Bedrock does not take")
        side = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == side:
            turns[-1]["content"] += content
        else:
            turns.append({"role": side, "content": content})
    return turns


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [_block(part) for part in parts_of(content)]


def _result(message: Message) -> dict[str, Any]:
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise Unsayable("a message of the role 'tool' has no tool_call_id")
    return {"toolResult": {"toolUseId": call_id, "content": _blocks(message.get("content"))}}


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return {"text": part["text"]}
    if kind == "image_url":
        return _image(member(part, "image_url").get("url"))
    if kind == "file":
        return _document(member(part, "file"))
    if kind == "input_audio":
        audio = member(part, "input_audio")
        return {"audio": {"format": audio.get("format"), "source": {"bytes": audio.get("data")}}}
    if kind is None and len(part) == 1 and not _OWN.isdisjoint(part):
        return dict(part)
    raise Unsayable(f"a part of type '{kind}' cannot be sent to Bedrock")


def _image(url: Any) -> dict[str, Any]:
    if isinstance(url, str) and url.startswith("s3://"):
        suffix = url.rpartition(".")[2].lower()
        form = _IMAGES.get(f"image/{suffix}")
        source: dict[str, Any] = {"s3Location": {"uri": url}}
    else:
        file = inline(url)
        if file is None:
            raise Unsayable(
                "an image by URL cannot be sent to Bedrock; give a local file, a data: or an s3:// URL"
            )
        form, source = _IMAGES.get(file.kind.lower()), {"bytes": file.data}
        form = form or (None if file.data else "png")  # a local file whose type shows when it is put in
    if form is None:
        raise Unsayable("an image is neither PNG, JPEG, GIF nor WebP, which is what Bedrock takes")
    return {"image": {"format": form, "source": source}}


def _document(file: Mapping[str, Any]) -> dict[str, Any]:
    name = str(file.get("filename") or "document")
    data = inline(file.get("file_data"))
    if data is None:
        raise Unsayable("a file is sent to Bedrock as file_data, a data: URL")
    form = _form(data, name)
    stem = _UNNAMEABLE.sub(" ", name.rpartition(".")[0] or name).strip()
    return {"document": {"format": form, "name": stem or "document", "source": {"bytes": data.data}}}


def _form(file: Inline, name: str) -> str:
    """Return the format of a document, by its media type or its name."""
    suffix = name.rpartition(".")[2].lower()
    form = _DOCUMENTS.get(file.kind.lower()) or (suffix if suffix in _DOCUMENTS.values() else None)
    if form is None:
        raise Unsayable(f"'{name}' is no document that Bedrock takes")
    return form
