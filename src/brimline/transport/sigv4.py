"""Requests signed with AWS credentials (Signature Version 4), for endpoints that have no key.

A signature depends on the time and on the body, and credentials may have to be fetched and renewed: that is why it
happens here and not in a provider. botocore knows where credentials are (environment, profile, role, container,
instance) and renews them; it is an extra, and imported only where it is needed.
"""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from yarl import URL

from brimline.errors import ConfigError
from brimline.transport.http import StreamingTransport
from brimline.transport.stream import ByteStream
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest

_TYPE = {"Content-Type": "application/json"}
_NONE = (
    "no AWS credentials were found; set a key, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)


class SignedTransport:
    """A way to an endpoint that signs each request before it leaves.

    Args:
        transport: The way itself.
        base_url: Where its paths begin.
        service: The name that AWS signs the service by.
        region: The region of the endpoint.

    Raises:
        ConfigError: botocore is not installed.
    """

    def __init__(self, transport: StreamingTransport, base_url: str, service: str, region: str) -> None:
        if find_spec("botocore") is None:
            raise ConfigError(
                "signing requests for AWS needs botocore",
                hint="Install it with pip install 'brimline[bedrock]', or set AWS_BEARER_TOKEN_BEDROCK.",
            )
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._scope = service, region
        self._found: Any = None
        self._fetching = asyncio.Lock()

    async def send(self, request: HttpRequest, departed: Callable[[], None]) -> HttpReply | Fault:
        """Sign a request, send it and return the whole reply."""
        signed = await self._signed(request)
        return signed if isinstance(signed, Fault) else await self._transport.send(signed, departed)

    async def stream(
        self, request: HttpRequest, departed: Callable[[], None]
    ) -> ByteStream | HttpReply | Fault:
        """Sign a request, send it and return its reply when it begins, if it comes in pieces."""
        signed = await self._signed(request)
        return signed if isinstance(signed, Fault) else await self._transport.stream(signed, departed)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def _signed(self, request: HttpRequest) -> HttpRequest | Fault:
        credentials = await self._credentials()
        return credentials if isinstance(credentials, Fault) else self._sign(request, credentials)

    async def _credentials(self) -> Any:
        """Return credentials that are valid now, or why there are none; they are looked for and renewed by one at a time."""
        async with self._fetching:
            if self._found is not None and not self._is_late():
                return self._found.get_frozen_credentials()
            return await asyncio.to_thread(self._fetch)

    def _is_late(self) -> bool:
        """Whether credentials that expire should be renewed."""
        return bool(getattr(self._found, "refresh_needed", bool)())

    def _fetch(self) -> Any:
        """Find credentials, or renew them; this may take its time, the import of botocore included."""
        from botocore import auth, awsrequest, exceptions, session  # noqa: F401, PLC0415  an extra

        try:
            self._found = self._found or session.Session().get_credentials()
            return (
                Fault(FaultKind.AUTH, _NONE) if self._found is None else self._found.get_frozen_credentials()
            )
        except exceptions.BotoCoreError as error:
            return Fault(FaultKind.CONNECTION, f"AWS credentials cannot be had: {error}")

    def _sign(self, request: HttpRequest, credentials: Any) -> HttpRequest:
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        url = str(URL(self._base_url + request.path))  # as it will be on the wire: the path is signed, too
        signed = AWSRequest("POST", url, headers={**_TYPE, **request.headers}, data=request.body)
        SigV4Auth(credentials, *self._scope).add_auth(signed)
        return HttpRequest(request.path, request.body, dict(signed.headers.items()))
