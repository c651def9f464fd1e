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
        """Return the digest of the file that a message names, and its path; each file is read once.

        Raises:
            MediaError: There is none, or it is no image that can be sent.
        """
        if name not in self._found:
            path = self._locate(name)
            self._found[name] = (blake2b(path.read_bytes(), digest_size=16).hexdigest(), path)
        return self._found[name]

    def _locate(self, name: str) -> Path:
        path = Path(name)
        places = [path] if path.is_absolute() else [folder / path for folder in self._folders]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise MediaError(f"image '{name}' is neither beside the input nor in its media folder")
        if found.stat().st_size > LARGEST:
            raise MediaError(f"image '{name}' is larger than {LARGEST >> 20} MB")
        media_type(found)
        return found.resolve()


def media_type(path: Path) -> str:
    """Return the true type of an image, judged by its first bytes and not by its name.

    Raises:
        MediaError: It is no image of a type that providers take.
    """
    with path.open("rb") as file:
        head = file.read(16)
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    raise MediaError(f"'{path.name}' is no PNG, JPEG, GIF or WebP image")


@lru_cache(maxsize=8)
def data_url(path: Path) -> str:
    """Return a file as a data URL. A few are remembered: the same image is often asked about many times."""
    return f"data:{media_type(path)};base64,{b64encode(path.read_bytes()).decode()}"


def embed(messages: Sequence[Message], media: Mapping[str, str]) -> tuple[Message, ...]:
    """Return the messages with the local files they name put in as data URLs."""
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
    return {**part, "image_url": {**image, "url": data_url(Path(media[image["url"]]))}}
