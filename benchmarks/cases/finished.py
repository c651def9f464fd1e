"""1,000,000 rows that are all answered, 2 GB of results: how long it takes to see that, and to put them into order.

probes/answered.py writes the results in an order in which they may have been completed. The first command finds
nothing to send and puts them into order; then the `.run` folder is deleted and the same command only sees that there
is nothing to do. The difference is the ordering. Whole processes; their memory is the kernel's own count. The results
were just written, so the kernel has them in memory if there is room.
"""

import os
import random
import sys
from pathlib import Path

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.inputs import write_questions
from benchmarks.process import HERE, run_process

SIZE = 2048
NOBODY = "http://127.0.0.1:9/v1"
"""Nothing is sent, so nobody has to listen."""


def run(options: Options) -> list[Figure]:
    """Measure."""
    count = options.pick(1_000_000, 20_000)
    rows = write_questions(options.folder, count)
    brimline = Brimline(options.folder, NOBODY)
    ordering, resuming = [], []
    for _ in options.turns(2):
        brimline.forget()
        answer(rows, brimline.output, left=0, models="lab/x")
        ordering.append(brimline.run(rows, "-m", "lab/x", *PROMPT, timeout=600).expect(0))
        brimline.forget_run()
        resuming.append(brimline.run(rows, "-m", "lab/x", *PROMPT, timeout=600).expect(0))
    require_order(brimline, count)
    size = brimline.output.stat().st_size / 1e9
    spans = [one.wall - other.wall for one, other in zip(ordering, resuming, strict=True)]
    return [
        Figure(f"resume, {count:,} rows", "s", [one.wall for one in resuming], bar=15, every=True),
        Figure("resume, peak memory", "MiB", [one.peak_mb for one in resuming], bar=190, every=True),
        Figure(f"final ordering, {size:.1f} GB", "s", spans, bar=60, every=True),
        Figure("ordering, peak memory", "MiB", [one.peak_mb for one in ordering], bar=190, every=True),
        Figure("resume, CPU", "s", [one.cpu for one in resuming]),
        Figure("resume and ordering, CPU", "s", [one.cpu for one in ordering]),
    ]


def answer(rows: Path, output: Path, *, left: int, models: str) -> None:
    """Write the results of an earlier run that has left so many requests of each model."""
    command = [sys.executable, HERE / "probes" / "answered.py", rows, output, str(SIZE), str(left), models]
    run_process(command, folder=rows.parent, timeout=1200).expect(0)
    with output.open("rb") as results:
        os.fsync(results.fileno())


def require_order(brimline: Brimline, count: int, sample: int = 1000) -> None:
    """See that results stand in the order of the input: the first, and some of the others by chance.

    Raises:
        BenchmarkError: They do not.
    """
    wanted = {*random.Random(1).sample(range(count), min(sample, count))}
    number = -1
    for number, line in enumerate(brimline.results()):
        if number in wanted and line["id"] != number:
            raise BenchmarkError(f"line {number} of the results is that of row {line['id']}")
    if number + 1 != count:
        raise BenchmarkError(f"the results have {number + 1} lines")
