"""Replies that are read as they come, from servers that stop, break off, or go on for ever."""

import asyncio
import contextlib
import gzip

import pytest

from brimline.transport import HttpTransport, StreamingTransport
from brimline.types import Fault, FaultKind, HttpReply, HttpRequest
from tests.transport.wire import BODY, Server, answer, receive, reset

pytestmark = pytest.mark.real_time

ASK = HttpRequest("/chat/completions", b'{"stream": true}', {})
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_1\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def piece(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def ignore():
    pass


@contextlib.asynccontextmanager
async def opened(server):
    transport = HttpTransport(server.url, {})
    try:
        async with asyncio.timeout(20):
            yield transport
    finally:
        await transport.close()


@contextlib.asynccontextmanager
async def streamed(script):
    """The reply that a script gives, and its server."""
    async with Server(script=script) as server, opened(server) as transport:
        reply = await transport.stream(ASK, ignore)
        yield reply, server
        if not isinstance(reply, Fault | HttpReply):
            reply.close()


async def rest(stream):
    """All that comes, and the fault that ends it, if one does."""
    data = b""
    while read := await stream.read():
        if isinstance(read, Fault):
            return data, read
        data += read
    return data, None


def test_http_can_stream():
    assert isinstance(HttpTransport("http://x", {}), StreamingTransport)


async def test_the_head_and_each_piece_are_there_when_they_come():
    go_on = asyncio.Event()

    async def script(reader, writer):
        await receive(reader)
        for data in (CHUNKED, piece(b"data: a\n\n"), piece(b"data: b\n\n") + b"0\r\n\r\n"):
            writer.write(data)
            await go_on.wait()
            go_on.clear()

    async with streamed(script) as (stream, _):
        assert (stream.head.status, stream.head.headers["X-Request-Id"], stream.head.body) == (
            200,
            "req_1",
            b"",
        )
        go_on.set()
        assert await stream.read() == b"data: a\n\n"
        go_on.set()
        assert await stream.read() == b"data: b\n\n"
        assert await stream.read() == b""


async def test_it_says_when_the_request_leaves():
    seen = []
    async with Server(CHUNKED + b"0\r\n\r\n") as server, opened(server) as transport:
        stream = await transport.stream(ASK, lambda: seen.append("left"))
        assert (seen, server.requests[0][2]) == (["left"], ASK.body)
        stream.close()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (answer(), 200),
        (answer(content_type="text/html"), 200),
        (answer(content_type=None), 200),
        (answer(status="429 Too Many Requests", content_type="text/event-stream"), 429),
        (answer(status="500 Internal Server Error"), 500),
        (answer(gzip.compress(BODY), content_encoding="gzip"), 200),
    ],
)
async def test_what_is_no_stream_is_read_whole(reply, status):
    async with Server(reply) as server, opened(server) as transport:
        for _ in range(3):
            whole = await transport.stream(ASK, ignore)
            assert isinstance(whole, HttpReply)
            assert (whole.status, whole.body) == (status, BODY)
        assert server.connections == 1


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "Text/Event-Stream", "application/vnd.amazon.eventstream"]
)
async def test_answers_come_in_pieces_under_several_names(kind):
    async with Server(answer(b"{}\n", content_type=kind)) as server, opened(server) as transport:
        assert await rest(await transport.stream(ASK, ignore)) == (b"{}\n", None)


async def test_a_connection_is_used_again_after_the_end():
    async with (
        Server(CHUNKED + piece(b"data: [DONE]\n\n") + b"0\r\n\r\n") as server,
        opened(server) as transport,
    ):
        for _ in range(5):
            stream = await transport.stream(ASK, ignore)
            await stream.read()
            await stream.finish()
        assert (server.connections, len(server.requests)) == (1, 5)


async def test_the_end_is_not_waited_for_long():
    ended = asyncio.Event()

    async def script(reader, writer):
        await receive(reader)
        writer.write(CHUNKED + piece(b"data: [DONE]\n\n"))
        await reader.read()
        ended.set()

    async with streamed(script) as (stream, _):
        await stream.read()
        await stream.finish()
        await ended.wait()


async def test_closing_it_closes_the_connection():
    """So the server stops, and nothing more is paid for."""
    ended = asyncio.Event()

    async def script(reader, writer):
        await receive(reader)
        writer.write(CHUNKED + piece(b"data: a\n\n"))
        await reader.read()
        ended.set()

    async with streamed(script) as (stream, _):
        await stream.read()
        stream.close()
        await ended.wait()


async def test_giving_up_before_the_head_closes_the_connection():
    asked, ended = asyncio.Event(), asyncio.Event()

    async def script(reader, _):
        await receive(reader)
        asked.set()
        await reader.read()
        ended.set()

    async with Server(script=script) as server, opened(server) as transport:
        waiting = asyncio.create_task(transport.stream(ASK, ignore))
        await asked.wait()
        waiting.cancel()
        await ended.wait()


@pytest.mark.parametrize(
    "broken",
    [
        CHUNKED + piece(b"data: a\n\n"),
        CHUNKED + piece(b"data: a\n\n") + b"1f\r\ndata: b",
        HEAD + b"content-length: 99\r\n\r\ndata: a\n\n",
    ],
)
async def test_a_connection_that_ends_in_the_middle_is_a_fault(broken):
    async def script(reader, writer):
        await receive(reader)
        writer.write(broken)

    async with streamed(script) as (stream, _):
        data, fault = await rest(stream)
    assert data.startswith(b"data: a\n\n")
    assert (fault.kind, "broke off" in fault.detail) == (FaultKind.CONNECTION, True)
    assert "400" not in fault.detail, "aiohttp's words hold a status that nobody sent"


async def test_a_reset_is_a_fault():
    async def script(reader, writer):
        await receive(reader)
        writer.write(CHUNKED + piece(b"data: a\n\n"))
        await reader.read(1)
        reset(writer)

    async with streamed(script) as (stream, _):
        assert await stream.read() == b"data: a\n\n"
        stream._response.connection.transport.write(b"x")  # tells the server that it was read
        _, fault = await rest(stream)
    assert fault.kind is FaultKind.CONNECTION


async def test_chunks_that_are_none_are_a_fault():
    async def script(reader, writer):
        await receive(reader)
        writer.write(CHUNKED + piece(b"data: a\n\n") + b"nonsense\r\n")
        await reader.read()

    async with streamed(script) as (stream, _):
        fault = stream if isinstance(stream, Fault) else (await rest(stream))[1]
    assert fault.kind in {FaultKind.CONNECTION, FaultKind.BAD_REPLY}


async def test_no_connection_is_a_fault():
    async with Server() as server:
        pass
    async with opened(server) as transport:
        assert (await transport.stream(ASK, ignore)).kind is FaultKind.CONNECTION


async def test_a_body_without_a_length_ends_with_the_connection():
    async def script(reader, writer):
        await receive(reader)
        writer.write(HEAD + b"connection: close\r\n\r\ndata: a\n\n")

    async with streamed(script) as (stream, _):
        assert await rest(stream) == (b"data: a\n\n", None)


async def test_a_slow_reader_slows_the_server():
    """Nothing piles up here: what is not read stays in the server's way."""
    sent = 0

    async def script(reader, writer):
        nonlocal sent
        await receive(reader)
        writer.write(CHUNKED)
        for _ in range(400):
            writer.write(piece(b"x" * (1 << 16)))
            await writer.drain()
            sent += 1 << 16

    async with streamed(script) as (stream, _):
        before = -1
        while sent != before:  # until the server is stuck
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 16 << 20
        data, _ = await rest(stream)
        assert len(data) == 400 << 16
