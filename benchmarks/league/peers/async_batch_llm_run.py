"""async-batch-llm, `process_stream` with an OpenAI-compatible model for each endpoint.

32 workers unless told otherwise (its default is 5). The true limit as `max_requests_per_minute` where one is told, with
`quota_burst_seconds=0.9`, just below the server's bucket (its default lets a minute's worth go at once). After a 429
`cooldown_seconds=1` and no slow start (by default everybody pauses for 300 s), and so that rows survive 100 rate-limit
retries instead of 20 and 10 attempts instead of 3. The SDK's own retries are off, as its guide says.
"""

import asyncio

from async_batch_llm import ProcessorConfig, RateLimitConfig, RetryConfig, llm, process_stream
from job import Job, Row, Sink


async def run(job: Job, endpoint: str, rows: list[Row], sink: Sink) -> None:
    """Run the rows of one endpoint."""
    strategy = llm(
        f"openai-compatible:{job.model}", base_url=job.endpoints[endpoint], api_key="none", max_retries=0
    )
    config = ProcessorConfig(
        concurrency=job.in_flight,
        max_requests_per_minute=job.per_minute,
        quota_burst_seconds=0.9 if job.per_minute is not None else None,
        retry=RetryConfig(max_attempts=10, max_rate_limit_retries=100),
        rate_limit=RateLimitConfig(cooldown_seconds=1, slow_start_items=0),
    )
    async for result in process_stream(strategy, ((row.id, row.prompt) for row in rows), config=config):
        if result.success:
            sink.write(result.item_id, result.output)
        else:
            print(f"{result.item_id}: {result.error}")


async def main() -> None:
    """Run all endpoints at once."""
    job = Job()
    with job.sink() as sink:
        parts = job.rows_by_endpoint().items()
        await asyncio.gather(*(run(job, endpoint, rows, sink) for endpoint, rows in parts))


if __name__ == "__main__":
    asyncio.run(main())
