"""LiteLLM's Router, a model group for each endpoint, and a semaphore for each around `acompletion`.

Where a rate is told it is the deployment's `rpm`, and since the Router does not pace by that, as many are in flight as
requests a second; else 32, or as many as told. `num_retries=50` instead of 2, so that rows survive; its waits follow
retry-after, or double from 0.5 s to 8 s.
"""

import asyncio

from job import Job, Row, Sink
from litellm import Router


def make_router(job: Job) -> Router:
    """Return a router that knows all endpoints."""
    rpm = {"rpm": job.per_minute} if job.per_minute is not None else {}
    return Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{job.model}", "api_base": url, "api_key": "none", **rpm},
            }
            for name, url in job.endpoints.items()
        ],
        num_retries=50,
    )


async def ask(router: Router, semaphore: asyncio.Semaphore, row: Row, sink: Sink) -> None:
    """Ask one row and write its answer down."""
    async with semaphore:
        try:
            reply = await router.acompletion(
                model=row.endpoint, messages=[{"role": "user", "content": row.prompt}]
            )
        except Exception as error:  # noqa: BLE001  it raises what it likes; the row is lost
            print(f"{row.id}: {type(error).__name__}")
            return
    sink.write(row.id, reply.choices[0].message.content)


async def main() -> None:
    """Ask all rows at once, as far as the semaphores let them."""
    job = Job()
    router = make_router(job)
    semaphores = {name: asyncio.Semaphore(job.workers) for name in job.endpoints}
    with job.sink() as sink:
        await asyncio.gather(*(ask(router, semaphores[row.endpoint], row, sink) for row in job.rows()))


if __name__ == "__main__":
    asyncio.run(main())
