"""The virtual loop: exact timers, real threads and sockets, and no hang that is not an error."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from openai import AsyncOpenAI

from brimline.testing.virtual import Deadlock, VirtualLoop, run_virtual


def now():
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def served(handler):
    """Serve every path of a free port with one handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_day_passes_at_once():
    began = time.monotonic()
    await asyncio.sleep(86400)
    assert now() == 86400.0
    assert time.monotonic() - began < 1.0


async def test_timers_are_exact_and_in_order():
    moments = []

    async def sleeper(span):
        await asyncio.sleep(span)
        moments.append((span, now()))

    async with asyncio.TaskGroup() as group:
        for tenth in range(500, 0, -1):
            group.create_task(sleeper(tenth / 10))
    assert moments == [(tenth / 10, tenth / 10) for tenth in range(1, 501)]


async def test_sums_of_small_steps_do_not_drift():
    for _ in range(1000):
        await asyncio.sleep(0.1)
    assert now() == 100.0


async def test_a_timeout_ends_at_its_moment():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600):
            await asyncio.Event().wait()
    assert now() == 600.0


async def test_time_stands_still_while_something_can_run():
    for _ in range(1000):
        await asyncio.sleep(0)
    assert now() == 0.0


async def test_time_stands_still_while_a_thread_works():
    """Its timeout does not expire because the thread takes real time."""
    async with asyncio.timeout(0.01):
        assert await asyncio.to_thread(lambda: time.sleep(0.1) or 5) == 5
    assert now() == 0.0


async def test_threads_and_timers_together():
    gate = threading.Event()
    asyncio.get_running_loop().call_later(30, gate.set)
    waiting = asyncio.create_task(asyncio.to_thread(gate.wait, 0.2))
    await asyncio.sleep(0)
    await asyncio.sleep(60)
    assert await waiting is False, "the clock waited for the thread, so the timer could not help it"
    assert now() == 60.0


async def test_a_hundred_requests_to_a_server_that_takes_thirty_seconds():
    async def handler(request):
        await asyncio.sleep(30)
        return web.Response(text=request.path)

    async with served(handler) as url, aiohttp.ClientSession() as session:

        async def get(number):
            async with session.get(f"{url}/{number}") as response:
                return await response.text(), now()

        tasks = [asyncio.create_task(get(number)) for number in range(100)]
        results = [await task for task in tasks]
    assert results == [(f"/{number}", 30.0) for number in range(100)]


async def test_a_client_gives_up_before_the_server_answers():
    async def handler(request):
        await asyncio.sleep(30)

    async with served(handler) as url, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        with pytest.raises(TimeoutError):
            await session.get(url)
        assert 5.0 <= now() <= 5.1


async def test_a_stream_with_gaps():
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(5):
            await asyncio.sleep(10)
            await response.write(f"{number}\n".encode())
        return response

    async with served(handler) as url, aiohttp.ClientSession() as session, session.get(url) as response:
        moments = [(line, now()) async for line in response.content]
    assert moments == [(f"{number}\n".encode(), 10.0 * (number + 1)) for number in range(5)]


async def test_the_openai_sdk_obeys_retry_after_in_virtual_time():
    moments = []

    async def handler(request):
        moments.append(now())
        if len(moments) == 1:
            return web.json_response(
                {"error": {"message": "slow"}}, status=429, headers={"Retry-After": "20"}
            )
        message = {"role": "assistant", "content": "yes"}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    async with served(handler) as url, AsyncOpenAI(base_url=url, api_key="sk", max_retries=1) as client:
        completion = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "?"}]
        )
    assert completion.choices[0].message.content == "yes"
    assert moments[1] - moments[0] == pytest.approx(20.0, abs=0.01)


def test_a_deadlock_is_an_error_that_names_who_waits():
    async def stuck():
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="stuck"):
        run_virtual(stuck(), patience=0.01)


def test_a_thread_that_never_ends_is_an_error_too():
    gate = threading.Event()

    async def main():
        try:
            await asyncio.to_thread(gate.wait, 30)
        finally:
            gate.set()

    with pytest.raises(Deadlock, match="1 threads did not end"):
        run_virtual(main(), patience=0.05)


def test_tasks_that_are_left_are_an_error():
    async def main():
        main.task = asyncio.create_task(asyncio.sleep(5))

    with pytest.raises(AssertionError, match="tasks were left"):
        run_virtual(main())


def test_it_starts_when_it_is_told_to_and_returns_what_it_ran():
    async def main():
        await asyncio.sleep(1)
        return now()

    assert run_virtual(main(), start=1e6) == 1e6 + 1


def test_a_socket_that_something_outside_writes_to_is_waited_for():
    """No timer is set, so nothing is skipped by waiting."""

    async def main():
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        threading.Timer(0.05, loop.call_soon_threadsafe, [event.set]).start()
        await event.wait()
        return now()

    assert run_virtual(main()) == 0.0


def test_it_is_an_ordinary_loop_otherwise():
    loop = VirtualLoop()
    try:
        assert loop.run_until_complete(asyncio.sleep(3, "done")) == "done"
        assert loop.time() == 3.0
    finally:
        loop.close()
