"""Requests for AWS are signed as AWS checks it: by the rules of its documentation, written down here once more."""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from brimline.errors import ConfigError
from brimline.transport import HttpTransport, SignedTransport, StreamingTransport
from brimline.types import HttpReply, HttpRequest
from tests.transport.wire import Server, answer

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PATH = "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x-v1%3A0/converse"
BODY = b'{"messages":[{"role":"user","content":[{"text":"H\xc3\xa4"}]}]}'


def signature_of(path, headers, body, secret=SECRET):
    """Return the signature that AWS would compute for what has arrived."""
    fields = dict(
        part.strip().split("=", 1) for part in headers["authorization"].partition(" ")[2].split(",")
    )
    scope = fields["Credential"].split("/", 1)[1]
    names = fields["SignedHeaders"]
    canonical = "\n".join([
        "POST",
        quote(path, safe="/-_.~"),
        "",
        *(f"{name}:{headers[name]}" for name in names.split(";")),
        "",
        names,
        hashlib.sha256(body).hexdigest(),
    ])
    moment = headers["x-amz-date"]
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest(), fields, names.split(";")


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path):
    """Nothing of this machine's own, and no search on the network."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


async def arrived(server, **more):
    """Send one request, signed; return path, headers and body as the server got them, and the result."""
    got = []

    async def script(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        got.append((head[0].split(" ")[1], headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(answer())
        await writer.drain()

    server.script = script
    transport = SignedTransport(HttpTransport(server.url, {"X-Own": "1"}), server.url, "bedrock", "eu-west-1")
    try:
        left = []
        result = await transport.send(HttpRequest(PATH, BODY, more), lambda: left.append(1))
        assert len(left) == len(got)
    finally:
        await transport.close()
    return (*(got or [None]), result)


@pytest.mark.usefixtures("credentials")
async def test_what_arrives_bears_the_signature_that_aws_computes(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "FwoGZXIvYXdzE")
    async with Server() as server:
        (path, headers, body), result = await arrived(server)
    expected, fields, names = signature_of(path, headers, body)
    assert fields["Signature"] == expected
    assert fields["Credential"].split("/")[0] == "AKIDEXAMPLE"
    assert fields["Credential"].split("/", 2)[2] == "eu-west-1/bedrock/aws4_request"
    assert set(names) == {"content-type", "host", "x-amz-date", "x-amz-security-token"}
    assert (headers["x-amz-security-token"], headers["x-own"], body) == ("FwoGZXIvYXdzE", "1", BODY)
    assert isinstance(result, HttpReply)
    assert signature_of(path, headers, body + b" ")[0] != expected
    assert signature_of(path, headers, body, secret="other")[0] != expected


@pytest.mark.usefixtures("credentials")
async def test_what_is_to_come_in_pieces_is_signed_as_well():
    class Way:
        async def stream(self, request, departed):
            return request.headers

    transport = SignedTransport(Way(), "http://127.0.0.1:1", "bedrock", "eu-west-1")
    assert isinstance(transport, StreamingTransport)
    headers = await transport.stream(HttpRequest(PATH, BODY, {}), lambda: None)
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


async def test_credentials_come_from_a_profile(monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text(
        f"[lab]\naws_access_key_id = AKIDLAB\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "lab")
    async with Server() as server:
        (path, headers, body), _ = await arrived(server)
    expected, fields, _ = signature_of(path, headers, body)
    assert (fields["Signature"], fields["Credential"].split("/")[0]) == (expected, "AKIDLAB")


async def test_without_credentials_nothing_leaves():
    async with Server() as server:
        _, fault = await arrived(server)
    assert fault.kind == "auth"
    assert "AWS_ACCESS_KEY_ID" in fault.detail


async def test_credentials_that_cannot_be_read_are_a_fault(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    async with Server() as server:
        _, fault = await arrived(server)
    assert fault.kind == "connection"
    assert "nobody" in fault.detail


async def test_credentials_are_renewed_before_they_expire(monkeypatch):
    """Those who wait for new ones wait together: they are fetched once."""
    from botocore.credentials import RefreshableCredentials

    fetched = []

    def fetch(seconds=3600):
        fetched.append(1)
        expiry = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        return {
            "access_key": f"AKID{len(fetched)}",
            "secret_key": SECRET,
            "token": None,
            "expiry_time": expiry,
        }

    class Session:
        def get_credentials(self):
            return RefreshableCredentials.create_from_metadata(fetch(60), fetch, "test")

    class Way:
        async def send(self, request, departed):
            return request.headers["Authorization"].split("Credential=")[1].split("/")[0]

    transport = SignedTransport(Way(), "http://127.0.0.1:1", "bedrock", "eu-west-1")
    monkeypatch.setattr("botocore.session.Session", Session)
    sending = [transport.send(HttpRequest("/", b"", {}), lambda: None) for _ in range(9)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in sending]
    assert {task.result() for task in tasks} == {"AKID2"}  # the first ones expired within a minute
    assert len(fetched) == 2


def test_without_botocore_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("brimline.transport.sigv4.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"brimline\[bedrock\]"):
        SignedTransport(HttpTransport("http://127.0.0.1:1", {}), "http://127.0.0.1:1", "bedrock", "eu-west-1")
