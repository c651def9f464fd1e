"""Leaves `async for` after 10 of 100,000 rows, and says how long it takes until everything is closed, as JSON.

Usage: `leaving.py URL ROWS KIND`; KIND: `list`, `generator` or `async` (generator). Warnings go to standard error.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import brimline
from brimline import Endpoint, Engine

TAKEN = 10


def rows(count: int) -> Iterator[str]:
    """Yield prompts."""
    for number in range(count):
        yield f"How much is {number} and {number}?"


async def rows_later(count: int) -> AsyncIterator[str]:
    """Yield prompts from an async generator."""
    for row in rows(count):
        yield row


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def leave(url: str, count: int, kind: str) -> dict[str, float]:
    """Return the seconds to close, and what was left: tasks, sockets, threads."""
    source = {
        "list": lambda: [*rows(count)],
        "generator": lambda: rows(count),
        "async": lambda: rows_later(count),
    }
    before = open_files()
    taken = 0
    engine = Engine(endpoints={"lab": Endpoint(base_url=url, key="none")}, concurrency=256)
    async with engine:
        async for _ in engine.stream(source[kind](), model="lab/x"):
            taken += 1
            if taken == TAKEN:
                break
        began = time.perf_counter()
    await asyncio.sleep(0)
    closed = time.perf_counter() - began
    return {
        "seconds": closed,
        "tasks": len(asyncio.all_tasks()) - 1,
        "files": open_files() - before,
        "threads": sum("brimline" in thread.name for thread in threading.enumerate()),
    }


if __name__ == "__main__":
    assert brimline.__version__
    print(json.dumps(asyncio.run(leave(sys.argv[1], int(sys.argv[2]), sys.argv[3]))))
