"""Canonical messages as Gemini has them: turns of user and model, made of parts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from brimline.providers.canonical import Call, Unsayable, inline, member, parts_of, text_of, tool_calls
from brimline.types import Message

NAME = "Gemini"

FILES = "https://generativelanguage.googleapis.com/v1beta/"
"""Where uploaded files are, by their names (`files/abc`), whatever the way to the API is."""

_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_BY_ENDING = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "pdf": "application/pdf", "mp4": "video/mp4", "mov": "video/mov", "webm": "video/webm", "mp3": "audio/mpeg", "wav": "audio/wav",
}  # fmt: skip
_OWN_MEMBERS = ("videoMetadata", "video_metadata", "mediaResolution", "media_resolution")


def contents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages in turns of user and model; the results of parallel calls have to stand in one.

    Raises:
        Unsayable: There is something in them that the dialect does not have.
    """
    said: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    results: list[Any] | None = None
    for message in messages:
        role = message.get("role")
        if role == "tool":
            if results is None:
                results = []
                said.append({"role": "user", "parts": results})
            results.append(_result(message, names))
            continue
        results = None
        if role not in {"user", "assistant"}:
            raise Unsayable(f"a message has the role '{role}', which {NAME} does not have")
        parts = [_part(part) for part in parts_of(message.get("content"))] + _calls(message, names)
        if parts:
            said.append({"role": "model" if role == "assistant" else "user", "parts": parts})
    return said


def _calls(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return an assistant's calls, and note the name of each; a result has to repeat it."""
    said = []
    for call in tool_calls(message):
        names[call.id] = call.name
        own = {"id": call.id} if call.id else {}
        said.append({
            "functionCall": {"name": call.name, "args": call.arguments, **own},
            **_signature(call),
        })
    return said


def _signature(call: Call) -> dict[str, Any]:
    """Return what Gemini signed a call with; later models want it back."""
    extra = call.whole.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return {} if signature is None else {"thoughtSignature": signature}


def _result(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    call = str(message.get("tool_call_id") or "")
    name = names.get(call) or message.get("name")
    if not name:
        raise Unsayable(f"a tool message answers the call '{call}', which is not in the messages before it")
    text = text_of(message.get("content"))
    try:
        result = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        result = text
    return {
        "functionResponse": {
            "name": name,
            "response": result if isinstance(result, dict) else {"result": result},
            **({"id": call} if call else {}),
        }
    }


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part in the dialect's own form; what has no type is taken for it already."""
    more = {name: part[name] for name in _OWN_MEMBERS if name in part}
    match part.get("type"):
        case None:
            return part
        case "text":
            return {"text": part["text"]}
        case "refusal":
            return {"text": str(part.get("refusal"))}
        case "image_url":
            return {**_file(member(part, "image_url").get("url"), None), **more}
        case "input_audio":
            return {**_audio(member(part, "input_audio")), **more}
        case "file":
            file = member(part, "file")
            kind = file.get("mime_type")
            if file.get("file_id") is not None:
                uri = str(file["file_id"])
                return {**_elsewhere(FILES + uri if uri.startswith("files/") else uri, kind), **more}
            return {**_file(file.get("file_data"), kind), **more}
        case kind:
            raise Unsayable(f"a part has the type '{kind}', which {NAME} does not have")


def _audio(audio: Mapping[str, Any]) -> dict[str, Any]:
    kind = _AUDIO.get(str(audio.get("format")), f"audio/{audio.get('format')}")
    data = audio.get("data")
    return {"inlineData": {"mimeType": kind, "data": data}}


def _file(url: Any, kind: str | None) -> dict[str, Any]:
    held = inline(url)
    if held is None:
        return _elsewhere(url, kind)
    return {"inlineData": {"mimeType": held.kind or kind, "data": held.data}}


def _elsewhere(uri: str, kind: str | None) -> dict[str, Any]:
    """Return a file that Google has or fetches; its type, where its name tells it."""
    kind = kind or _BY_ENDING.get(uri.partition("?")[0].rpartition(".")[2].lower())
    return {"fileData": {"fileUri": uri} if kind is None else {"fileUri": uri, "mimeType": kind}}
