"""The CPU of a piece of a streamed answer, heard by `Engine.ask` and read from a plain socket: prints JSON.

Usage: `streaming.py URL PIECES ROUNDS`. Both live in one process and take turns, so that noise meets them alike.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Sequence
from urllib.parse import urlsplit

import uvloop

import brimline as bl

BODY = b'{"model":"x","messages":[{"role":"user","content":"Go on"}],"stream":true}'
STREAMS = 32
"""So many answers come at a time."""

END = b"\r\n0\r\n\r\n"


async def read_plainly(url: str) -> None:
    """Read an answer's bytes and do nothing with them."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n"
    writer.write(head.encode() + BODY)
    tail = b""
    while not tail.endswith(END):
        tail = (tail + await reader.read(65_536))[-len(END) :]
    writer.close()
    await writer.wait_closed()


async def hear(engine: bl.Engine, model: str) -> None:
    """Hear an answer piece by piece."""
    stream = engine.ask(model, "Go on", stream=True)
    async for _ in stream:
        pass
    outcome = await stream.outcome()
    assert outcome.ok, outcome


async def measure(streams: Sequence[Awaitable[None]], pieces: int) -> float:
    """Return the CPU of one piece, microseconds."""
    began = time.process_time()
    await asyncio.gather(*streams)
    return (time.process_time() - began) * 1e6 / (pieces * len(streams))


async def main() -> None:
    """Measure in turns."""
    url, pieces, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    paces = ("together", "apart")
    endpoints = {pace: bl.Endpoint(base_url=f"{url}/{pace}/v1", key="none") for pace in paces}
    taken = {f"{pace} {how}": [] for pace in paces for how in ("read", "heard")}
    async with bl.Engine(endpoints=endpoints, config=bl.Config(), share=False, concurrency=STREAMS) as engine:
        for pace in paces * (rounds + 1):
            plainly = [read_plainly(f"{url}/{pace}/v1") for _ in range(STREAMS)]
            taken[f"{pace} read"].append(await measure(plainly, pieces))
            heard = [hear(engine, f"{pace}/x") for _ in range(STREAMS)]
            taken[f"{pace} heard"].append(await measure(heard, pieces))
    print(
        json.dumps({name: values[1:] for name, values in taken.items()})
    )  # the first round opens connections


if __name__ == "__main__":
    uvloop.run(main())
