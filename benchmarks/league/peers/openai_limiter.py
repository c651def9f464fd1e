"""openai SDK behind aiolimiter: the careful script, where the limit is known.

One `AsyncOpenAI` client and one `AsyncLimiter` for each endpoint, at the true rate, with a burst of one request less
than a second's worth: `AsyncLimiter(9, 0.9)` for 600 a minute. `max_retries=50` instead of the SDK's 2; retries do not
pass the limiter.
"""

import asyncio

from aiolimiter import AsyncLimiter
from job import Job, Row, Sink
from openai import AsyncOpenAI, OpenAIError


class Asker:
    """A client with a limiter in front of it."""

    def __init__(self, base_url: str, model: str, per_minute: int) -> None:
        self._client = AsyncOpenAI(base_url=base_url, max_retries=50)
        self._model = model
        burst = max(1, per_minute // 60 - 1)
        self._limiter = AsyncLimiter(burst, burst * 60 / per_minute)

    async def ask(self, row: Row, sink: Sink) -> None:
        """Ask one row when its turn has come, and write its answer down."""
        async with self._limiter:
            pass
        try:
            reply = await self._client.chat.completions.create(
                model=self._model, messages=[{"role": "user", "content": row.prompt}]
            )
        except OpenAIError as error:
            print(f"{row.id}: {type(error).__name__}")
            return
        sink.write(row.id, reply.choices[0].message.content)


async def main() -> None:
    """Ask all rows at once, as far as the limiter lets them."""
    job = Job()
    assert job.per_minute is not None, "it is only for scenarios that tell the limit"
    askers = {name: Asker(url, job.model, job.per_minute) for name, url in job.endpoints.items()}
    with job.sink() as sink:
        await asyncio.gather(*(askers[row.endpoint].ask(row, sink) for row in job.rows()))


if __name__ == "__main__":
    asyncio.run(main())
