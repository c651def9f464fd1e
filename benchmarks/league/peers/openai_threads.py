"""A thread pool with the openai SDK, as posts for beginners have it.

One `OpenAI` client and one pool for each endpoint. Where a rate is told, as many threads as requests a second (2 for
2/s: with answers of 2 s and more that can never be refused); else 32, or as many as told. `max_retries=50` instead of the
SDK's 2.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

from job import Job, Row, Sink
from openai import OpenAI, OpenAIError


def ask(client: OpenAI, model: str, row: Row, sink: Sink) -> None:
    """Ask one row and write its answer down."""
    try:
        reply = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": row.prompt}]
        )
    except OpenAIError as error:
        print(f"{row.id}: {type(error).__name__}")
        return
    sink.write(row.id, reply.choices[0].message.content)


def main() -> None:
    """Let each endpoint's pool work its rows off."""
    job = Job()
    with job.sink() as sink, ExitStack() as stack:
        waiting = []
        for name, rows in job.rows_by_endpoint().items():
            client = OpenAI(base_url=job.endpoints[name], max_retries=50)
            pool = stack.enter_context(ThreadPoolExecutor(job.workers))
            waiting += [pool.submit(ask, client, job.model, row, sink) for row in rows]
        for done in wait(waiting).done:
            done.result()


if __name__ == "__main__":
    main()
