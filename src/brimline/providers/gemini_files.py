"""Gemini's File API: what is sent to upload, list and delete files, and what comes back.

Files are kept for 48 hours and cost nothing. They go up in pieces, so that no file has to fit into memory.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, read_body
from brimline.providers.faults import classify
from brimline.types import Fault, HttpReply, HttpRequest

PIECE = 8 << 20
"""Bytes that go up at a time; all pieces but the last are a multiple of 256 KiB, as Google wants."""
LARGEST = 2 << 30
"""Bytes of a file."""

T = TypeVar("T")


class RemoteFile(msgspec.Struct, frozen=True, rename="camel"):
    """A file as Gemini knows it.

    Attributes:
        name: What messages call it: `files/abc`.
        uri: Where it is.
        mime_type: Its type.
        size_bytes: Its size, as text.
        sha256_hash: Of its content, in base64.
        display_name: What it was called when it was uploaded.
        expiration_time: When it will be gone, RFC 3339.
        state: `PROCESSING`, `ACTIVE` or `FAILED`.
    """

    name: str
    uri: str = ""
    mime_type: str = ""
    size_bytes: Any = ""
    sha256_hash: str = ""
    display_name: str = ""
    expiration_time: str = ""
    state: str = ""

    def has(self, digest: bytes) -> bool:
        """Whether it can be used and has the content with this SHA-256; the API encodes its digits, or the bytes themselves."""
        forms = {b64encode(digest).decode(), b64encode(digest.hex().encode()).decode()}
        return self.state == "ACTIVE" and self.sha256_hash in forms


class _Page(msgspec.Struct, rename="camel"):
    files: list[RemoteFile] = []
    next_page_token: str = ""


class _Uploaded(msgspec.Struct):
    file: RemoteFile


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_file = msgspec.json.Decoder(RemoteFile).decode
_decode_uploaded = msgspec.json.Decoder(_Uploaded).decode
_VERSION = "v1beta"


def begin(name: str, kind: str, size: int) -> HttpRequest:
    """Return the request that announces a file of a type and a size in bytes; `name` is for people."""
    headers = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(size),
        "X-Goog-Upload-Header-Content-Type": kind,
    }
    body = msgspec.json.encode({"file": {"displayName": name[:512]}})
    return HttpRequest(f"/upload/{_VERSION}/files", body, headers)


def place(reply: HttpReply) -> str | Fault:
    """Return the path to which the pieces of an announced file go."""
    if not 200 <= reply.status < 300:
        return classify(reply)
    try:
        parts = urlsplit(reply.headers.get("x-goog-upload-url", ""))
    except ValueError:
        return bad_reply(reply, "the reply names no place for the upload")
    if not parts.path:
        return bad_reply(reply, "the reply names no place for the upload")
    return f"{parts.path}?{parts.query}"


def piece(path: str, data: bytes, offset: int, *, is_last: bool) -> HttpRequest:
    """Return the request that sends a piece of a file, from `offset` on."""
    headers = {
        "Content-Type": "application/octet-stream",
        "X-Goog-Upload-Command": "upload, finalize" if is_last else "upload",
        "X-Goog-Upload-Offset": str(offset),
    }
    return HttpRequest(path, data, headers)


def page(token: str = "") -> HttpRequest:
    """Return the request for a page of the files that there are."""
    more = f"&pageToken={quote(token, safe='')}" if token else ""
    return HttpRequest(f"/{_VERSION}/files?pageSize=100{more}", b"", {}, "GET")


def look(name: str) -> HttpRequest:
    """Return the request for what is known of a file."""
    return HttpRequest(f"/{_VERSION}/{_path(name)}", b"", {}, "GET")


def delete(name: str) -> HttpRequest:
    """Return the request that deletes a file."""
    return HttpRequest(f"/{_VERSION}/{_path(name)}", b"", {}, "DELETE")


def read_page(reply: HttpReply) -> tuple[list[RemoteFile], str] | Fault:
    """Return the files of a page, and the token of the next one or an empty text."""
    read = _read(reply, _decode_page)
    return read if isinstance(read, Fault) else (read.files, read.next_page_token)


def read_file(reply: HttpReply) -> RemoteFile | Fault:
    """Return what is known of a file."""
    return _read(reply, _decode_file)


def read_uploaded(reply: HttpReply) -> RemoteFile | Fault:
    """Return the file that the last piece has made."""
    read = _read(reply, _decode_uploaded)
    return read if isinstance(read, Fault) else read.file


def read_nothing(reply: HttpReply) -> Fault | None:
    """Read a reply that says nothing but that it is done."""
    return None if 200 <= reply.status < 300 else classify(reply)


def _path(name: str) -> str:
    """Return a file's path, also for its name without `files/` and for its URI."""
    return f"files/{quote(re.sub(r'^.*files/', '', name), safe='')}"


def _read(reply: HttpReply, decode: Callable[[bytes], T]) -> T | Fault:
    if not 200 <= reply.status < 300:
        return classify(reply)
    try:
        return read_body(decode, reply.body)
    except NO_BODY as error:
        return bad_reply(reply, f"the reply tells of no file: {error}")
