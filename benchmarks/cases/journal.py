"""What it costs to keep answers durably: the journal alone, 5,000 lines of 2 KB a second for 20 s.

probes/journal.py in a process of its own hands in the lines as answers would come and waits for each to be durable.
CPU is user and system time of the whole process, writing and syncing included, less what the same lines cost with a
journal that does nothing. What is not synced for so long a power cut can take; it depends on the disk, so the
disk's own sync of a 2 KB line stands beside it.
"""

import json
import os
import sys
import time
from pathlib import Path

from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.process import HERE, run_process

RATE, SIZE = 5000, 2048
_sync = getattr(os, "fdatasync", os.fsync)


def run(options: Options) -> list[Figure]:
    """Measure."""
    seconds = options.pick(20, 1)
    measured, syncs = [], []
    for number in options.turns(3):
        path = options.folder / f"{number}.jsonl"
        syncs += own_syncs(options.folder / "sync", options.pick(100, 10))
        command = [sys.executable, HERE / "probes" / "journal.py", path, str(RATE), str(seconds), str(SIZE)]
        measured.append(json.loads(run_process(command, folder=options.folder, timeout=300).expect(0).out))
        path.unlink()
        if not measured[-1]["whole"]:
            raise BenchmarkError("the file does not hold every line")
    return [
        Figure("CPU an answer", "us", [one["cpu_us"] for one in measured], bar=15),
        Figure("longest time not synced", "ms", [one["most_ms"] for one in measured], bar=50),
        Figure("not synced, 99% of answers", "ms", [one["p99_ms"] for one in measured]),
        Figure("not synced, median", "ms", [one["p50_ms"] for one in measured]),
        Figure("answers a second", "", [one["rate"] for one in measured]),
        Figure("the disk's own sync of one line", "ms", syncs),
    ]


def own_syncs(path: Path, count: int) -> list[float]:
    """Return how long the disk takes to sync one line, milliseconds."""
    taken = []
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * SIZE)
            began = time.perf_counter()
            _sync(file.fileno())
            taken.append((time.perf_counter() - began) * 1e3)
    return taken
