"""HTTP against servers that do everything wrong: a reply, or the fault that stood in the way, and never an exception."""

import asyncio
import contextlib
import gzip
import inspect
import socket
import zlib

import aiohttp
import pytest
from aiohttp import http_exceptions

from brimline.errors import ConfigError
from brimline.transport import http
from brimline.transport.http import HttpTransport
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest
from tests.transport.wire import BODY, Server, answer, receive, reset

pytestmark = pytest.mark.real_time

ASK = HttpRequest("/chat/completions", b'{"model": "x"}', {})
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ignore():
    pass


@contextlib.asynccontextmanager
async def opened(url, headers=None):
    transport = HttpTransport(
        url, headers or {"Content-Type": "application/json", "Authorization": "Bearer sk-1"}
    )
    try:
        yield transport
    finally:
        await transport.close()


async def sent(url, request=ASK, departed=ignore):
    async with opened(url) as transport, asyncio.timeout(20):
        return await transport.send(request, departed)


async def scripted(script, request=ASK):
    async with Server(script=script) as server:
        return await sent(server.url, request)


# What goes out and what comes back.


async def test_a_request_is_sent_with_its_headers_and_its_reply_comes_back_whole():
    async with Server(answer(x_request_id="req_1", status="429 Too Many Requests")) as server:
        reply = await sent(
            server.url + "/", HttpRequest("/chat/completions", b'{"a": "\xc3\xa9"}', {"X-More": "1"})
        )
    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.body, reply.headers.get("X-REQUEST-ID")) == (429, BODY, "req_1")
    ((line, headers, body),) = server.requests
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert body == b'{"a": "\xc3\xa9"}'
    wanted = {
        "authorization": "bearer sk-1",
        "content-type": "application/json",
        "x-more": "1",
        "content-length": "11",
    }
    assert wanted.items() <= headers.items()


async def test_a_connection_is_used_again():
    async with Server() as server, opened(server.url) as transport:
        for _ in range(5):
            assert (await transport.send(ASK, ignore)).status == 200
        assert (server.connections, len(server.requests)) == (1, 5)


async def test_there_is_no_limit_of_connections():
    """The engine decides how much is in flight; a second limit here would make permits wait unseen."""
    together = asyncio.Barrier(120)

    async def script(reader, writer):
        await receive(reader)
        await together.wait()
        writer.write(answer())

    async with Server(script=script) as server, opened(server.url) as transport, asyncio.timeout(20):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(transport.send(ASK, ignore)) for _ in range(120)]
        assert {task.result().status for task in tasks} == {200}
        assert server.connections == 120


async def test_large_bodies_pass_in_both_directions():
    large = b"x" * (20 << 20)
    async with Server(answer(large)) as server:
        reply = await sent(server.url, HttpRequest("/x", large, {}))
    assert reply.body == large
    assert server.requests[0][2] == large


@pytest.mark.parametrize(
    "reply",
    [
        answer(gzip.compress(BODY), content_encoding="gzip"),
        answer(zlib.compress(BODY), content_encoding="deflate"),
        answer(b"a\r\n" + BODY[:10] + b"\r\n4;ext=1\r\n" + BODY[10:] + b"\r\n0\r\n\r\n", transfer_encoding="chunked", content_length=None),
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        b"HTTP/1.1 200\r\ncontent-length: 14\r\n\r\n" + BODY,
        answer(content_type="text/html; charset=nonsense"),
        answer(content_type=None),
        answer(set_cookie="a=b", content_type="application/json"),
    ],
)  # fmt: skip
async def test_a_body_is_the_same_however_it_travels(reply):
    async with Server(reply) as server:
        assert (await sent(server.url)).body == BODY


async def test_a_body_without_a_length_ends_with_the_connection():
    async def script(reader, writer):
        await receive(reader)
        writer.write(answer(content_length=None))

    assert (await scripted(script)).body == BODY


async def test_a_redirect_is_not_followed():
    """A credential goes where the user sent it and nowhere else."""
    async with Server() as elsewhere:
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            async with Server(answer(b"", status, location=elsewhere.url)) as server:
                reply = await sent(server.url)
                assert (str(reply.status), reply.headers["location"]) == (status[:3], elsewhere.url)
        assert elsewhere.connections == 0


async def test_no_cookie_is_sent_back():
    """A jar takes none from a bare address, so the server has a name here."""
    async with (
        Server(answer(set_cookie="session=1")) as server,
        opened(server.url.replace("127.0.0.1", "localhost")) as transport,
    ):
        for _ in range(2):
            await transport.send(ASK, ignore)
    assert "cookie" not in server.requests[1][1]


