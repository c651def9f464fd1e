"""Gemini's File API: uploads in one piece or resumable, and what is known of each file."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.dialect import Letterhead, Words
from brimline.sim.dialects.gemini_intake import get
from brimline.sim.dialects.gemini_words import MEDIA, Google
from brimline.sim.errors import NO_KEY, Problem, bad_key, invalid
from brimline.sim.files import Files, StoredFile, Upload

_LIFETIME = 48 * 3_600 * SECOND
_encode = msgspec.json.Encoder().encode
Table = dict[str, Any]


class FileCall(NamedTuple):
    """One request to the API."""

    method: str
    name: str
    """files/abc; empty for all of them."""
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    base: str
    """Where the server listens, with the version of the API."""
    wall: int
    """Unix time in nanoseconds."""


def file_words(files: Files, call: FileCall) -> Words:
    """Answer a request about files that are there already."""
    if not call.name:
        listed = [_about(file, call.base) for file in files.all()]
        return _json({"files": listed} if listed else {})
    file = files.get(call.name)
    if file is None:
        return _denied(call.name)
    if call.method == "DELETE":
        files.remove(call.name)
        return _json({})
    return _json(_about(file, call.base))


def upload_words(files: Files, call: FileCall) -> Words:
    """Take an upload, or the next part of one."""
    command = call.headers.get("X-Goog-Upload-Command", "")
    if "upload_id" in call.query:
        return _go_on(files, call, command)
    try:
        if command == "start":
            return _start(files, call)
        upload = _simple(files, call)
    except (msgspec.DecodeError, ValueError, TypeError, AttributeError) as error:
        return _wrong(f"Invalid upload: {error}")
    return _json({"file": _about(files.finish(upload, call.wall), call.base)})


def key_words(key: str | None) -> Words:
    """Refuse a key."""
    return _error(bad_key(key) if key else NO_KEY)


def _start(files: Files, call: FileCall) -> Words:
    mime = call.headers.get("X-Goog-Upload-Header-Content-Type", "application/octet-stream")
    upload = _begin(files, call.body, mime)
    url = f"{call.base.replace('/v1', '/upload/v1', 1)}/files?upload_id={upload.name}"
    lines = f"x-goog-upload-url: {url}\r\nx-goog-upload-status: active\r\nx-goog-upload-chunk-granularity: 8388608\r\n"
    return Words(200, b"", lines)


def _go_on(files: Files, call: FileCall, command: str) -> Words:
    upload = files.uploads.get(call.query["upload_id"])
    if upload is None:
        return _wrong("Upload has already been finalized or does not exist.")
    if int(call.headers.get("X-Goog-Upload-Offset", "0")) != len(upload.data):
        return _wrong(f"The offset is not that of the upload: {len(upload.data)}.")
    upload.data += call.body
    if "finalize" not in command:
        return Words(200, b"", "x-goog-upload-status: active\r\n")
    about = _about(files.finish(upload, call.wall), call.base)
    return _json({"file": about})._replace(lines="x-goog-upload-status: final\r\n")


def _simple(files: Files, call: FileCall) -> Upload:
    """Metadata and bytes as two parts of one body, or the bytes alone."""
    kind = call.headers.get("Content-Type", "application/octet-stream")
    if not kind.startswith("multipart/"):
        upload = _begin(files, b"", kind)
        upload.data += call.body
        return upload
    boundary = kind.partition("boundary=")[2].partition(";")[0].strip('"')
    metadata, content = [_part(piece) for piece in call.body.split(f"--{boundary}".encode())[1:3]]
    upload = _begin(files, metadata.data, content.mime)
    upload.data += content.data
    return upload


class _Piece(NamedTuple):
    mime: str
    data: bytes


def _part(piece: bytes) -> _Piece:
    """One part of a multipart body: its type and its bytes, untouched."""
    head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = dict(line.lower().split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    return _Piece(lines.get("content-type", "application/octet-stream"), data.removesuffix(b"\r\n"))


def _begin(files: Files, metadata: bytes, mime: str) -> Upload:
    told: Table = (msgspec.json.decode(metadata).get("file") or {}) if metadata.strip() else {}
    return files.begin(get(told, "mimeType") or mime, get(told, "displayName") or "", told.get("name"))


def _about(file: StoredFile, base: str) -> Table:
    about = {
        "name": file.name,
        "mimeType": file.mime,
        "sizeBytes": str(file.size),
        "createTime": _moment(file.at),
        "updateTime": _moment(file.at),
        "expirationTime": _moment(file.at + _LIFETIME),
        "sha256Hash": b64encode(file.digest.hex().encode()).decode(),
        "uri": f"{base}/{file.name}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }
    return about | ({"displayName": file.display_name} if file.display_name else {})


def _moment(wall: int) -> str:
    return f"{datetime.fromtimestamp(wall // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{wall % SECOND:09d}Z"


def _json(value: Table) -> Words:
    return Words(200, _encode(value), media=MEDIA)


def _denied(name: str) -> Words:
    message = (
        f"You do not have permission to access the File {name.removeprefix('files/')} or it may not exist."
    )
    return _error(invalid(message, code="PERMISSION_DENIED"))


def _wrong(message: str) -> Words:
    return _error(invalid(message))


def _error(problem: Problem) -> Words:
    return Google("").error(Letterhead(0, 0), problem)
