"""Gemini's File API: what is sent, and what replies mean."""

import json
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.providers import gemini_files as files
from brimline.providers.gemini_files import RemoteFile
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest
from tests.providers.replies import reply

FILM = {
    "name": "files/abc",
    "displayName": "film.mp4",
    "mimeType": "video/mp4",
    "sizeBytes": "7",
    "createTime": "2026-11-20T10:00:00.1Z",
    "updateTime": "2026-11-20T10:00:00.1Z",
    "expirationTime": "2026-11-22T10:00:00.1Z",
    "sha256Hash": b64encode(sha256(b"content").hexdigest().encode()).decode(),
    "uri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
    "state": "ACTIVE",
    "source": "UPLOADED",
    "videoMetadata": {"videoDuration": "1s"},
}
READ = RemoteFile(
    "files/abc",
    FILM["uri"],
    "video/mp4",
    "7",
    FILM["sha256Hash"],
    "film.mp4",
    FILM["expirationTime"],
    "ACTIVE",
)


def test_a_file_is_announced_and_sent_in_pieces():
    announced = files.begin("film.mp4", "video/mp4", 7)
    assert (announced.method, announced.path) == ("POST", "/upload/v1beta/files")
    assert json.loads(announced.body) == {"file": {"displayName": "film.mp4"}}
    assert announced.headers == {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": "7",
        "X-Goog-Upload-Header-Content-Type": "video/mp4",
    }
    url = "https://host/upload/v1beta/files?upload_id=A-b_1&upload_protocol=resumable"
    path = files.place(reply(200, b"", x_goog_upload_url=url))
    assert path == "/upload/v1beta/files?upload_id=A-b_1&upload_protocol=resumable"
    first, last = files.piece(path, b"con", 0, is_last=False), files.piece(path, b"tent", 3, is_last=True)
    assert [each.headers["X-Goog-Upload-Command"] for each in (first, last)] == ["upload", "upload, finalize"]
    assert [each.headers["X-Goog-Upload-Offset"] for each in (first, last)] == ["0", "3"]
    assert (last.path, last.body) == (path, b"tent")
    assert files.read_uploaded(reply(200, {"file": FILM})) == READ


@pytest.mark.parametrize("name", ["files/abc", "abc", "https://host/v1beta/files/abc"])
def test_a_file_is_asked_for_and_deleted_by_any_of_its_names(name):
    assert files.look(name) == HttpRequest("/v1beta/files/abc", b"", {}, "GET")
    assert files.delete(name) == HttpRequest("/v1beta/files/abc", b"", {}, "DELETE")
    assert files.read_file(reply(200, FILM)) == READ
    assert files.read_nothing(reply(200, {})) is None


def test_a_name_cannot_leave_its_folder():
    assert files.delete("../models?x").path == "/v1beta/files/..%2Fmodels%3Fx"


def test_files_are_listed_page_by_page():
    assert files.page() == HttpRequest("/v1beta/files?pageSize=100", b"", {}, "GET")
    assert files.page("a/b").path == "/v1beta/files?pageSize=100&pageToken=a%2Fb"
    assert files.read_page(reply(200, {"files": [FILM], "nextPageToken": "t"})) == ([READ], "t")
    assert files.read_page(reply(200, {})) == ([], "")


def test_a_file_is_known_by_its_content_however_the_hash_is_written():
    digest = sha256(b"content").digest()
    raw = RemoteFile("f", sha256_hash=b64encode(digest).decode(), state="ACTIVE")
    assert READ.has(digest)
    assert raw.has(digest)
    assert not READ.has(sha256(b"other").digest())
    assert not RemoteFile("f", sha256_hash=raw.sha256_hash, state="PROCESSING").has(digest)


@pytest.mark.parametrize("url", ["", "http://[", "https://host"])
def test_an_announcement_without_a_place_is_a_bad_reply(url):
    assert files.place(reply(200, b"", x_goog_upload_url=url)).kind is FaultKind.BAD_REPLY


READERS = (files.place, files.read_page, files.read_file, files.read_uploaded, files.read_nothing)


@pytest.mark.parametrize("read", READERS)
def test_a_refusal_is_a_fault(read):
    refused = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "You do not have permission to access the File abc"}}  # fmt: skip
    assert read(reply(403, refused)).kind is FaultKind.INVALID_REQUEST
    assert read(reply(503, b"")).kind is FaultKind.OVERLOADED


@given(st.integers(100, 999), st.binary(max_size=30) | st.sampled_from([b"[]", b'{"file":1}', b'{"files":[{}]}']), st.text(max_size=9))  # fmt: skip
def test_no_reply_breaks_the_readers(status, body, url):
    for read in READERS:
        result = read(HttpReply(status, CIMultiDict({"x-goog-upload-url": url}), body))
        assert 200 <= status < 300 or isinstance(result, Fault)
