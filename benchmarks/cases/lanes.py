"""Whether a slow model holds up a fast one: 100,000 rows at 60/min, and behind them 1,000 rows at 3,000/min.

One file, sorted by model, stopped by --deadline after 30 s. The ledger of the simulator, which enforces both rates,
says when each model's requests came. The fast lane takes at least (1,000 - 50) / 50 = 19 s.
"""

from collections.abc import Iterator

from benchmarks.brimline_cli import Brimline
from benchmarks.contract import Figure, Options
from benchmarks.inputs import questions, write_rows
from benchmarks.ledger import Ledger
from benchmarks.process import simulator

SCENARIO = """
[models.slow]
latency = "50ms"
requests = { rate = "60/min", bucket = 2 }
[models.fast]
latency = "50ms"
requests = { rate = "3000/min", bucket = 50 }
"""
STOPPED = 5
"""The exit code of a run that a deadline has ended."""


def run(options: Options) -> list[Figure]:
    """Measure."""
    slow, fast, deadline = options.pick(100_000, 5_000), options.pick(1000, 100), options.pick(30, 5)
    rows = write_rows(options.folder / "rows.jsonl", sorted_by_model(slow, fast))
    waits, ends, missing, refused = [], [], [], []
    for _ in options.turns(1):
        with simulator(options.folder, SCENARIO) as server:
            brimline = Brimline(options.folder, server.url)
            brimline.forget()
            limits = ("--rate", "lab/slow=60/min", "--rate", "lab/fast=3000/min")
            brimline.run(rows, *limits, "--deadline", str(deadline), timeout=180).expect(STOPPED)
            ledger = Ledger.of(server)
        of_slow, of_fast = ledger.only("slow"), ledger.only("fast")
        waits.append(of_fast.first - of_slow.first)
        ends.append(of_fast.end - ledger.first)
        missing.append(fast - of_fast.answered)
        refused.append(ledger.refused)
    return [
        Figure("first slow to first fast request", "s", waits, bar=2.0, every=True),
        Figure("first request to last fast reply", "s", ends, bar=22.0, every=True),
        Figure("fast rows without an answer", "", missing, bar=0, every=True),
        Figure("requests refused (429)", "", refused),
    ]


def sorted_by_model(slow: int, fast: int) -> Iterator[dict[str, str]]:
    """Yield the rows of the slow model, then those of the fast one."""
    for number, row in enumerate(questions(slow + fast)):
        yield {"model": "lab/slow" if number < slow else "lab/fast", "prompt": row["question"]}
