#!/usr/bin/env python3
"""One command each: `python3 dev.py demo` shows brimline at work, `python3 dev.py test` tests it.

Needs nothing but Python 3.11 or later with pip, and a package index. Makes `.venv` beside this file and installs
the pinned versions of constraints.txt into it: with uv where it is there or can be had, else with venv and pip.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  it is run by whatever Python there is
    sys.exit(f"brimline needs Python 3.11 or later; this is {sys.version.split()[0]}")
import tomllib

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".venv-tools"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"


def main() -> int:
    """Run the command that is asked for."""
    commands = {"demo": demo, "test": test, "lint": lint, "setup": lambda _: 0}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        print(f"usage: python3 dev.py {{{','.join(commands)}}} [arguments]")
        return 2
    name = sys.argv[1]
    install([] if name == "demo" else development())
    return commands[name](sys.argv[2:])


def demo(arguments: list[str]) -> int:
    """Run the example input through the simulator, with the live display."""
    return subprocess.call([VENV / "bin" / "brimline", "demo", *arguments], cwd=ROOT)


def test(arguments: list[str]) -> int:
    """Run the tests; without arguments on every core, and on one more, since many wait for another process."""
    arguments = arguments or ["-n", str((os.cpu_count() or 1) + 1)]
    return subprocess.call([PYTHON, "-m", "pytest", *arguments], cwd=ROOT, env=with_bytecode())


def with_bytecode() -> dict[str, str]:
    """Return an environment whose Pythons keep what they compile: tests start hundreds, and compiling would be most of it."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(VENV / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def lint(arguments: list[str]) -> int:
    """Run what CI checks beside the tests."""
    checks = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    )
    failed = [check for check in checks if subprocess.call([VENV / "bin" / check[0], *check[1:]], cwd=ROOT)]
    return 1 if failed or arguments else 0


def development() -> list[str]:
    """Return the development requirements, as pyproject.toml has them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["dependency-groups"]["dev"]


def install(extra: list[str]) -> None:
    """Make the virtual environment and install the project, unless that was done before."""
    stamp = VENV / ".installed"
    text = "\n".join((*extra, CONSTRAINTS.read_text(), (ROOT / "pyproject.toml").read_text(), sys.version))
    mark = hashlib.sha256(text.encode()).hexdigest()
    if stamp.exists() and mark in stamp.read_text().split():
        return
    requirements = ["--constraint", CONSTRAINTS, "--editable", ROOT, *extra]
    print("installing into .venv ...", flush=True)
    if not with_uv(requirements):
        with_pip(requirements)
    with stamp.open("a") as file:
        file.write(f"{mark}\n")


def with_uv(requirements: list) -> bool:
    """Install with uv; return whether that worked."""
    uv = shutil.which("uv") or fetch_uv()
    if uv is None:
        return False
    if not PYTHON.exists() and run([uv, "venv", "--quiet", "--python", sys.executable, VENV]):
        return False
    return run([uv, "pip", "install", "--quiet", "--python", PYTHON, *requirements]) == 0


def fetch_uv() -> str | None:
    """Get uv with pip into a folder of its own: that works where the global pip is locked."""
    uv = TOOLS / "bin" / "uv"
    if not uv.exists():
        run([sys.executable, "-m", "pip", "install", "--quiet", "--target", TOOLS, "uv"], quiet=True)
    return str(uv) if uv.exists() else None


def with_pip(requirements: list) -> None:
    """Install with venv and pip; a Python without ensurepip uses the pip it has on the new environment."""
    if not PYTHON.exists() and run([sys.executable, "-m", "venv", VENV], quiet=True):
        shutil.rmtree(VENV, ignore_errors=True)
        check([sys.executable, "-m", "venv", "--without-pip", VENV])
    has_pip = run([PYTHON, "-m", "pip", "--version"], quiet=True) == 0
    pip = [PYTHON, "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", PYTHON]
    check([*pip, "install", "--quiet", *requirements])


def run(command: list, *, quiet: bool = False) -> int:
    """Run a command and return its exit code."""
    sink = subprocess.DEVNULL if quiet else None
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    return subprocess.call([str(part) for part in command], stdout=sink, stderr=sink, env=environment)


def check(command: list) -> None:
    """Run a command that must work."""
    if run(command):
        sys.exit(f"failed: {' '.join(map(str, command))}")


if __name__ == "__main__":
    sys.exit(main())
