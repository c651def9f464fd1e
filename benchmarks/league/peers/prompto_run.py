"""prompto's command `prompto_run_experiment`, five attempts as its default has it.

`--max-queries` is the true limit where one is told. Where nothing is told it is left out: prompto cannot run without a
number, and its default is 10 a minute. Where only a number in flight is told, which prompto does not know, it gets
60,000 a minute: no pacing. With several endpoints `--parallel`, a queue for each. The api is `huggingface-tgi`, prompto's
client for servers that speak OpenAI's chat at a base URL of one's own (same code as its `openai`, but the URL can
differ from model to model).
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from job import Job
from prompto.scripts.run_experiment import main as run_experiment

UNPACED = 60_000


def main() -> None:
    """Lay the experiment out, run it and take its answers over."""
    job = Job()
    for folder in ("data/input", "data/output", "data/media"):
        Path(folder).mkdir(parents=True)
    rows = [
        {
            "id": row.id,
            "api": "huggingface-tgi",
            "model_name": row.endpoint,
            "prompt": row.prompt,
            "mode": "chat",
        }
        for row in job.rows()
    ]
    experiment = Path("data/input/league.jsonl")
    experiment.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name, url in job.endpoints.items():
        os.environ[f"HUGGINGFACE_TGI_API_ENDPOINT_{name}"] = url.removesuffix("/v1")
        os.environ[f"HUGGINGFACE_TGI_API_KEY_{name}"] = "none"
    sys.argv = ["prompto_run_experiment", "-f", str(experiment), "-d", "data", *limits(job)]
    asyncio.run(run_experiment())
    (completed,) = Path("data/output/league").glob("*-completed-*.jsonl")
    with job.sink() as sink, completed.open(encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            sink.write(record["id"], record["response"])


def limits(job: Job) -> list[str]:
    """Return what prompto is told."""
    rate = job.per_minute or (UNPACED if job.told_in_flight is not None else None)
    options = ["-mq", str(rate)] if rate is not None else []
    if len(job.endpoints) > 1:
        queues = Path("queues.json")
        queues.write_text(
            json.dumps({"huggingface-tgi": dict.fromkeys(job.endpoints, rate)}), encoding="utf-8"
        )
        options += ["--parallel", "-mqj", str(queues)]
    return options


if __name__ == "__main__":
    main()
