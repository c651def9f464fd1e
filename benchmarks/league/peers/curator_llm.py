"""Bespoke Curator's `LLM` with the backend `openai`.

`max_requests_per_minute` is the true limit where one is told; else its own way: what a first request's headers say,
or 200 a minute. `max_tokens_per_minute` is out of the way, since no server here limits tokens. Where a number in flight is
told it is `max_concurrent_requests`, without a limit by the minute. Rows that fail do not fail the rest
(`require_all_responses=False`); ten retries, as it has them. Its telemetry is off.
Its token counter fetches a file of the internet at the start; it gets the copy of that file that LiteLLM brings along.
"""

import litellm.litellm_core_utils.default_encoding  # noqa: F401  names the copy in the environment, so comes first
from bespokelabs import curator
from datasets import Dataset
from job import Job

UNLIMITED = 100_000_000


class Asker(curator.LLM):
    """Asks the prompt of a row and keeps its id."""

    def prompt(self, input: dict) -> str:  # noqa: A002  its own name
        return input["prompt"]

    def parse(self, input: dict, response: str) -> dict:  # noqa: A002
        return {"id": input["id"], "response": response}


def main() -> None:
    """Ask all rows."""
    job = Job()
    ((_, url),) = job.endpoints.items()
    params = {"base_url": url, "max_tokens_per_minute": UNLIMITED, "require_all_responses": False}
    if job.per_minute is not None:
        params["max_requests_per_minute"] = job.per_minute
    if job.told_in_flight is not None:
        params |= {"max_concurrent_requests": job.told_in_flight, "max_requests_per_minute": UNLIMITED}
    asker = Asker(model_name=job.model, backend="openai", backend_params=params)
    answers = asker(Dataset.from_list([{"id": row.id, "prompt": row.prompt} for row in job.rows()]))
    with job.sink() as sink:
        for answer in answers.dataset:
            sink.write(answer["id"], answer["response"])


if __name__ == "__main__":
    main()
