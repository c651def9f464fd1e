"""Everything at once, and what is refused again later: one, two, four ... seconds with jitter.

Usage: `bare_gather.py BASE_URL COUNT`.
"""

import asyncio
import random
import sys

import aiohttp


async def ask(session: aiohttp.ClientSession, url: str, number: int) -> str:
    """Send one prompt until it is answered."""
    body = {"model": "x", "messages": [{"role": "user", "content": f"prompt {number}"}]}
    wait = 1.0
    while True:
        async with session.post(url, json=body) as reply:
            if reply.status != 429:
                reply.raise_for_status()
                return (await reply.json())["choices"][0]["message"]["content"]
        await asyncio.sleep(wait * random.uniform(0.5, 1.5))
        wait *= 2


async def run(base_url: str, count: int) -> None:
    """Send all prompts."""
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(
            *(ask(session, f"{base_url}/chat/completions", number) for number in range(count))
        )


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
