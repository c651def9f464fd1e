"""The journal alone: so many lines a second, each waited for until it is durable. Prints what that took, as JSON.

Usage: `journal.py PATH RATE SECONDS BYTES`. A timer hands in the lines that are due, every millisecond, as answers
would come. The same is done with a journal that does nothing, so that the timer can be taken off.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

from brimline.store.appender import Appender

TICK = 0.001


class Nothing:
    """A journal that does nothing."""

    def append(self, _: bytes) -> asyncio.Future[None]:
        """Return a future that is done."""
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def close(self) -> None:
        """Do nothing."""


async def feed(journal: Appender | Nothing, rate: int, seconds: float, line: bytes) -> list[float]:
    """Append lines and return how long each waited to be durable, seconds."""
    waits: list[float] = []

    def append() -> None:
        began = time.perf_counter()
        future = journal.append(line)
        future.add_done_callback(lambda _: waits.append(time.perf_counter() - began))

    began, given = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        for _ in range(round(passed * rate) - given):
            append()
            given += 1
        await asyncio.sleep(TICK)
    await journal.close()
    await asyncio.sleep(0)
    return waits


def measure(journal_of, rate: int, seconds: float, line: bytes) -> tuple[float, list[float]]:
    """Return the CPU of it, seconds, and the waits."""

    async def run() -> list[float]:
        return await feed(journal_of(), rate, seconds, line)

    began = time.process_time()
    waits = uvloop.run(run())
    return time.process_time() - began, waits


def main() -> None:
    """Measure both."""
    path, rate, seconds, size = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    line = b"x" * (size - 1) + b"\n"
    idle, _ = measure(Nothing, rate, seconds, line)
    cpu, waits = measure(lambda: Appender(path, stalled=lambda _: None), rate, seconds, line)
    whole = path.stat().st_size == len(waits) * size
    waits.sort()
    print(
        json.dumps({
            "cpu_us": (cpu - idle) * 1e6 / len(waits),
            "driver_us": idle * 1e6 / len(waits),
            "p50_ms": waits[len(waits) // 2] * 1e3,
            "p99_ms": waits[len(waits) * 99 // 100] * 1e3,
            "most_ms": waits[-1] * 1e3,
            "rate": len(waits) / seconds,
            "whole": whole,
        })
    )


if __name__ == "__main__":
    main()
