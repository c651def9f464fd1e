"""Whether scheduling costs more when more is waiting: the dispatcher alone, with 1,000 and 1,000,000 tickets.

The pure core in a process of its own (probes/steps.py), without engine and network, time as an argument. A cycle is
what one request causes: a step that starts it, a step that is refused for the limit and names the next moment,
departure, settlement with token usage, release, and an offer of one more, so that the queue keeps its length. The
sizes take turns; CPU is the process's own.
"""

import json
import sys

from benchmarks.contract import Figure, Options, ratios
from benchmarks.process import HERE, run_process


def run(options: Options) -> list[Figure]:
    """Measure."""
    sizes = (1000, options.pick(1_000_000, 20_000))
    rounds = len(options.turns(9))
    numbers = map(str, (options.pick(20_000, 2_000), rounds, *sizes))
    command = [sys.executable, HERE / "probes" / "steps.py", *numbers]
    taken = json.loads(run_process(command, folder=options.folder, timeout=300).expect(0).out)
    few, many = (taken[str(size)] for size in sizes)
    return [
        Figure(f"cycle with {sizes[1]:,} / with {sizes[0]:,} waiting", "x", ratios(many, few), bar=1.3),
        Figure(f"CPU a cycle, {sizes[0]:,} waiting", "us", few),
        Figure(f"CPU a cycle, {sizes[1]:,} waiting", "us", many),
    ]
