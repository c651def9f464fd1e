"""Embed texts with `Engine.stream`, and print how many came back and the CPU seconds that it took, imports left out."""

import sys
import time

import uvloop

from brimline import Endpoint, Engine


async def main(url: str, count: int) -> None:
    """Embed `count` texts."""
    texts = [f"short row number {number} of many" for number in range(count)]
    async with Engine(endpoints={"lab": Endpoint(base_url=url, key="none")}) as engine:
        began = time.process_time()
        answered = 0
        async for outcome in engine.stream(texts, model="lab/x", embed=True):
            answered += outcome.embedding is not None
        print(answered, time.process_time() - began)


uvloop.run(main(sys.argv[1], int(sys.argv[2])))
