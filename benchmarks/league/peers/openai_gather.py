"""openai SDK, a semaphore and `asyncio.gather`: what most people write first.

One `AsyncOpenAI` client and one semaphore for each endpoint. It cannot be told a rate: where one is told, as many in
flight as requests a second; else 32 (256 in the variant of that name), or as many as told. `max_retries=50` instead of the
SDK's 2, so that rows survive; its waits follow retry-after, or double from 0.5 s to 8 s.
"""

import asyncio

from job import Job, Row, Sink
from openai import AsyncOpenAI, OpenAIError


class Asker:
    """A client with a semaphore around it."""

    def __init__(self, base_url: str, model: str, in_flight: int) -> None:
        self._client = AsyncOpenAI(base_url=base_url, max_retries=50)
        self._model = model
        self._semaphore = asyncio.Semaphore(in_flight)

    async def ask(self, row: Row, sink: Sink) -> None:
        """Ask one row and write its answer down."""
        async with self._semaphore:
            try:
                reply = await self._client.chat.completions.create(
                    model=self._model, messages=[{"role": "user", "content": row.prompt}]
                )
            except OpenAIError as error:
                print(f"{row.id}: {type(error).__name__}")
                return
        sink.write(row.id, reply.choices[0].message.content)


async def main() -> None:
    """Ask all rows at once, as far as the semaphore lets them."""
    job = Job()
    askers = {name: Asker(url, job.model, job.workers) for name, url in job.endpoints.items()}
    with job.sink() as sink:
        await asyncio.gather(*(askers[row.endpoint].ask(row, sink) for row in job.rows()))


if __name__ == "__main__":
    asyncio.run(main())
