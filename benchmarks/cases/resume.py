"""What it costs to find that nothing is left to do: a finished run of 100,000 rows is started again.

The run is made once, against a server that answers at once; then its `.run` folder is deleted, so that the results
file alone has to say what is done, and the same command is run again and again.
"""

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import Figure, Options
from benchmarks.inputs import write_questions
from benchmarks.process import null_server


def run(options: Options) -> list[Figure]:
    """Measure."""
    count = options.pick(100_000, 5_000)
    rows = write_questions(options.folder, count)
    command = ("-m", "lab/x", *PROMPT, "--concurrency", "256")
    with null_server(options.folder) as server:
        brimline = Brimline(options.folder, server.url)
        brimline.run(rows, *command, timeout=300).expect(0)
        brimline.require_answers(count)
    again = []
    for _ in options.turns(5):
        brimline.forget_run()
        again.append(brimline.run(rows, *command, timeout=120).expect(0))
    return [
        Figure(f"wall, {count:,} rows and nothing to do", "s", [one.wall for one in again], bar=3.0),
        Figure("CPU", "s", [one.cpu for one in again]),
        Figure("peak memory", "MiB", [one.peak_mb for one in again]),
    ]
