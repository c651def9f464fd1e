"""1,000,000 rows sorted by model, four models at different rates: memory, against that of 10,000 such rows.

The simulator runs in another process; the models flow at 100, 200, 300 and 400 requests a second. A whole run would
take 40 minutes of both processors, so its two ends are measured, at each of both sizes. `start`: nothing is on
file, and a deadline stops the run after a minute with all lanes flowing. `end`: all but 5,000 rows of each model
are answered on file, 2 KB each, as probes/answered.py writes them; the rest is sent, and the results are put into order. The
peak is the kernel's own count, from start-up to the end of the ordering. 16 bytes a row and 20 MB may come on top.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.brimline_cli import Brimline
from benchmarks.cases.finished import answer, require_order
from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.inputs import questions, write_rows
from benchmarks.process import Finished, Server, simulator

RATES = {"a": 100, "b": 200, "c": 300, "d": 400}
SCENARIO = '[models."*"]\nlatency = "lognormal(100ms, 0.5)"\n'
LEFT = 5_000
STOPPED = 5
"""The exit code of a run that a deadline has ended."""


def run(options: Options) -> list[Figure]:
    """Measure both ends at both sizes."""
    sizes = options.pick(10_000, 400), options.pick(1_000_000, 4_000)
    starts: dict[int, list[Finished]] = {size: [] for size in sizes}
    ends: dict[int, list[Finished]] = {size: [] for size in sizes}
    flows = []
    for _ in options.turns(1):
        for size in sizes:
            rows = write_rows(options.folder / f"rows-{size}.jsonl", sorted_by_model(size))
            with simulator(options.folder, SCENARIO) as server:
                starts[size].append(start(options, server, rows))
                flows.append(slowest_lane(server))
            with simulator(options.folder, SCENARIO) as server:
                ends[size].append(end(options, server, rows, min(LEFT, size // 8)))
                require_order(Brimline(options.folder, server.url), size)
            rows.unlink()
    return [*figures("start", sizes, starts), *figures("end", sizes, ends),
        Figure("start: the slowest lane's share of its rate", "", flows[-1:])]  # fmt: skip


def figures(what: str, sizes: tuple[int, int], runs: dict[int, list[Finished]]) -> Iterator[Figure]:
    """Yield what was measured at one end."""
    small, large = sizes
    few = [one.peak_mb for one in runs[small]]
    bar = max(few) + (16 * large + 20e6) / (1 << 20)
    yield Figure(f"{what}: peak at {large:,} rows", "MiB", [one.peak_mb for one in runs[large]], bar=bar)
    yield Figure(f"{what}: peak at {small:,} rows", "MiB", few)
    yield Figure(f"{what}: wall at {large:,} rows", "s", [one.wall for one in runs[large]])


def start(options: Options, server: Server, rows: Path) -> Finished:
    """Run with nothing on file until a deadline."""
    brimline = Brimline(options.folder, server.url)
    brimline.forget()
    deadline = str(options.pick(60, 5))
    return brimline.run(rows, *limits(), "--deadline", deadline, timeout=600).expect(0, STOPPED)


def end(options: Options, server: Server, rows: Path, left: int) -> Finished:
    """Run with almost everything on file."""
    brimline = Brimline(options.folder, server.url)
    brimline.forget()
    answer(rows, brimline.output, left=left, models="")
    finished = brimline.run(rows, *limits(), timeout=900).expect(0)
    if (served := stats(server)["total"]["served"]) != left * len(RATES):
        raise BenchmarkError(f"{served} requests were sent for {left * len(RATES)} rows")
    return finished


def limits() -> Iterator[str]:
    """Yield the options that declare the rates, with enough in flight for them."""
    yield from ("--concurrency", "128")
    for model, rate in RATES.items():
        yield from ("--rate", f"lab/{model}={rate * 60}/min")


def slowest_lane(server: Server) -> float:
    """Return how much of its rate the slowest lane has used between its first and its last request."""
    lanes = stats(server)["models"]
    return min(
        lanes[model]["received"] / (rate * (lanes[model]["last_at"] - lanes[model]["first_at"]))
        for model, rate in RATES.items()
    )


def stats(server: Server) -> dict[str, Any]:
    """Return the sums of the simulator's ledger; all of it would make this process large, and its children with it."""
    return json.loads(server.get("/sim/stats"))


def sorted_by_model(count: int) -> Iterator[dict[str, str]]:
    """Yield the rows of one model after another."""
    for number, row in enumerate(questions(count)):
        yield {"model": f"lab/{'abcd'[4 * number // count]}", "prompt": row["question"]}
