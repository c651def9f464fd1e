"""Files at Gemini: each content once, piece by piece, patient with what passes."""

import json

import pytest

from brimline.config import Config, Endpoint
from brimline.engine import uploads as module
from brimline.engine.uploads import Uploads
from brimline.errors import ConfigError, InputError, RunError
from brimline.providers import gemini_files
from brimline.types import Fault, FaultKind, HttpReply, Secret

PDF = b"%PDF-1.7\n" + b"x" * 20
PLACED = HttpReply(200, {"x-goog-upload-url": "https://host/upload/v1beta/files?upload_id=1"}, b"")
DONE = HttpReply(200, {}, b"{}")
LATER = HttpReply(503, {}, b"")


def about(state="ACTIVE", name="files/abc"):
    return {"name": name, "state": state, "mimeType": "application/pdf"}


def answer(document):
    return HttpReply(200, {}, json.dumps(document).encode())


class Script:
    """A way to a server that answers as it is told."""

    def __init__(self, *replies):
        self.replies = [*replies]
        self.sent = []

    async def send(self, request, departed):
        departed()
        self.sent.append(request)
        return self.replies.pop(0)

    async def close(self):
        assert not self.replies, "more was expected"


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book.pdf").write_bytes(PDF)
    return tmp_path / "book.pdf"


async def upload(path, *replies):
    script = Script(*replies)
    async with Uploads(script, Secret("sk-secret-key")) as uploads:
        known = []
        first = await uploads.upload(path, known)
        assert known == [first[0]]
    return first, script.sent


async def test_a_file_goes_up_in_pieces(book, monkeypatch):
    monkeypatch.setattr(gemini_files, "PIECE", 12)
    (file, is_new), sent = await upload(book, PLACED, DONE, DONE, answer({"file": about()}))
    assert (file.name, is_new) == ("files/abc", True)
    assert b"".join(each.body for each in sent[1:]) == PDF
    assert [each.headers["X-Goog-Upload-Offset"] for each in sent[1:]] == ["0", "12", "24"]
    assert sent[0].headers["X-Goog-Upload-Header-Content-Type"] == "application/pdf"


async def test_what_passes_is_waited_for_and_so_is_a_video_that_gemini_works_on(book):
    busy = Fault(FaultKind.CONNECTION, "reset")
    working = answer({"file": about("PROCESSING")})
    (file, _), sent = await upload(
        book, LATER, busy, PLACED, working, answer(about("PROCESSING")), answer(about())
    )
    assert (file.state, [each.method for each in sent[-2:]]) == ("ACTIVE", ["GET", "GET"])


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([LATER] * module.TRIES, "overloaded"),
        ([HttpReply(401, {}, b'{"error":{"message":"sk-secret-key is none"}}')], r"auth: \[key\] is none"),
        ([PLACED, answer({"file": about("FAILED")})], "Gemini cannot read it"),
        ([HttpReply(200, {}, b"")], "names no place"),
    ],
)
async def test_what_does_not_pass_is_an_error(book, replies, words):
    with pytest.raises(RunError, match=words):
        await upload(book, *replies)


async def test_what_is_no_file_for_a_model_is_not_sent(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for name, words in (("a.txt", "^'a.txt' is no image"), ("none", "cannot be read: No such file")):
        with pytest.raises(InputError, match=words):
            await upload(tmp_path / name)


def test_only_the_developer_api_keeps_files():
    for provider in ("openai", "vertex"):
        config = Config(
            endpoints={"lab": Endpoint(provider=provider, base_url="http://127.0.0.1:9", key="none")}
        )
        with pytest.raises(ConfigError, match="keeps no files"):
            Uploads.at(config, "lab")
