"""The shell on real sockets: connections that end in every way, and a ledger that knows it."""

import asyncio
import io
from collections import Counter

import aiohttp
import msgspec
import pytest

from brimline.sim import Scenario, conversation_key, simulate
from brimline.sim.control import is_local

from .harness import chat

pytestmark = pytest.mark.real_time
FAULT = '[[models."*".faults]]\nkind = "{}"\n'


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def post(http, url, text="hi", **parameters):
    async with http.post(f"{url}/chat/completions", data=chat(text, **parameters)) as reply:
        return reply.status, await reply.read()


async def get(http, url, path):
    async with http.get(f"{url}{path}") as reply:
        return await reply.read()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


@pytest.fixture
async def fresh():
    """A connection for each request: aiohttp sends again by itself when a used one is reset."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


async def test_the_ledger_equals_what_the_client_saw(start, fresh):
    simulator = await start(
        '[models."*"]\nlatency = "uniform(0s, 20ms)"\nrequests = { rate = "1/min", bucket = 150 }\n'
        + FAULT.format("500")
        + "share = 0.1\n"
        + FAULT.format("reset")
        + "share = 0.1"
    )

    async def client(text):
        try:
            status, body = await post(fresh, simulator.url, text)
        except aiohttp.ClientConnectionError:
            return text, 0
        if status == 200:
            assert msgspec.json.decode(body)["choices"][0]["message"]["content"] == f"echo: {text}"
        return text, status

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client(f"number {i}")) for i in range(200)]
    seen = [task.result() for task in tasks]
    assert sorted(seen) == sorted((entry.text, entry.status) for entry in simulator.entries)
    statuses = Counter(status for _, status in seen)
    assert set(statuses) == {0, 200, 429, 500}
    total = simulator.stats.total
    assert (total.received, total.served, total.refused) == (200, statuses[200], statuses[429])
    assert total.failed == {"500": statuses[500], "reset": statuses[0]}
    assert total.in_flight == 0


async def test_times_in_the_ledger_are_those_of_the_clock(start, http):
    simulator = await start('[models."*"]\nlatency = "50ms"')
    await post(http, simulator.url)
    [entry] = simulator.entries
    assert entry.latency == 0.05
    assert 0.045 <= entry.done - entry.t < 0.5
    assert entry.key == conversation_key([{"role": "user", "content": "hi"}])


async def test_a_client_that_leaves_is_gone_and_frees_its_slot(start, http):
    simulator = await start('[models."*"]\nlatency = "1h"\nconcurrency = { limit = 1, over = "queue" }')
    tasks = [asyncio.create_task(post(http, simulator.url, f"{i}")) for i in range(3)]
    await until(lambda: simulator.stats.total.in_flight == 3)
    for task in tasks:
        task.cancel()
    await until(lambda: simulator.stats.total.in_flight == 0)
    assert [(entry.kind, entry.status) for entry in simulator.entries] == [("gone", 0)] * 3


async def test_a_queue_answers_in_order_and_never_more_than_its_limit(start, http):
    simulator = await start('[models."*"]\nlatency = "20ms"\nconcurrency = { limit = 2, over = "queue" }')
    async with asyncio.TaskGroup() as group:
        for i in range(6):
            group.create_task(post(http, simulator.url, f"{i}"))
    done = [entry.done for entry in simulator.entries]
    assert [entry.n for entry in simulator.entries] == sorted(entry.n for entry in simulator.entries)
    assert done[5] - simulator.entries[0].t >= 0.055


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("reset", aiohttp.ClientOSError, 0),
        ("truncate", aiohttp.ClientPayloadError, 200),
        ("stall", TimeoutError, 0),
    ],
)
async def test_replies_that_break(start, fresh, kind, error, status):
    simulator = await start(FAULT.format(kind))
    with pytest.raises(error):
        await asyncio.wait_for(post(fresh, simulator.url), 0.2)
    await until(lambda: simulator.entries)
    assert [(entry.kind, entry.status) for entry in simulator.entries] == [(kind, status)]


async def test_a_stalled_stream_shows_its_first_half(start, http):
    simulator = await start(FAULT.format("stall"))
    async with http.post(f"{simulator.url}/chat/completions", data=chat(stream=True)) as reply:
        seen = await reply.content.readany()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reply.content.readany(), 0.1)
    assert b'"role":"assistant"' in seen
    assert b"[DONE]" not in seen


async def test_an_outage_refuses_and_is_over_on_the_same_port(start, http):
    simulator = await start(
        '[models."*"]\nlatency = "120ms"\n[[outages]]\nfrom = "50ms"\nto = "250ms"\n'
        '[[outages]]\nfrom = "300ms"\nto = "1h"\nkind = "503"'
    )
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(http, simulator.url, "in flight")
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(http, simulator.url, "refused")
    await until_open(http, simulator.url)
    await asyncio.sleep(0.06)
    assert (await post(http, simulator.url, "503"))[0] == 503
    assert [(entry.text, entry.kind) for entry in simulator.entries] == [
        ("in flight", "cut"),
        ("503", "outage"),
    ]


async def until_open(http, url):
    """Wait for a server to listen."""
    while not await listens(http, url):
        await asyncio.sleep(0.01)


async def listens(http, url):
    try:
        return await get(http, url, "/models")
    except aiohttp.ClientConnectionError:
        return False


async def test_a_reset_begins_anew(start, http):
    simulator = await start('[models."*"]\nrequests = { rate = "60/min", bucket = 1 }\nreply = "lorem"')
    first, refused = [await post(http, simulator.url) for _ in range(2)]
    async with http.post(f"{simulator.url}/sim/reset") as reply:
        assert reply.status == 200
    assert refused[0] == 429
    assert simulator.stats.total.received == 0
    again = await post(http, simulator.url)
    contents = [msgspec.json.decode(body)["choices"] for _, body in (first, again)]
    assert contents[0] == contents[1]
    assert simulator.entries[0].n == 1


async def test_a_reset_during_an_outage_ends_it(start, http):
    simulator = await start('[[outages]]\nfrom = "0s"\nto = "1h"')
    await post(http, simulator.url)
    while await listens(http, simulator.url):
        await asyncio.sleep(0)
    await simulator.reset()
    assert await get(http, simulator.url, "/models")


async def test_tests_can_ask_what_happened(start, http):
    simulator = await start('[models.gpt-4]\nlatency = "1ms"')
    await post(http, simulator.url, model="gpt-4")
    root = simulator.url.removesuffix("/v1")
    stats = msgspec.json.decode(await get(http, root, "/sim/stats"))
    assert stats["models"]["gpt-4"]["served"] == 1
    assert (await get(http, root, "/sim/ledger")) == simulator.ledger.lines()
    words = msgspec.json.decode(await get(http, root, "/sim/scenario"))
    assert Scenario.make(**words) == simulator.scenario
    models = msgspec.json.decode(await get(http, root, "/models"))["data"]
    assert [model["id"] for model in models] == ["gpt-4"]


@pytest.mark.parametrize(
    ("address", "local"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), (None, False)]
)
def test_only_this_machine_may_ask(address, local):
    assert is_local(address) == local


async def test_wrong_urls_get_openais_errors(start, http):
    simulator = await start()
    wrong = msgspec.json.decode(await get(http, simulator.url, "/nothing"))
    assert wrong["error"]["message"] == "Invalid URL (GET /v1/nothing)"
    async with http.get(f"{simulator.url}/chat/completions") as reply:
        assert reply.status == 405


async def test_http_as_clients_speak_it(start):
    """Two requests at once, a chunked body, Expect, and a wish to close, all on one connection."""
    simulator = await start()
    port = int(simulator.url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body, line = chat(), b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    plain = line + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    chunked = line + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    last = line + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    writer.write(plain + plain + chunked + last)
    seen = await reader.readuntil(b"100 Continue\r\n\r\n")
    assert seen.count(b"HTTP/1.1 200 OK") == 3
    writer.write(body)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_a_large_image_is_accepted(start, http):
    simulator = await start()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "what?"}, image]}]
    body = io.BytesIO(chat(messages=messages))
    async with http.post(f"{simulator.url}/chat/completions", data=body) as reply:
        assert reply.status == 200


async def test_stopping_waits_for_replies_but_not_for_ever(http):
    async with simulate(
        Scenario.parse('[models.slow]\nlatency = "1h"\n[models.m]\nlatency = "80ms"'), grace=0.3
    ) as simulator:
        quick = asyncio.create_task(post(http, simulator.url))
        slow = asyncio.create_task(post(http, simulator.url, model="slow"))
        await until(lambda: simulator.stats.total.in_flight == 2)
    assert (await quick)[0] == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        await slow
    assert [(entry.model, entry.kind) for entry in simulator.entries] == [("m", "ok"), ("slow", "cut")]


async def test_the_clock_can_be_given(http):
    now = 0

    async with simulate(
        Scenario.parse('[models."*"]\nwindow = { limit = 1, seconds = 60 }'), clock=lambda: now
    ) as simulator:
        statuses = [(await post(http, simulator.url))[0] for _ in range(2)]
        now = 60 * 10**9
        statuses.append((await post(http, simulator.url))[0])
    assert statuses == [200, 429, 200]
    assert [entry.t for entry in simulator.entries] == [0, 0, 60]
