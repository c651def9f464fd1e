"""What understanding a reply costs: a chat completion of 1.3 KB with all that OpenAI's have, and a refusal.

The dialect alone in a process of its own (probes/decoding.py), without engine and network. Beside the answer itself:
reading the six headers about limits that come with it, and a 429 with its words, wait and limit. They take turns; CPU is
the process's own, the garbage collector is off.
"""

import json
import sys

from benchmarks.contract import Figure, Options
from benchmarks.process import HERE, run_process


def run(options: Options) -> list[Figure]:
    """Measure."""
    numbers = map(str, (options.pick(50_000, 2_000), len(options.turns(9))))
    command = [sys.executable, HERE / "probes" / "decoding.py", *numbers]
    taken = json.loads(run_process(command, folder=options.folder, timeout=120).expect(0).out)
    return [
        Figure("CPU an answer", "us", taken["answer"], bar=8),
        Figure("CPU its headers about limits", "us", taken["adverts"]),
        Figure("CPU a refusal", "us", taken["refusal"]),
    ]
