"""HTTP over aiohttp: send one request, get a reply or the fault that stood in the way.

aiohttp costs about a tenth of the CPU of httpx and the official SDKs, and its pool does not slow down with the
number of connections. The pool has no limit of its own: the engine decides how much is in flight.
"""

import urllib.request
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from brimline.errors import ConfigError
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest

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
        session = self._session or self._open()
        try:
            async with session.post(
                self._url(request.path),
                data=_Body(request.body, departed),
                headers={**self._headers, **request.headers} if request.headers else self._headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                return HttpReply(response.status, response.headers, await response.read())
        except aiohttp.InvalidURL as error:
            return Fault(FaultKind.NOT_FOUND, f"the base URL is none: {_words(error)}")
        except aiohttp.ClientHttpProxyError as error:
            kind = FaultKind.AUTH if error.status == 407 else FaultKind.CONNECTION
            return Fault(kind, f"the proxy refuses: {error.status} {error.message}", http_status=error.status)
        except aiohttp.ClientResponseError as error:
            return Fault(FaultKind.BAD_REPLY, f"the reply is no HTTP: {error.message}")
        except aiohttp.ClientPayloadError as error:
            return Fault(FaultKind.CONNECTION, f"the reply broke off: {_words(error)}")
        except aiohttp.ConnectionTimeoutError:
            return Fault(
                FaultKind.CONNECTION, f"no connection to {self._base_url} within {CONNECT_TIMEOUT:.0f} s"
            )
        except (aiohttp.ClientError, OSError) as error:
            return Fault(FaultKind.CONNECTION, _words(error))

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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


def _words(error: BaseException) -> str:
    """Describe an exception for people; some have no text of their own."""
    return str(error) or type(error).__name__
