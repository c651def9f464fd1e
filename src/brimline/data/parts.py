"""The parts of a message's content, in the form of any dialect, as the chat dialect has them.

OpenAI's own parts stay as they are. Anthropic's images and documents, Gemini's inline and uploaded files, and prompto's
`{"type": "image", "media": "a.png"}` become `image_url`, `input_audio` and `file`. What nobody else has stays as it is too;
a provider says whether it has it.
"""

from collections.abc import Mapping
from typing import Any

from brimline.data.media import AUDIO, REFERENCE, Found, Media, MediaError
from brimline.data.problems import ProblemKind

_REMOTE = ("https://", "http://", "data:", "gs://")
_NAMED = frozenset({"image", "audio", "video", "file", "document", "uri"})
"""What prompto calls a part that names a file."""
_MUST = frozenset({"audio", "video", "uri"})
"""Of those, the ones that no dialect has otherwise."""
_MEMBERS = frozenset({"type", "media", "uploaded_filename", "mime_type", "source", "title"})
"""What becomes something else; the rest of a part is kept."""


class PromptError(Exception):
    """A prompt that cannot be sent, and why.

    Attributes:
        kind: What is wrong: the prompt itself, or a file that it names.
    """

    kind = ProblemKind.PROMPT


class _FileError(PromptError):
    kind = ProblemKind.MEDIA


