"""A virtual environment for each set of requirements, made by `python -m benchmarks.league setup`."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.contract import BenchmarkError

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements"
ENVIRONMENTS = HERE / "environments"


def names() -> list[str]:
    """Return the names of all environments: each has a file of pinned requirements."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def python_of(name: str) -> Path:
    """Return an environment's Python.

    Raises:
        BenchmarkError: It has not been made.
    """
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        raise BenchmarkError(
            f"no environment '{name}'; make it with: python -m benchmarks.league setup {name}"
        )
    return python


def make(name: str) -> bool:
    """Make an environment as its requirements have it, unless it is that already; return whether that worked."""
    requirements, folder = REQUIREMENTS / f"{name}.txt", ENVIRONMENTS / name
    mark = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == mark:
        return True
    made = _run(sys.executable, "-m", "venv", "--clear", folder) and _run(
        python_of(name), "-m", "pip", "install", "--quiet", "--requirement", requirements
    )
    if made:
        stamp.write_text(mark)
    return made


def _run(*command: str | Path) -> bool:
    return subprocess.run([str(part) for part in command], check=False).returncode == 0


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of some packages in an environment, its Python's among them."""
    code = (
        "import json, platform, sys; from importlib.metadata import version; "
        "print(json.dumps({'python': platform.python_version()} | {name: version(name) for name in sys.argv[1:]}))"
    )
    command = [python_of(name), "-c", code, *packages]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