# When it leaves.


async def test_departed_is_called_once_when_the_request_leaves():
    """After the connection is made, and before the server can have seen the body."""
    seen = []

    async def script(reader, writer):
        seen.append("connected")
        request = await receive(reader)
        seen.append(("received", request[2]))
        writer.write(answer())

    async with Server(script=script) as server:
        await sent(server.url, departed=lambda: seen.append("departed"))
    assert sorted(map(str, seen[:2])) == ["connected", "departed"]
    assert seen[2] == ("received", ASK.body)
    assert len(seen) == 3


async def test_departed_is_called_for_each_request_on_a_pooled_connection():
    departed = []
    async with Server() as server, opened(server.url) as transport:
        for number in range(3):
            await transport.send(ASK, lambda number=number: departed.append(number))
    assert departed == [0, 1, 2]


async def test_departed_waits_for_the_connection(monkeypatch):
    """Making a connection may take longer than a quota's window; until then nothing has left."""
    departed, asked, go_on = [], asyncio.Event(), asyncio.Event()

    class Slow(aiohttp.TCPConnector):
        async def connect(self, *arguments, **options):
            asked.set()
            await go_on.wait()
            return await super().connect(*arguments, **options)

    monkeypatch.setattr(aiohttp, "TCPConnector", Slow)
    async with Server() as server, opened(server.url) as transport:
        task = asyncio.create_task(transport.send(ASK, lambda: departed.append(1)))
        await asked.wait()
        assert departed == []
        go_on.set()
        assert (await task).status == 200
    assert departed == [1]


# What goes wrong.


def refused_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


async def test_a_refused_connection_is_a_fault_and_nothing_has_left():
    departed = []
    fault = await sent(f"http://127.0.0.1:{refused_port()}/v1", departed=lambda: departed.append(1))
    assert fault.kind is FaultKind.CONNECTION
    assert "127.0.0.1" in fault.detail
    assert departed == []


async def test_a_name_that_does_not_exist_is_a_fault(monkeypatch):
    """Nothing here asks a real name server."""

    async def no_name(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_name)
    fault = await sent("http://llm.invalid/v1")
    assert (fault.kind, "llm.invalid" in fault.detail) == (FaultKind.CONNECTION, True)


@pytest.fixture
def full_queue():
    """A port whose queue of connections is full: another one is neither taken nor refused."""
    with socket.socket() as server, contextlib.ExitStack() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_connection_that_is_never_made_is_a_fault_and_nothing_has_left(
    full_queue, monkeypatch, scheme
):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.05)
    departed = []
    fault = await sent(f"{scheme}://127.0.0.1:{full_queue}/v1", departed=lambda: departed.append(1))
    assert fault == Fault(
        FaultKind.CONNECTION, f"no connection to {scheme}://127.0.0.1:{full_queue}/v1 within 0 s"
    )
    assert departed == []


async def test_a_server_that_never_answers_the_tls_greeting_is_a_fault(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.05)

    async def script(reader, _):
        await reader.read()

    async with Server(script=script) as server:
        fault = await sent(server.url.replace("http", "https"))
    assert (fault.kind, fault.detail.startswith("no connection to https://")) == (FaultKind.CONNECTION, True)


async def test_a_slow_reply_has_no_limit_here(monkeypatch):
    """The limit for connecting must not become one for the answer."""
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.05)

    async def script(reader, writer):
        await receive(reader)
        await asyncio.sleep(0.1)
        writer.write(answer())

    assert (await scripted(script)).status == 200


async def plain(reader, writer):
    await reader.read(1)
    writer.write(answer())


async def gone(reader, _):
    await receive(reader)


async def gone_early(reader, writer):
    reset(writer)


async def broken(reader, writer):
    await receive(reader)
    reset(writer)


