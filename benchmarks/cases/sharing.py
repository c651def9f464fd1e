"""Two processes on one account of 600/min: how much of it they use together, how evenly, and what sharing costs.

The simulator refuses what its bucket of 10 does not hold and keeps a ledger. Two runs of 200 prompts start together;
from the first to the last request they take at least (400 - 10) / 10 = 39.0 s. The share of the slower one is counted
over the first half of that time. Then one of two runs is killed after 15 s and started again at once; the most that
any minute holds is counted over all three processes. The price is the CPU time of a run of 5,000 prompts with
a limit that never binds, with and without sharing, in turns.
"""

import shutil
import subprocess
import sys
import time
from bisect import bisect_left
from collections import Counter

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.inputs import write_questions
from benchmarks.ledger import Ledger
from benchmarks.process import Server, clean_environment, null_server, simulator

ACCOUNT = """
[models."*"]
latency = "50ms"
requests = { rate = "600/min", bucket = 10 }
"""
OPEN = '[models."*"]\nlatency = "50ms"\n'


def run(options: Options) -> list[Figure]:
    """Measure."""
    count = options.pick(200, 40)
    shared = [together(options, count) for _ in options.turns(3)]
    alone = [together(options, count, "--no-share") for _ in options.turns(1)]
    figures = [
        Figure(
            "first to last request, over the ideal", "", [each[0] for each in shared], bar=1.03, every=True
        ),
        Figure("requests refused (429)", "", [each[1] for each in shared], bar=2, every=True),
        Figure(
            "1 - what the slower one got of the first half", "", [1 - each[2] for each in shared], bar=0.6
        ),
        Figure("requests refused (429), not shared", "", [each[1] for each in alone]),
    ]
    if not options.quick:
        most = [killed(options) for _ in options.turns(1)]
        figures.append(Figure("most in a minute after kill -9 and resume", "", most, bar=600, every=True))
    price = [cost(options) for _ in options.turns(5)]
    return [*figures, Figure("CPU a request more", "us", price, bar=12)]


class Runs:
    """Runs beside each other on one account, each with results of its own."""

    def __init__(self, options: Options, server: Server, count: int, *flags: str) -> None:
        self._folder = options.folder
        self._program = Brimline(options.folder, server.url)
        self._rows = write_questions(options.folder, count)
        self._flags = ("-m", "lab/x", "--rate", "600/min", "-q", *flags)
        for old in self._folder.glob("run-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start one, or start it again; its prompts begin with its name."""
        prompt = f"{name} {{{{ question }}}}"
        command = [sys.executable, "-m", "brimline", "run", self._rows, *self._flags, "-p", prompt]
        return subprocess.Popen(
            [*map(str, command), "-o", f"run-{name}.jsonl"],
            cwd=self._folder,
            env=clean_environment(self._folder),
            stdin=subprocess.DEVNULL,
        )


def finish(*processes: subprocess.Popen[bytes]) -> None:
    """Wait for the end of runs."""
    for process in processes:
        if process.wait(200):
            raise BenchmarkError(f"exit code {process.returncode}")


def together(options: Options, count: int, *flags: str) -> tuple[float, int, float]:
    """Return how long two runs took over the ideal, what was refused, and the smaller part of the first half."""
    with simulator(options.folder, ACCOUNT) as server:
        runs = Runs(options, server, count, *flags)
        finish(*[runs.start(name) for name in ("one", "two")])
        ledger = Ledger.of(server)
    ideal = (2 * count - 10) / 10
    half = ledger.first + (ledger.last - ledger.first) / 2
    parts = Counter(entry["text"][:3] for entry in ledger.entries if entry["t"] < half)
    return (
        (ledger.last - ledger.first) / ideal,
        ledger.refused,
        min(parts["one"], parts["two"]) / parts.total(),
    )


def killed(options: Options) -> int:
    """Return the most in any minute of two runs, one of which is killed and started again."""
    with simulator(options.folder, OPEN) as server:
        runs = Runs(options, server, 500)
        one, two = runs.start("one"), runs.start("two")
        time.sleep(15)
        one.kill()
        one.wait()
        finish(runs.start("one"), two)
        times = sorted(entry["t"] for entry in Ledger.of(server).entries)
    return max(bisect_left(times, at + 60) - number for number, at in enumerate(times))


def cost(options: Options) -> float:
    """Return how much more CPU a request takes that is shared, us."""
    count = options.pick(5000, 500)
    rows, used = write_questions(options.folder, count), []
    with null_server(options.folder) as server:
        brimline = Brimline(options.folder, server.url)
        for flags in ((), ("--no-share",)):
            brimline.forget()
            limits = ("--rate", "1M/min burst 1000000", "--concurrency", "256")
            finished = brimline.run(rows, "-m", "lab/x", *PROMPT, *limits, *flags, timeout=120).expect(0)
            used.append(finished.cpu)
    return (used[0] - used[1]) * 1e6 / count
