"""A token bucket in asyncio, as posts on the subject have it: 2 a second, empty at first, refilled by the clock.

A request that is refused all the same sleeps 3 s and takes a new token. Usage: `token_bucket.py BASE_URL COUNT`.
"""

import asyncio
import sys
import time

import aiohttp

RETRY = 3.0


class TokenBucket:
    """Lets `rate` through in a second, and as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = 0.0
        self._updated = time.monotonic()
        self._lock = asyncio.Lock()

    async def acquire(self) -> None:
        """Wait for a token; whoever came first is served first."""
        async with self._lock:
            self._refill()
            while self._tokens < 1:
                await asyncio.sleep((1 - self._tokens) / self._rate)
                self._refill()
            self._tokens -= 1

    def _refill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._updated) * self._rate)
        self._updated = now


async def ask(session: aiohttp.ClientSession, bucket: TokenBucket, url: str, number: int) -> str:
    """Send one prompt until it is answered."""
    body = {"model": "x", "messages": [{"role": "user", "content": f"prompt {number}"}]}
    while True:
        await bucket.acquire()
        async with session.post(url, json=body) as reply:
            if reply.status != 429:
                reply.raise_for_status()
                return (await reply.json())["choices"][0]["message"]["content"]
        await asyncio.sleep(RETRY)


async def run(base_url: str, count: int) -> None:
    """Send all prompts."""
    bucket, url = TokenBucket(2), f"{base_url}/chat/completions"
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ask(session, bucket, url, number) for number in range(count)))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
