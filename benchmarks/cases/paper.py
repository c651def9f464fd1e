"""The experiment of prompto's paper: 300 prompts, 100 for each of three models, 500 requests a minute for each.

The file is the paper's own, given with --data; it is run unchanged against the simulator by OPENAI_BASE_URL. The
models answer after 1.31, 3.92 and 2.41 s and have a bucket of one second's worth. Measured at the server, from the
first request to the last reply. Ideal is 15.9 s: 99 gaps of 0.12 s, then 3.92 s; a burst at the start can beat it.
"""

import json

from benchmarks.brimline_cli import Brimline
from benchmarks.contract import Figure, Options, Skipped
from benchmarks.inputs import write_rows
from benchmarks.ledger import Ledger
from benchmarks.process import simulator

LATENCIES = ("1.31s", "3.92s", "2.41s")


def run(options: Options) -> list[Figure]:
    """Measure."""
    if options.data is None:
        raise Skipped("needs --data FILE, the prompts of the paper's experiment")
    with options.data.open(encoding="utf-8") as file:
        prompts = [json.loads(line) for line in file]
    prompts = prompts[:: options.pick(1, 10)]
    models = sorted({prompt["model_name"] for prompt in prompts})
    tables = (
        f'[models."{model}"]\nlatency = "{latency}"\nrequests = {{ rate = "500/min" }}\n'
        for model, latency in zip(models, LATENCIES, strict=True)
    )
    rows, scenario = write_rows(options.folder / "prompts.jsonl", prompts), "".join(tables)
    spans, refused = [], []
    for _ in options.turns(3):
        with simulator(options.folder, scenario) as server:
            brimline = Brimline(options.folder, server.url)
            brimline.forget()
            environment = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "x"}
            brimline.run(rows, "--rpm", "500", timeout=120, environment=environment).expect(0)
            brimline.require_answers(len(prompts))
            ledger = Ledger.of(server)
        spans.append(ledger.end - ledger.first)
        refused.append(ledger.refused)
    return [
        Figure("first request to last reply at the server", "s", spans, bar=16.2, every=True),
        Figure("requests refused (429)", "", refused),
    ]
