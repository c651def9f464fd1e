"""What prompto's paper leaves open: where does asynchrony stop paying? Latencies of 0 to 1,000 ms, and a flaky network.

`one by one` is peers/bare_loop.py with one request in flight, `brimline` the whole command with 64; wall time from start
to end, start-up included, of as many rows as take one by one some 20 s, at most 1,000. The flaky server answers 200 rows
after 200 ms, and of its replies 2% are errors, 2% are cut off and 1% never come: there brimline has to answer every row,
with 5 s for each attempt. Takes 3 minutes.
"""

import sys

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import BenchmarkError, Figure, Options, ratios
from benchmarks.inputs import write_questions
from benchmarks.ledger import Ledger
from benchmarks.process import HERE, Finished, run_process, simulator

LATENCIES = (0, 10, 50, 200, 1000)
SPAN = 20_000
FLAKY = """
[models."*"]
latency = "200ms"
[[models."*".faults]]
kind = "500"
share = 0.02
[[models."*".faults]]
kind = "reset"
share = 0.02
[[models."*".faults]]
kind = "stall"
share = 0.01
"""


def run(options: Options) -> list[Figure]:
    """Measure."""
    figures = []
    for latency in LATENCIES:
        count = min(options.pick(1000, 50), options.pick(SPAN, SPAN // 10) // max(latency, 1))
        pairs = [measure(options, latency, count) for _ in options.turns(3)]
        serial, ours = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        walls = [one.wall for one in serial], [one.wall for one in ours]
        figures += [
            Figure(f"{latency} ms, {count:,} rows: one by one / brimline", "x", ratios(*walls)),
            Figure(f"{latency} ms: brimline, CPU a request", "ms", [one.cpu * 1e3 / count for one in ours]),
            Figure(f"{latency} ms: brimline, peak memory", "MiB", [one.peak_mb for one in ours]),
        ]
    return [*figures, *flaky(options)]


def measure(options: Options, latency: int, count: int) -> tuple[Finished, Finished]:
    """Run the same rows one by one and with brimline."""
    rows, output = write_questions(options.folder, count), options.folder / "serial.jsonl"
    with simulator(options.folder, f'[models."*"]\nlatency = "{latency}ms"\n') as server:
        command = [sys.executable, HERE / "peers" / "bare_loop.py", server.url, rows, output, "1"]
        serial = run_process(command, folder=options.folder, timeout=100).expect(0)
        brimline = Brimline(options.folder, server.url)
        brimline.forget()
        ours = brimline.run(rows, "-m", "lab/x", *PROMPT, "--concurrency", "64", timeout=100).expect(0)
        brimline.require_answers(count)
    return serial, ours


def flaky(options: Options) -> list[Figure]:
    """Run rows against the flaky server."""
    count = options.pick(200, 50)
    rows, walls, sent = write_questions(options.folder, count), [], []
    for _ in options.turns(3):
        with simulator(options.folder, FLAKY) as server:
            brimline = Brimline(options.folder, server.url)
            brimline.forget()
            flags = ("-m", "lab/x", *PROMPT, "--concurrency", "64", "--timeout", "5")
            walls.append(brimline.run(rows, *flags, timeout=100).expect(0).wall)
            brimline.require_answers(count)
            sent.append(len(Ledger.of(server).entries) / count)
        if sent[-1] < 1:
            raise BenchmarkError("the ledger holds fewer requests than rows")
    return [
        Figure(f"flaky, {count} rows: wall", "s", walls),
        Figure("flaky: requests a row", "x", sent),
    ]
