"""Local files that messages name: found beside the input or in `media/`, checked, and put in when they are sent."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from brimline.types import Message

LARGEST = 50 << 20
"""Bytes; providers take less than this in a request."""

REMEMBERED = 4096
"""Names of files whose digests are kept: a million rows with an image each must not fill the memory."""

REFERENCE = "media:"
"""Before the digest that stands for a file in a message; a type stands between them unless it is an image."""

AUDIO = {"audio/wav": "wav", "audio/mpeg": "mp3"}
"""The chat dialect's names for the types of sounds."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_CONTAINERS = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_WANTED = {
    "image": ("image/", "PNG, JPEG, GIF or WebP image"),
    "audio": ("audio/", "WAV or MP3 sound"),
    "video": ("video/", "MP4, QuickTime or WebM video"),
    "file": ("", "image, WAV or MP3 sound, PDF, or MP4, QuickTime or WebM video"),
}
"""What a message may want: how its type begins, and what is taken, for people."""

UPLOAD = "`brimline media upload` keeps files where Gemini's models find them"


class MediaError(Exception):
    """A local file that cannot be sent, and why."""


class Found(NamedTuple):
    """A local file: the digest of its content, where it is, and its true type."""

    digest: str
    path: Path
    kind: str


class Media:
    """Finds local files for the rows of one input.

    Args:
        folder: Where the input is; names are looked up here and in its `media` folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folders = (folder, folder / "media", folder.parent / "media")
        self._found: dict[tuple[str, str], Found] = {}

    def find(self, name: str, wanted: str = "image") -> Found:
        """Return the file that a message names; the last few thousand are remembered.

        Args:
            name: Its name or path.
            wanted: What it has to be: `image`, `audio`, `video`, or any `file`.

        Raises:
            MediaError: There is none, or it is nothing that can be sent.
        """
        if (name, wanted) not in self._found:
            if len(self._found) >= REMEMBERED:
                del self._found[next(iter(self._found))]
            path = self._locate(name, wanted)
            self._found[name, wanted] = Found(_digest(_read(path)), path, media_type(path, wanted))
        return self._found[name, wanted]

    def _locate(self, name: str, wanted: str) -> Path:
        path = Path(name)
        places = [path] if path.is_absolute() else [folder / path for folder in self._folders]
        try:
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                raise MediaError(
                    f"{wanted} '{_short(name)}' is neither beside the input nor in its media folder"
                )
            if found.stat().st_size > LARGEST:
                raise MediaError(f"{wanted} '{_short(name)}' is larger than {LARGEST >> 20} MB; {UPLOAD}")
            media_type(found, wanted)
            return found.resolve()
        except OSError as error:
            raise MediaError(f"{wanted} '{_short(name)}' cannot be read: {error.strerror}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"'{_short(str(path))}' cannot be read: {error.strerror}") from None


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _short(name: str) -> str:
    """Return a name, or the beginning of what is too long to be one: an image that was put in as bare base64."""
    return name if len(name) <= 200 else f"{name[:60]}..."


def media_type(path: Path, wanted: str = "file") -> str:
    """Return the true type of a file, judged by its first bytes and not by its name.

    Args:
        path: The file.
        wanted: What it has to be: `image`, `audio`, `video`, or any `file`.

    Raises:
        MediaError: It is of no type that providers take, or of another one.
    """
    with path.open("rb") as file:
        kind = _type(file.read(16))
    begin, words = _WANTED[wanted]
    if kind is None or not kind.startswith(begin):
        raise MediaError(f"'{path.name}' is no {words}")
    return kind


def _type(head: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF":
        return _CONTAINERS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    return None


@lru_cache(maxsize=8)
def encoded(path: Path, digest: str) -> tuple[str, str]:
    """Return a file's type and its content in base64. A few are remembered: the same one is often asked about many times.

    Raises:
        MediaError: It cannot be read, or its content is no longer that with this digest.
    """
    content = _read(path)
    if _digest(content) != digest:
        raise MediaError(f"'{path}' was changed since it was checked")
    return _type(content[:16]) or "", b64encode(content).decode()


def embed(messages: Sequence[Message], media: Mapping[str, str]) -> tuple[Message, ...]:
    """Return the messages with the local files they name put in: as data URLs, and sounds as bare base64.

    Raises:
        MediaError: A file was changed or removed since it was checked.
    """
    return tuple(
        {**message, "content": [_embed_part(part, media) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    )


def excess(media: Mapping[str, str], most: int) -> str | None:
    """Return what is wrong with files that are too large to go together in one request, or None.

    Args:
        media: The path of each, by the URL that stands for it.
        most: Bytes that go in one request.
    """
    try:
        size = sum(Path(path).stat().st_size for path in media.values())
    except OSError:
        return None  # what has gone since it was found is told when it is sent
    if size <= most:
        return None
    return f"its files are {size / (1 << 20):.1f} MB, and {most >> 20} MB go in one request; {UPLOAD}"


_PLACES = {"image_url": "url", "input_audio": "data", "file": "file_data"}
"""Where the parts of each type hold their file."""


def _embed_part(part: Any, media: Mapping[str, str]) -> Any:
    kind = str(part.get("type")) if isinstance(part, dict) else ""
    place = _PLACES.get(kind, "")
    inner = part.get(kind) if place else None
    url = inner.get(place) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(url, str) or url not in media:
        return part
    true, data = encoded(Path(media[url]), url.removeprefix(REFERENCE).rpartition(";")[2])
    held = data if kind == "input_audio" else f"data:{true};base64,{data}"
    return {**part, kind: {**inner, place: held}}
