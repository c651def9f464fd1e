"""How memory grows with the number of rows: the peak at 10,000 and at 100,000 rows.

Whole processes, JSONL to JSONL against a server that answers at once, 256 in flight. The peak is the kernel's own
count of resident memory (`ru_maxrss`).
"""

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import Figure, Options, ratios
from benchmarks.inputs import write_questions
from benchmarks.process import null_server


def run(options: Options) -> list[Figure]:
    """Let both sizes take turns."""
    sizes = (options.pick(10_000, 1_000), options.pick(100_000, 5_000))
    peaks: dict[int, list[float]] = {size: [] for size in sizes}
    files = {size: write_questions(options.folder, size) for size in sizes}
    with null_server(options.folder) as server:
        brimline = Brimline(options.folder, server.url)
        for _ in options.turns(3):
            for size, rows in files.items():
                brimline.forget()
                finished = brimline.run(rows, "-m", "lab/x", *PROMPT, "--concurrency", "256", timeout=300)
                finished.expect(0)
                brimline.require_answers(size)
                peaks[size].append(finished.peak_mb)
    small, large = sizes
    return [
        Figure(f"peak at {small:,} rows", "MiB", peaks[small]),
        Figure(f"peak at {large:,} rows", "MiB", peaks[large], bar=150, every=True),
        Figure(f"{large:,} / {small:,} rows", "x", ratios(peaks[large], peaks[small]), bar=1.2),
    ]
