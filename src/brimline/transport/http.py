"""HTTP over aiohttp: send one request, get a reply or the fault that stood in the way.

aiohttp costs about a tenth of the CPU of httpx and the official SDKs, and its pool does not slow down with the
number of connections. The pool has no limit of its own: the engine decides how much is in flight.
"""

import urllib.request
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from brimline.errors import ConfigError
from brimline.transport.explain import FAILURES, explain
from brimline.transport.stream import TYPES, ByteStream, HttpStream
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest

if TYPE_CHECKING:
    from aiohttp.client import _RequestContextManager as _Exchange

CONNECT_TIMEOUT = 10.0
"""Seconds to make a connection, with all that belongs to it: name, proxy, TLS."""


class Transport(Protocol):
    """A way to one endpoint."""

    async def send(self, request: HttpRequest, departed: Callable[[], None]) -> HttpReply | Fault:
        """Send a request and return the whole reply; call `departed` when the request leaves."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


@runtime_checkable
class StreamingTransport(Transport, Protocol):
    """A way to an endpoint whose replies can be read as they come."""

    async def stream(
        self, request: HttpRequest, departed: Callable[[], None]
    ) -> ByteStream | HttpReply | Fault:
        """Send a request and return its reply when it begins, if it comes in pieces; any other reply is returned whole.

        What is returned as a stream is to be closed.
        """
        ...


class HttpTransport:
    """A pool of connections to one base URL.

    Args:
        base_url: Where paths begin; scheme, host, port and a prefix.
        headers: Sent with every request.

    Raises:
        ConfigError: The base URL, a header or the proxy that the environment names cannot be used.
    """

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._urls: dict[str, URL] = {}
        _check(self._base_url, self._headers)
        self._proxy = _proxy_for(base_url)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, departed: Callable[[], None]) -> HttpReply | Fault:
        """Send a request and return the whole reply, or why there is none.

        There is no limit of time here but for making the connection; the engine owns the attempt's deadline.
        """
        try:
            async with self._request(request, departed) as response:
                return HttpReply(response.status, response.headers, await response.read())
        except FAILURES as error:
            return self._explain(error)

    async def stream(
        self, request: HttpRequest, departed: Callable[[], None]
    ) -> ByteStream | HttpReply | Fault:
        """Send a request and return its reply when it begins, if it comes in pieces; any other reply is returned whole.

        What is returned as a stream is to be closed.
        """
        try:
            response = await self._request(request, departed)
            if 200 <= response.status < 300 and response.content_type in TYPES:
                return HttpStream(response)
            async with response:
                return HttpReply(response.status, response.headers, await response.read())
        except FAILURES as error:
            return self._explain(error)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _request(self, request: HttpRequest, departed: Callable[[], None]) -> "_Exchange":
        session = self._session or self._open()
        return session.request(
            request.method,
            self._url(request.path),
            data=_Body(request.body, departed),
            headers={**self._headers, **request.headers} if request.headers else self._headers,
            allow_redirects=False,
            proxy=self._proxy,
        )

    def _explain(self, error: BaseException) -> Fault:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            words = f"no connection to {self._base_url} within {CONNECT_TIMEOUT:.0f} s"
            return Fault(FaultKind.CONNECTION, words)
        return explain(error)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
        )
        return self._session

    def _url(self, path: str) -> URL:
        if path not in self._urls:
            self._urls[path] = URL(self._base_url + path)
        return self._urls[path]


class _Body(Payload):
    """A request's body that tells when it leaves: connecting may take longer than a quota's window."""

    _value: bytes

    def __init__(self, value: bytes, departed: Callable[[], None]) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self._departed = departed

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002  the body is always whole
    ) -> None:
        self._departed()
        await writer.write(self._value)


def _check(base_url: str, headers: Mapping[str, str]) -> None:
    """See that requests can be made at all."""
    try:
        host = URL(base_url).host or ""
        host.encode(
            "idna"
        )  # as the look-up of the name does, which fails with what is no error of the network
    except ValueError as error:
        raise ConfigError(f"base URL '{base_url}' is none: {error}") from None
    for name, value in headers.items():
        if not value.isprintable():
            raise ConfigError(f"the header {name} would hold a line break or another control character")


def _proxy_for(base_url: str) -> str | None:
    """Return the proxy that HTTP(S)_PROXY and NO_PROXY ask for; looked up once, not for each request."""
    parts = urlsplit(base_url)
    host = parts.hostname
    if host is None or _is_loopback(host):  # as in Go: nobody means a proxy for this very machine
        return None
    if urllib.request.proxy_bypass(host) or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
        raise ConfigError(
            f"the environment names the proxy {urlsplit(proxy).scheme}://...; only HTTP proxies can be used",
            hint=f"Set {parts.scheme}_proxy to an HTTP proxy, or add {host} to no_proxy.",
        )
    return proxy or None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
