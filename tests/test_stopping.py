"""Stopping from Python, over real sockets: whatever is left early leaves no task, socket or file behind."""

import asyncio
import gc
import os
import subprocess
import sys
from contextlib import suppress

import pytest

import brimline as bl

pytestmark = pytest.mark.real_time

ROWS = 100_000


@pytest.fixture
def engine_at(simulator):
    """Engines whose `lab/...` models are answered by a simulator in another process."""
    url = simulator('[models."*"]\nlatency = "20ms"\n[models.slow]\nlatency = "60s"\n').url

    def make():
        return bl.Engine(endpoints={"lab": bl.Endpoint(base_url=url, key="none")}, concurrency=50)

    return make


def open_files():
    return len(os.listdir("/dev/fd"))  # noqa: PTH208  a Path would open one more


async def later():
    for n in range(ROWS):
        yield f"prompt {n}"


KINDS = {
    "list": lambda: [f"prompt {n}" for n in range(ROWS)],
    "generator": lambda: (f"prompt {n}" for n in range(ROWS)),
    "async generator": later,
}


async def some(engine, items, number=10, model="lab/x"):
    async for _ in engine.stream(items, model=model):
        number -= 1
        if not number:
            return


async def leave(engine, items):
    async with engine:
        await some(engine, items)


async def cancel(engine, items):
    async def use():
        async with engine:
            await some(engine, items, ROWS)

    task = asyncio.create_task(use())
    await asyncio.sleep(0.3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def cancel_while_nothing_is_answered(engine, items):
    async with engine:
        task = asyncio.create_task(some(engine, items, model="lab/slow"))
        await asyncio.sleep(0.3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def close_twice(engine, items):
    async with engine:
        reading = asyncio.create_task(some(engine, items, ROWS))
        await asyncio.sleep(0.3)
        await asyncio.gather(engine.close(), engine.close())
        with suppress(bl.UsageError):
            await reading
    await engine.close()


async def ask_in_vain(engine, items):
    async with engine:
        outcome = await engine.ask("lab/slow", "hello", timeout=0.2)
        assert outcome.fault.kind is bl.FaultKind.TIMEOUT


@pytest.mark.parametrize("use", [leave, cancel, cancel_while_nothing_is_answered, close_twice, ask_in_vain])
async def test_nothing_is_left(engine_at, use):
    await use(engine_at(), KINDS["list"]())  # imports and threads that stay
    gc.collect()  # what other tests have left
    for kind in KINDS.values():
        before = open_files()
        await use(engine_at(), kind())
        for _ in range(100):  # a socket that is closed takes a turn or two of the loop
            if open_files() == before and len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.01)
        assert (open_files(), len(asyncio.all_tasks())) == (before, 1)


def test_a_simulator_that_watches_its_parent_ends_when_it_is_told_to():
    command = [sys.executable, "-m", "brimline", "sim", "--port", "0", "--with-parent"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline().startswith("http://")
        process.terminate()
        assert (process.wait(10), process.stderr.read()) == (0, "")
