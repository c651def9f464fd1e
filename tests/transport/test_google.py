"""Google's access tokens: found once, renewed when they are no longer valid, shown to nobody but Google."""

import google.auth
import pytest
from google.auth import exceptions

from brimline.errors import ConfigError
from brimline.transport import TokenTransport
from brimline.transport import google as module
from brimline.transport.google import is_google
from brimline.types import FaultKind, HttpReply, HttpRequest

ASK = HttpRequest("/v1/x", b"{}", {"a": "b"})


class Credentials:
    """Credentials that hold as long as the test wants."""

    def __init__(self, fails=None):
        self.valid, self.token, self.renewed, self.fails = False, None, 0, fails

    def refresh(self, request):
        if self.fails:
            raise self.fails
        self.renewed += 1
        self.valid, self.token = True, f"t{self.renewed}"


class Way:
    def __init__(self):
        self.sent = []

    async def send(self, request, departed):
        self.sent.append(request)
        return HttpReply(200, {}, b"")

    stream = send

    async def close(self):
        self.sent = None


@pytest.fixture
def found(monkeypatch):
    credentials = Credentials()
    monkeypatch.setattr(google.auth, "default", lambda scopes: (credentials, "project"))
    return credentials


async def test_a_token_is_found_once_and_renewed_when_it_is_no_longer_valid(found):
    way = Way()
    transport = TokenTransport(way)
    await transport.send(ASK, lambda: None)
    await transport.stream(ASK, lambda: None)
    found.valid = False
    await transport.send(ASK, lambda: None)
    assert [each.headers["Authorization"] for each in way.sent] == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert way.sent[0] == HttpRequest("/v1/x", b"{}", {"a": "b", "Authorization": "Bearer t1"})
    await transport.close()
    assert way.sent is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.DefaultCredentialsError("none found"), FaultKind.AUTH),
        (exceptions.RefreshError("revoked"), FaultKind.AUTH),
        (exceptions.TransportError("no network"), FaultKind.CONNECTION),
    ],
)
async def test_what_keeps_a_token_away_is_a_fault(found, error, kind):
    found.fails = error
    way = Way()
    fault = await TokenTransport(way).send(ASK, lambda: None)
    assert (fault.kind, str(error) in fault.detail, way.sent) == (kind, True, [])


def test_without_google_auth_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "_is_installed", lambda: False)
    with pytest.raises(ConfigError, match="needs google-auth") as refused:
        TokenTransport(Way())
    assert "brimline[vertex]" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "is_its"),
    [
        ("https://us-central1-aiplatform.googleapis.com", True),
        ("https://aiplatform.googleapis.com", True),
        ("http://aiplatform.googleapis.com", False),
        ("https://aiplatform.googleapis.com.evil.example", False),
        ("https://evilgoogleapis.com", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_nobody_but_google_is_shown_a_token(url, is_its):
    assert is_google(url) is is_its
