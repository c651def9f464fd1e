"""Inspect AI: an eval of one generation for each sample, no scorer.

Its own defaults: adaptive connections (20 at first, 10 to 100), retries without end. Where a number in flight is told it
is `max_connections`. It cannot be told a rate. No display, no score, log in its own format. Several
endpoints are several tasks of one eval, with all of their samples in play, so that one cannot hold up another.
"""

import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.solver import generate
from job import Job, Row, Sink


def make_task(job: Job, endpoint: str, rows: list[Row]) -> Task:
    """Return the task of one endpoint."""
    model = get_model(
        f"openai/{job.model}", base_url=job.endpoints[endpoint], api_key="none", responses_api=False
    )
    samples = [Sample(input=row.prompt, id=row.id) for row in rows]
    return Task(dataset=MemoryDataset(samples, name=endpoint), solver=generate(), model=model, name=endpoint)


def main() -> None:
    """Run the eval and take its answers from the log."""
    job = Job()
    tasks = [make_task(job, endpoint, rows) for endpoint, rows in job.rows_by_endpoint().items()]
    config = GenerateConfig(max_connections=job.told_in_flight)
    logs = inspect_ai.eval(
        tasks,
        display="none",
        log_dir="logs",
        fail_on_error=False,
        score=False,
        max_tasks=len(tasks),
        max_samples=len(tasks[0].dataset) if len(tasks) > 1 else None,
        **config.model_dump(exclude_none=True),
    )
    with job.sink() as sink:
        write(sink, logs)


def write(sink: Sink, logs: list) -> None:
    """Write the answers of all logs down."""
    for log in logs:
        for sample in log.samples or ():
            if sample.output.choices:
                sink.write(str(sample.id), sample.output.completion)


if __name__ == "__main__":
    main()