def half(*parts, then=None):
    async def script(reader, writer):
        await receive(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then:
            then(writer)

    return script


WHOLE = answer(b"x" * 1000)
CHUNKED = answer(b"ff\r\nabc", transfer_encoding="chunked", content_length=None)
GARBAGE_GZIP = answer(b"this is not gzip", content_encoding="gzip")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (gone, "connection"),
        (gone_early, "connection"),
        (broken, "connection"),
        (half(b"HTT"), "connection"),
        (half(b"HTTP/1.1 200 OK\r\ncontent-le"), "connection"),
        (half(WHOLE[:-1]), "connection"),
        (half(WHOLE[:200]), "connection"),
        (half(WHOLE[:200], then=reset), "connection"),
        (half(CHUNKED), "connection"),
        (half(GARBAGE_GZIP), "connection"),
        (half(answer(b"zz\r\nabc\r\n", transfer_encoding="chunked", content_length=None)), "bad_reply"),
        (half(b"SSH-2.0-OpenSSH_9.2\r\n"), "bad_reply"),
        (half(b"\x16\x03\x01\x02\0\x01"), "bad_reply"),
        (half(b"HTTP/9.9 hello\r\n\r\n"), "bad_reply"),
        (half(b"HTTP/1.1 2000 OK\r\n\r\n"), "bad_reply"),
        (half(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), "bad_reply"),
        (half(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"), "bad_reply"),
        (half(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"), "bad_reply"),
        (half(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "bad_reply"),
        (half(b"<html>" * 50), "bad_reply"),
    ],
)
async def test_a_reply_that_breaks_off_or_is_none_is_a_fault(script, kind):
    fault = await scripted(script)
    assert isinstance(fault, Fault), fault
    assert (fault.kind, fault.http_status) == (kind, None)
    assert fault.detail


async def test_a_server_without_tls_behind_https_is_a_fault():
    async with Server(script=plain) as server:
        fault = await sent(server.url.replace("http", "https"))
    assert fault.kind is FaultKind.CONNECTION


async def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced():
    closed = asyncio.Event()

    async def once(reader, writer):
        await receive(reader)
        writer.write(answer())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with Server(script=once) as server, opened(server.url) as transport:
        for _ in range(3):
            closed.clear()
            assert (await transport.send(ASK, ignore)).status == 200
            await closed.wait()
            for _ in range(9):  # the loop's turns to hear of it
                await asyncio.sleep(0)
        assert server.connections == 3


async def test_after_a_fault_the_pool_goes_on():
    async with Server() as server, opened(server.url) as transport:
        serve, server.script = server.script, broken
        assert (await transport.send(ASK, ignore)).kind is FaultKind.CONNECTION
        server.script = serve
        assert (await transport.send(ASK, ignore)).status == 200


async def test_cancelling_closes_the_connection():
    gone = asyncio.Event()
    received = asyncio.Event()

    async def script(reader, _):
        await receive(reader)
        received.set()
        await reader.read()
        gone.set()

    async with Server(script=script) as server, opened(server.url) as transport:
        task = asyncio.create_task(transport.send(ASK, ignore))
        await received.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await gone.wait()


async def test_closing_twice_is_harmless_and_not_the_end():
    async with Server() as server, opened(server.url) as transport:
        for _ in range(2):
            assert (await transport.send(ASK, ignore)).status == 200
            await transport.close()
            await transport.close()


async def test_an_address_that_is_none_is_not_tried_for_half_an_hour():
    """Only the connection finds out; no wait makes it right."""
    fault = await sent("http://127.1/v1")
    assert fault.kind is FaultKind.NOT_FOUND


# Every exception there is.


def subclasses(kind):
    return {kind, *(found for child in kind.__subclasses__() for found in subclasses(child))}


EXCEPTIONS = sorted(
    {kind for kind in subclasses(aiohttp.ClientError) if kind.__module__.startswith("aiohttp")}
    | {kind for kind in subclasses(OSError) if kind.__module__ in {"builtins", "socket", "ssl"}},
    key=lambda kind: kind.__name__,
)


def made(kind):
    """An exception without calling its constructor, which asks for connections and requests."""
    error = kind.__new__(kind)
    for name in ("message", "status", "host", "port", "ssl", "_conn_key", "_os_error", "_certificate_error"):
        with contextlib.suppress(AttributeError):
            setattr(error, name, 0)
    return error


class Raising:
    """A session whose every request raises."""

    def __init__(self, error):
        self.error = error

    def request(self, *_, **__):
        raise self.error

    async def close(self):
        pass


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
async def test_every_exception_of_the_network_is_a_fault(kind, monkeypatch):
    error = made(kind)
    if kind.__module__.startswith("aiohttp"):
        monkeypatch.setattr(kind, "__str__", lambda _: "")
    async with opened("http://127.0.0.1:1") as transport:
        transport._session = Raising(error)
        fault = await transport.send(ASK, ignore)
    wanted = FaultKind.NOT_FOUND if issubclass(kind, aiohttp.InvalidURL) else FaultKind.CONNECTION
    if issubclass(kind, aiohttp.ClientResponseError) and kind is not aiohttp.ClientHttpProxyError:
        wanted = FaultKind.BAD_REPLY
    assert fault.kind is wanted
    assert fault.detail, "an exception without words is named"


def test_the_walk_meets_what_aiohttp_has():
    """If a new version brings exceptions of another root, this list is the place to think about them."""
    public = {
        value for value in vars(aiohttp).values() if inspect.isclass(value) and issubclass(value, Exception)
    }
    strange = public - {*EXCEPTIONS}
    assert {kind.__name__ for kind in strange} <= {
        "BadContentDispositionHeader",
        "BadContentDispositionParam",
        "WSMessageTypeError",
        "WebSocketError",
        "EofStream",
        "PayloadAccessError",
    }
    assert http_exceptions.HttpProcessingError not in EXCEPTIONS, (
        "aiohttp turns these into its client's errors"
    )


# Proxies.


async def through(
    monkeypatch, server, name="http_proxy", url="http://llm.example/v1", prefix="http://", **environment
):
    monkeypatch.setenv(name, f"{prefix}127.0.0.1:{server.port}")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    return await sent(url)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
@pytest.mark.parametrize("prefix", ["http://", ""])
async def test_the_environments_proxy_is_used(monkeypatch, name, prefix):
    async with Server() as proxy:
        assert (await through(monkeypatch, proxy, name, prefix=prefix)).body == BODY
    assert proxy.requests[0][0] == "POST http://llm.example/v1/chat/completions HTTP/1.1"


async def test_a_proxy_may_want_a_password_of_its_own(monkeypatch):
    async with Server() as proxy:
        await through(monkeypatch, proxy, prefix="http://user:pw@")
    assert proxy.requests[0][1]["proxy-authorization"] == "basic dxnlcjpwdw=="


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("llm.example", "http://llm.example/v1"),
        ("example", "http://llm.example/v1"),
        (".example", "http://llm.example/v1"),
        ("a.b, llm.example", "http://llm.example/v1"),
        ("llm.example:8000", "http://llm.example:8000/v1"),
        ("*", "http://llm.example/v1"),
        ("", "http://localhost:8000/v1"),
        ("", "http://sim.localhost/v1"),
        ("", "http://127.0.0.1:8000/v1"),
        ("", "http://127.9.9.9/v1"),
        ("", "http://[::1]:8000/v1"),
    ],
)
async def test_some_hosts_need_no_proxy(monkeypatch, no_proxy, url):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert HttpTransport(url, {})._proxy is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("", "http://llm.example/v1"),
        ("other.example", "http://llm.example/v1"),
        ("llm.example:9", "http://llm.example:8000/v1"),
        ("", "http://10.0.0.5/v1"),
        ("", "http://mylocalhost/v1"),
    ],
)
async def test_all_others_do(monkeypatch, no_proxy, url):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert HttpTransport(url, {})._proxy == "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("403 Forbidden", "connection"),
        ("407 Proxy Authentication Required", "auth"),
        ("502 Bad", "connection"),
    ],
)
async def test_a_proxy_that_refuses_a_tunnel_says_so(monkeypatch, status, kind):
    async with Server(answer(b"", status)) as proxy:
        fault = await through(monkeypatch, proxy, "https_proxy", "https://llm.example/v1")
    assert proxy.requests[0][0] == "CONNECT llm.example:443 HTTP/1.1"
    assert (fault.kind, fault.detail) == (kind, f"the proxy refuses: {status}")
    assert "authorization" not in proxy.requests[0][1], "the key is for the endpoint alone"


async def test_a_proxy_that_is_not_there_is_a_fault(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port()}")
    assert (await sent("http://llm.example/v1")).kind is FaultKind.CONNECTION


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "socks4a://h", "ftp://h"])
def test_a_proxy_of_another_kind_is_refused_at_once(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConfigError, match="only HTTP proxies can be used") as refused:
        HttpTransport("http://llm.example/v1", {})
    assert "no_proxy" in refused.value.hint


# What cannot be sent at all.


@pytest.mark.parametrize(
    "url",
    [
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://a..b/v1",
        f"http://{'a' * 64}.example/v1",
        "http://" + "ä" * 64,
    ],
)
def test_a_base_url_that_is_none_is_refused_at_once(url):
    with pytest.raises(ConfigError, match="is none"):
        HttpTransport(url, {})


@pytest.mark.parametrize("value", ["Bearer sk-1\n", "a\r\nInjected: 1", "\0"])
def test_a_header_that_breaks_its_line_is_refused_at_once_and_not_shown(value):
    with pytest.raises(ConfigError, match="the header Authorization") as refused:
        HttpTransport("http://host/v1", {"Authorization": value})
    assert "sk-1" not in str(refused.value)
