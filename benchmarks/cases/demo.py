"""How long a newcomer waits: `python3 dev.py demo` in a fresh clone, with everything that it installs.

The clone lies in a temporary folder and holds what is committed; the caches of pip and uv are turned off, so the
packages come from the index over the network. Wall time of the command.
"""

import shutil
import subprocess

from benchmarks.contract import BenchmarkError, Figure, Options, Skipped
from benchmarks.process import run_process


def run(options: Options) -> list[Figure]:
    """Measure."""
    python, git = shutil.which("python3"), shutil.which("git")
    if python is None or git is None:
        raise Skipped("needs python3 and git")
    walls = []
    for number in options.turns(1):
        clone = options.folder / f"clone-{number}"
        cloned = subprocess.run([git, "clone", "--quiet", options.root, clone], check=False)
        if cloned.returncode:
            raise BenchmarkError("the repository cannot be cloned")
        caches = {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
        finished = run_process([python, "dev.py", "demo"], folder=clone, timeout=300, environment=caches)
        walls.append(finished.expect(0).wall)
    return [Figure("python3 dev.py demo, wall", "s", walls, bar=60, every=True)]
