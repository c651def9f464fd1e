"""Local images that messages name: found beside the input or in `media/`, checked, and sent as data URLs."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from brimline.types import Message

LARGEST = 50 << 20
"""Bytes; providers take less than this in a request."""

REMEMBERED = 4096
"""Names of files whose digests are kept: a million rows with an image each must not fill the memory."""

REFERENCE = "media:"
"""Before the digest that stands for a file in a message."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class MediaError(Exception):
    """A local file that cannot be sent, and why."""


class Media:
    """Finds local files for the rows of one input.

    Args:
        folder: Where the input is; names are looked up here and in its `media` folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folders = (folder, folder / "media", folder.parent / "media")
        self._found: dict[str, tuple[str, Path]] = {}

    def find(self, name: str) -> tuple[str, Path]:
        """Return the digest of the file that a message names, and its path; the last few thousand are remembered.

        Raises:
            MediaError: There is none, or it is no image that can be sent.
        """
        if name not in self._found:
            if len(self._found) >= REMEMBERED:
                del self._found[next(iter(self._found))]
            path = self._locate(name)
            self._found[name] = (_digest(_read(path)), path)
        return self._found[name]

    def _locate(self, name: str) -> Path:
        path = Path(name)
        places = [path] if path.is_absolute() else [folder / path for folder in self._folders]
        try:
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                raise MediaError(
                    f"image '{_short(name)}' is neither beside the input nor in its media folder"
                )
            if found.stat().st_size > LARGEST:
                raise MediaError(f"image '{_short(name)}' is larger than {LARGEST >> 20} MB")
            media_type(found)
            return found.resolve()
        except OSError as error:
            raise MediaError(f"image '{_short(name)}' cannot be read: {error.strerror}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"image '{_short(str(path))}' cannot be read: {error.strerror}") from None


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _short(name: str) -> str:
    """Return a name, or the beginning of what is too long to be one: an image that was put in as bare base64."""
    return name if len(name) <= 200 else f"{name[:60]}..."


def media_type(path: Path) -> str:
    """Return the true type of an image, judged by its first bytes and not by its name.

    Raises:
        MediaError: It is no image of a type that providers take.
    """
    with path.open("rb") as file:
        return _type(file.read(16), path)


def _type(head: bytes, path: Path) -> str:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    raise MediaError(f"'{path.name}' is no PNG, JPEG, GIF or WebP image")


@lru_cache(maxsize=8)
def data_url(path: Path, digest: str) -> str:
    """Return a file as a data URL. A few are remembered: the same image is often asked about many times.

    Raises:
        MediaError: It cannot be read, or its content is no longer that with this digest.
    """
    content = _read(path)
    if _digest(content) != digest:
        raise MediaError(f"image '{path}' was changed since it was checked")
    return f"data:{_type(content[:16], path)};base64,{b64encode(content).decode()}"


def embed(messages: Sequence[Message], media: Mapping[str, str]) -> tuple[Message, ...]:
    """Return the messages with the local files they name put in as data URLs.

    Raises:
        MediaError: A file was changed or removed since it was checked.
    """
    return tuple(
        {**message, "content": [_embed_part(part, media) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    )


def _embed_part(part: Any, media: Mapping[str, str]) -> Any:
    image = part.get("image_url") if isinstance(part, dict) else None
    if not isinstance(image, dict) or image.get("url") not in media:
        return part
    url = image["url"]
    return {**part, "image_url": {**image, "url": data_url(Path(media[url]), url.removeprefix(REFERENCE))}}
