"""How long one waits for nothing: `import brimline`, and `brimline --help`.

Each in a process of its own, in turns with a Python that does nothing. The import is timed within its process
(wall); `--help` is the whole process (CPU, Python's own start included). A first run of each warms the disk's cache.
"""

import sys
from pathlib import Path

from benchmarks.contract import Figure, Options
from benchmarks.process import Finished, run_process

IMPORT = "import time; began = time.perf_counter(); import brimline; print(time.perf_counter() - began)"


def run(options: Options) -> list[Figure]:
    """Let them take turns."""
    script = Path(sys.executable).with_name("brimline")
    program = [script] if script.exists() else [sys.executable, "-m", "brimline"]
    commands = {
        "import": [sys.executable, "-c", IMPORT],
        "help": [*program, "--help"],
        "nothing": [sys.executable, "-c", "pass"],
    }
    measured: dict[str, list[Finished]] = {name: [] for name in commands}
    for command in commands.values():
        run_process(command, folder=options.folder, timeout=60).expect(0)
    for _ in options.turns(11):
        for name, command in commands.items():
            measured[name].append(run_process(command, folder=options.folder, timeout=60).expect(0))
    imports = [float(one.out) * 1e3 for one in measured["import"]]
    cpu = {name: [one.cpu * 1e3 for one in runs] for name, runs in measured.items()}
    return [
        Figure("import brimline, wall", "ms", imports, bar=100),
        Figure("brimline --help, CPU", "ms", cpu["help"], bar=150),
        Figure("brimline --help, wall", "ms", [one.wall * 1e3 for one in measured["help"]]),
        Figure("Python that does nothing, CPU", "ms", cpu["nothing"]),
    ]
