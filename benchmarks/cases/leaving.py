"""What it takes to stop caring: `async for` over 100,000 rows is left after 10 outcomes, 256 in flight.

probes/leaving.py in a process of its own, once over a list, once over a generator and once over an async generator;
from the `break` until the engine is closed. Nothing may be left: no task, no socket, no file, no thread, and not a
word of warning on standard error.
"""

import itertools
import json
import sys

from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.process import HERE, Server, null_server, run_process

KINDS = ("list", "generator", "async")


def run(options: Options) -> list[Figure]:
    """Measure."""
    count = options.pick(100_000, 5_000)
    said: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    with null_server(options.folder) as server:
        for _, kind in itertools.product(options.turns(5), KINDS):
            said[kind].append(leave(options, server, count, kind))
    left = [one["tasks"] + one["files"] + one["threads"] for ones in said.values() for one in ones]
    return [
        *(
            Figure(f"closed, {kind}", "s", [one["seconds"] for one in ones], bar=1.0, every=True)
            for kind, ones in said.items()
        ),
        Figure("tasks, files and threads left", "", left, bar=0, every=True),
    ]


def leave(options: Options, server: Server, count: int, kind: str) -> dict:
    """Return what the probe says."""
    probe = HERE / "probes" / "leaving.py"
    command = [sys.executable, "-W", "always", probe, server.url, str(count), kind]
    finished = run_process(command, folder=options.folder, timeout=60).expect(0)
    if finished.err:
        raise BenchmarkError(f"there was a warning: {finished.err.strip()[-500:]}")
    return json.loads(finished.out)