class Parts:
    """Reads the parts of one prompt.

    Args:
        media: Finds local files.
    """

    def __init__(self, media: Media) -> None:
        self._media = media
        self.files: dict[str, str] = {}
        """The path of each local file, by the URL that stands for it."""

    def read(self, part: Any, *, is_native: bool = False) -> Any:
        """Return a part in the canonical form.

        Args:
            part: The part.
            is_native: Whether it is one of Gemini's, which have no type.

        Raises:
            PromptError: It is none, or names a file that cannot be sent.
        """
        if isinstance(part, str):
            return {"type": "text", "text": part}
        if is_native and isinstance(part, dict) and "type" not in part:
            return self._native(part)
        if not isinstance(part, dict) or "type" not in part:
            raise PromptError("a content part is neither a string nor an object with a type")
        return self._read(part, part["type"])

    def _read(self, part: dict[str, Any], kind: Any) -> Any:
        if kind == "image_url":
            return self._image_url(part)
        if kind in {"input_audio", "file"} and kind in part:
            return self._given(part, kind)
        if kind == "text" and "text" not in part and isinstance(part.get("media"), str):
            return {"type": "text", "text": part["media"]}
        if kind in {"image", "document"} and isinstance(part.get("source"), dict):
            return self._sourced(part, part["source"])
        is_named = "media" in part or part.get("uploaded_filename")
        if isinstance(kind, str) and (kind in _MUST or (kind in _NAMED and is_named)):
            return self._named(part, part)
        return part

    def _image_url(self, part: dict[str, Any]) -> Any:
        image = part.get("image_url")
        image = {"url": image} if isinstance(image, str) else image
        if not isinstance(image, dict) or not isinstance(image.get("url"), str):
            raise PromptError("an image part has no image_url")
        if not _is_remote(image["url"]):
            image = {**image, "url": self._url(self._find(image["url"], "image"))}
        return {**part, "image_url": image}

    def _given(self, part: dict[str, Any], kind: str) -> Any:
        """Return one of OpenAI's own parts; a text in its place, or a name in place of data, is a local file."""
        inner = part[kind]
        data = "file_data" if kind == "file" else "data"
        name = inner.get(data) if isinstance(inner, dict) else inner
        if not isinstance(name, str) or _is_remote(name) or (isinstance(inner, dict) and "." not in name):
            return part  # base64 has no full stop
        local = self._local(name, "audio" if kind == "input_audio" else "file")
        if isinstance(inner, dict) and local["type"] == kind:
            local[kind] |= _without(inner, data, "format")
        return {**_without(part, kind), **local}

    def _sourced(self, part: dict[str, Any], source: Mapping[str, Any]) -> Any:
        """Return Anthropic's image or document, which says where it comes from; prompto names a local file there."""
        if isinstance(source.get("media"), str):
            return self._named(part, source)
        kept = {name: value for name, value in part.items() if name not in _MEMBERS}
        title = {"filename": part["title"]} if part.get("title") else {}
        if source.get("type") == "base64" and isinstance(source.get("data"), str):
            return {**_inline(str(source.get("media_type")), source["data"], title), **kept}
        if source.get("type") == "url" and isinstance(source.get("url"), str):
            return {**_remote(part["type"], source["url"], None, title), **kept}
        return part

    def _named(self, part: dict[str, Any], names: Mapping[str, Any]) -> Any:
        """Return a file by its name: one that was uploaded, one that lies elsewhere, or a local one."""
        kept = {name: value for name, value in part.items() if name not in _MEMBERS}
        given = names.get("mime_type") or names.get("media_type")
        if uploaded := part.get("uploaded_filename"):
            return {"type": "file", "file": {"file_id": uploaded, **_typed(given)}, **kept}
        name = names.get("media")
        if not isinstance(name, str) or not name:
            raise PromptError(f"a part of type '{part['type']}' names no media")
        if _is_remote(name):
            return {**_remote(part["type"], name, given, {}), **kept}
        wanted = part["type"] if part["type"] in {"image", "audio", "video"} else "file"
        return {**self._local(name, wanted), **kept}

    def _native(self, part: dict[str, Any]) -> Any:
        """Return one of Gemini's parts, whose names may be written as in JSON or as in Python."""
        data = part.get("inlineData") or part.get("inline_data")
        if isinstance(data, dict) and isinstance(data.get("data"), str):
            return {
                **_inline(_kind(data) or "", data["data"], {}),
                **_without(part, "inlineData", "inline_data"),
            }
        file = part.get("fileData") or part.get("file_data")
        if isinstance(file, dict):
            uri = file.get("fileUri") or file.get("file_uri")
            said = {"type": "file", "file": {"file_id": uri, **_typed(_kind(file))}}
            return {**said, **_without(part, "fileData", "file_data")}
        if part.keys() == {"text"}:
            return {"type": "text", **part}
        return part

    def _local(self, name: str, wanted: str) -> dict[str, Any]:
        found = self._find(name, wanted)
        url = self._url(found)
        if found.kind.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": url}}
        if found.kind in AUDIO:
            return {"type": "input_audio", "input_audio": {"data": url, "format": AUDIO[found.kind]}}
        return {"type": "file", "file": {"file_data": url, "filename": found.path.name}}

    def _find(self, name: str, wanted: str) -> Found:
        try:
            return self._media.find(name, wanted)
        except MediaError as error:
            raise _FileError(str(error)) from None

    def _url(self, found: Found) -> str:
        """Let a digest stand for a local file, so that the request is the same wherever the file lies."""
        kind = "" if found.kind.startswith("image/") else f"{found.kind};"
        url = f"{REFERENCE}{kind}{found.digest}"
        self.files[url] = str(found.path)
        return url


def _is_remote(name: str) -> bool:
    return name[:8].lower().startswith(_REMOTE)


def _inline(kind: str, data: str, more: Mapping[str, Any]) -> dict[str, Any]:
    if kind in AUDIO:
        return {"type": "input_audio", "input_audio": {"data": data, "format": AUDIO[kind]}}
    url = f"data:{kind};base64,{data}"
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"file_data": url, **more}}


def _remote(part: str, url: str, kind: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    if part == "image" and not url.startswith("gs://"):
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"file_data": url, **_typed(kind), **more}}


def _typed(kind: Any) -> dict[str, Any]:
    return {"mime_type": kind} if isinstance(kind, str) else {}


def _kind(data: Mapping[str, Any]) -> str | None:
    kind = data.get("mimeType") or data.get("mime_type")
    return kind if isinstance(kind, str) else None


def _without(part: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in names}
