"""Requests with Google's access tokens, for endpoints of Google Cloud that have no key.

A token holds for an hour and has to be renewed: that is why it happens here and not in a provider. google-auth knows where
credentials are (`gcloud auth application-default login`, a service account's file, the machine's own) and renews them; it is
an extra, and imported only where it is needed.
"""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from brimline.errors import ConfigError
from brimline.transport.http import StreamingTransport
from brimline.transport.stream import ByteStream
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def is_google(base_url: str) -> bool:
    """Whether a base URL is Google's own; nobody else is shown a token."""
    parts = urlsplit(base_url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(".googleapis.com")


class TokenTransport:
    """A way to an endpoint that puts a valid access token on each request.

    Args:
        transport: The way itself.

    Raises:
        ConfigError: google-auth is not installed.
    """

    def __init__(self, transport: StreamingTransport) -> None:
        if not _is_installed():
            raise ConfigError(
                "Vertex AI without a key needs google-auth, which finds Google's own credentials",
                hint="Install it with pip install 'brimline[vertex]', or set VERTEXAI_API_KEY to an access token.",
            )
        self._transport = transport
        self._found: Any = None
        self._fetching = asyncio.Lock()

    async def send(self, request: HttpRequest, departed: Callable[[], None]) -> HttpReply | Fault:
        """Send a request with a token and return the whole reply."""
        named = await self._named(request)
        return named if isinstance(named, Fault) else await self._transport.send(named, departed)

    async def stream(
        self, request: HttpRequest, departed: Callable[[], None]
    ) -> ByteStream | HttpReply | Fault:
        """Send a request with a token and return its reply when it begins, if it comes in pieces."""
        named = await self._named(request)
        return named if isinstance(named, Fault) else await self._transport.stream(named, departed)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def _named(self, request: HttpRequest) -> HttpRequest | Fault:
        async with self._fetching:
            if self._found is None or not self._found.valid:
                fault = await asyncio.to_thread(self._fetch)
                if fault is not None:
                    return fault
            headers = {**request.headers, "Authorization": f"Bearer {self._found.token}"}
        return HttpRequest(request.path, request.body, headers, request.method)

    def _fetch(self) -> Fault | None:
        """Find credentials, or renew them; this may take its time, the import of google-auth included."""
        import google.auth.transport.requests  # noqa: PLC0415  an extra
        from google.auth import default, exceptions  # noqa: PLC0415

        try:
            if self._found is None:
                self._found, _ = default(scopes=_SCOPES)
            self._found.refresh(google.auth.transport.requests.Request())
        except exceptions.TransportError as error:
            return Fault(FaultKind.CONNECTION, f"Google's token cannot be had: {error}")
        except exceptions.GoogleAuthError as error:
            return Fault(FaultKind.AUTH, f"no Google credentials can be used: {error}")
        return None


def _is_installed() -> bool:
    try:
        return find_spec("google.auth") is not None
    except ModuleNotFoundError:  # not even the package that would hold it
        return False
