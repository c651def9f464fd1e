"""What an embedding costs in CPU: 100,000 short rows, 256 in a request, from the file to ordered results.

The server answers at once, in its own process, with 32-bit floats in base64. CPU is user and system time of the
whole command `brimline run --embed`, start-up included, divided by the rows. `stream` is `Engine.stream` over a list of
the same texts, with nothing kept. What a vector costs that is longer than 16 numbers is shown beside it: its numbers
are made decimal, and that is most of it.
"""

import json
import sys
from pathlib import Path

from benchmarks.brimline_cli import Brimline
from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.process import HERE, Finished, null_server, run_process

TIMEOUT = 300.0
LONG = (64, 1536)


def write_texts(folder: Path, count: int) -> Path:
    """Write a file of short texts."""
    path = folder / f"texts-{count}.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"short row number {n} of many"}) + "\n" for n in range(count))
    )
    return path


def run_brimline(brimline: Brimline, rows: Path, count: int, dimensions: int) -> Finished:
    """Embed every row, from nothing."""
    brimline.forget()
    options = ("-m", "lab/x", "--embed", "-P", f"dimensions={dimensions}")
    finished = brimline.run(rows, *options, timeout=TIMEOUT).expect(0)
    brimline.require_answers(count)
    return finished


def run_stream(url: str, count: int, folder: Path) -> float:
    """Return the microseconds of CPU that each text of a stream takes; the process measures itself."""
    script = HERE / "peers" / "embed_stream.py"
    finished = run_process([sys.executable, script, url, str(count)], folder=folder, timeout=TIMEOUT).expect(
        0
    )
    answered, cpu = finished.out.split()
    if int(answered) != count:
        raise BenchmarkError(f"stream: {answered} of {count} texts were embedded")
    return float(cpu) * 1e6 / count


def run(options: Options) -> list[Figure]:
    """Run it with short vectors, then with long ones."""
    count, few = options.pick(100_000, 2000), options.pick(10_000, 500)
    rows, some = write_texts(options.folder, count), write_texts(options.folder, few)
    whole: list[Finished] = []
    streamed: list[float] = []
    long: dict[int, list[float]] = {dimensions: [] for dimensions in LONG}
    with null_server(options.folder) as server:
        brimline = Brimline(options.folder, server.url)
        for _ in options.turns(3):
            whole.append(run_brimline(brimline, rows, count, 16))
            streamed.append(run_stream(server.url, count, options.folder))
            for dimensions, values in long.items():
                finished = run_brimline(brimline, some, few, dimensions)
                values.append(finished.cpu * 1e6 / few)
    cpu = [one.cpu * 1e6 / count for one in whole]
    return [
        Figure("CPU a row, the whole command", "us", cpu, bar=25.0),
        Figure("CPU a text, Engine.stream", "us", streamed),
        *(
            Figure(f"CPU a row, vectors of {size}, {few:,} rows", "us", values)
            for size, values in long.items()
        ),
        Figure("wall", "s", [one.wall for one in whole]),
        Figure("peak memory", "MiB", [one.peak_mb for one in whole]),
    ]
