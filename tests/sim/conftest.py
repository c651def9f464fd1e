"""Servers on free ports, and the official SDK as their client."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop
from openai import AsyncOpenAI

from brimline.sim import Scenario, Simulator, simulate


def pytest_asyncio_loop_factories(config, item):
    """Real sockets on both loops: the simulator's own process uses uvloop, a test of the engine may not."""
    if "real_time" not in item.keywords:
        return None
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start():
    """Start a server: `await start(toml)`; it stops with the test."""
    async with AsyncExitStack() as stack:

        async def starter(toml: str = "", **options: Any) -> Simulator:
            options.setdefault("grace", 0.1)
            return await stack.enter_async_context(simulate(Scenario.parse(toml), **options))

        yield starter


@pytest.fixture
async def connect():
    """Connect the official SDK, without retries of its own."""
    async with AsyncExitStack() as stack:

        async def connector(simulator: Simulator, **options: Any) -> AsyncOpenAI:
            options = {"api_key": "sk-good", "max_retries": 0, "timeout": 5.0} | options
            return await stack.enter_async_context(AsyncOpenAI(base_url=simulator.url, **options))

        yield connector
