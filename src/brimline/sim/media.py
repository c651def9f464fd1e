"""What comes with a prompt besides text: of what type it really is, and how large."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

TOKENS = 85
"""What each is billed, whatever it is."""
_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?,(.*)", re.DOTALL)
_SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_RIFFS = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


class Media(NamedTuple):
    """One image, sound or file."""

    declared: str
    """The type that the request names."""
    true: str
    """The type that the first bytes show; the declared one where they show none."""
    size: int | None
    """Bytes; None for what is only referred to."""
    name: str = ""
    """The URL or id of what is only referred to."""

    def __str__(self) -> str:
        if self.size is None:
            return f"[{self.declared or 'file'} {self.name}]"
        other = f", sent as {self.declared}" if self.declared not in {"", self.true} else ""
        return f"[{self.true} {self.size} bytes{other}]"


def media(part: Mapping[str, Any], kind: str) -> Media:
    """Read a content part of OpenAI's: what stands under `image_url`, `input_audio` or `file`."""
    if kind == "input_audio":
        return embedded(str(part.get("data", "")), f"audio/{part.get('format', '')}")
    url = str(part.get("url" if kind == "image_url" else "file_data", ""))
    found = _DATA_URL.match(url)
    if found is not None:
        return embedded(found[2], found[1])
    if kind == "image_url":
        return Media("image", "image", None, url)
    if url:
        return embedded(url, "application/octet-stream")
    declared = str(part.get("mime_type", ""))
    return Media(declared, part.get("true_type", ""), part.get("size"), str(part.get("file_id", "")))


def embedded(data: str, declared: str) -> Media:
    """Read base64 without decoding more than its first bytes."""
    try:
        # both alphabets are in use; Google's is the one for URLs
        head = base64.b64decode(
            data[:64].ljust(-(-len(data[:64]) // 4) * 4, "="), altchars=_altchars(data[:64])
        )
    except (binascii.Error, ValueError):
        head = b""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    return Media(declared, sniff(head) or declared, size)


def _altchars(data: str) -> bytes:
    return b"-_" if "-" in data or "_" in data else b"+/"


def sniff(head: bytes) -> str | None:
    """The type that the first bytes of a file show, if any."""
    if head[:4] == b"RIFF":
        return _RIFFS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return next((mime for sign, mime in _SIGNS if head.startswith(sign)), None)
