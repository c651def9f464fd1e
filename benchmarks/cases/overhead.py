"""What a request costs in CPU: brimline next to a bare aiohttp loop and to the openai SDK.

Each contender is a whole process that reads 5,000 rows of JSONL, sends each as a chat completion with 256 in flight
and writes a results file. The server answers at once from its own process. `bare` is peers/bare_loop.py, a loop
of workers with nothing around it; `openai + gather` is the SDK behind a semaphore. Five rounds in which they take
turns; CPU is user and system time of the whole process, start-up included; the ratio is taken within each round.
brimline checks the input, keeps each answer durably and writes down what leaves; the others do not.
"""

import sys
from pathlib import Path

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import BenchmarkError, Figure, Options, ratios
from benchmarks.inputs import write_questions
from benchmarks.process import HERE, Finished, null_server, run_process

NEEDS = ("openai",)
IN_FLIGHT = "256"
TIMEOUT = 120.0
BRIMLINE, BARE, OPENAI = "brimline", "bare loop", "openai + gather"


def run_peer(script: str, url: str, rows: Path, count: int) -> Finished:
    """Run a script of peers/ and see that it has an answer to each row."""
    output = rows.with_name(f"{script}.jsonl")
    command = [sys.executable, HERE / "peers" / f"{script}.py", url, rows, output, IN_FLIGHT]
    finished = run_process(command, folder=rows.parent, timeout=TIMEOUT).expect(0)
    with output.open("rb") as lines:
        if (answered := sum(1 for _ in lines)) != count:
            raise BenchmarkError(f"{script}: {answered} of {count} rows were answered")
    return finished


def run_brimline(brimline: Brimline, rows: Path, count: int) -> Finished:
    """Run brimline from nothing and see that it has an answer to each row."""
    brimline.forget()
    finished = brimline.run(rows, "-m", "lab/x", *PROMPT, "--concurrency", IN_FLIGHT, timeout=TIMEOUT).expect(
        0
    )
    brimline.require_answers(count)
    return finished


def run(options: Options) -> list[Figure]:
    """Let the contenders take turns, and measure."""
    count = options.pick(5000, 500)
    rows = write_questions(options.folder, count)
    measured: dict[str, list[Finished]] = {BRIMLINE: [], BARE: [], OPENAI: []}
    with null_server(options.folder) as server:
        brimline = Brimline(options.folder, server.url)
        for _ in options.turns(5):
            measured[BARE].append(run_peer("bare_loop", server.url, rows, count))
            measured[BRIMLINE].append(run_brimline(brimline, rows, count))
            measured[OPENAI].append(run_peer("openai_gather", server.url, rows, count))
    cpu = {name: [one.cpu * 1e3 / count for one in runs] for name, runs in measured.items()}
    return [
        Figure("CPU, brimline / bare loop", "x", ratios(cpu[BRIMLINE], cpu[BARE]), bar=1.6),
        Figure("CPU, openai + gather / brimline", "x", ratios(cpu[OPENAI], cpu[BRIMLINE])),
        *(Figure(f"CPU a request, {name}", "ms", values) for name, values in cpu.items()),
        *(Figure(f"wall, {name}", "s", [one.wall for one in runs]) for name, runs in measured.items()),
        *(
            Figure(f"peak memory, {name}", "MiB", [one.peak_mb for one in runs])
            for name, runs in measured.items()
        ),
    ]
