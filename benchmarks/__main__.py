"""`python -m benchmarks [names...]`: measure, print a table for each benchmark, write a JSON file for each.

Each benchmark runs whole processes on loopback and needs nothing else; where several things are compared they take
turns within one run. A benchmark that needs packages which are not there says which, and is skipped.
Exit code 0: every bar is met; 1: one is not, or a benchmark failed.
"""

import argparse
import importlib
import importlib.util
import inspect
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from benchmarks.contract import BenchmarkError, Options, Skipped
from benchmarks.profiling import profile
from benchmarks.report import Result

ROOT = Path(__file__).resolve().parent.parent
CASES = (
    "startup",
    "steps",
    "decoding",
    "leaving",
    "journal",
    "streaming",
    "overhead",
    "embeddings",
    "memory",
    "resume",
    "efficiency",
    "sharing",
    "paper",
    "experiments",
    "volume",
    "latencies",
    "lanes",
    "slowapi",
    "outage",
    "finished",
    "million",
    "demo",
)
"""In this order: the short ones first."""


def main() -> int:
    """Run the benchmarks that are asked for and return the exit code."""
    arguments = parse(sys.argv[1:])
    if arguments.list:
        for name in CASES:
            print(f"{name:12} {inspect.getdoc(load(name)).splitlines()[0]}")
        return 0
    if arguments.profile:
        with tempfile.TemporaryDirectory(prefix="brimline-bench-") as folder:
            print(profile(Path(folder), rows=500 if arguments.quick else 5000))
        return 0
    names = [name for name in arguments.names or CASES if name not in arguments.skip]
    results = []
    for name in names:
        print(f"\n## {name}\n\n{inspect.getdoc(load(name))}\n", flush=True)
        result = measure(name, arguments)
        print(result.table(), flush=True)
        result.write(arguments.out)
        results.append(result)
    return 0 if all(result.is_good for result in results) else 1


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(CASES)}; all if none"
    )
    parser.add_argument(
        "--skip", action="append", default=[], choices=CASES, help="leave this one out; repeatable"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the JSON files"
    )
    parser.add_argument("--rounds", type=int, help="so many rounds instead of each benchmark's own number")
    parser.add_argument("--quick", action="store_true", help="shrink everything, only to see that it works")
    parser.add_argument(
        "--data", type=Path, help="the file of the paper's experiment: 300 prompts for 3 models"
    )
    parser.add_argument("--list", action="store_true", help="say what there is and end")
    parser.add_argument(
        "--profile", action="store_true", help="show where the CPU of `overhead` goes, and end"
    )
    arguments = parser.parse_args(words)
    if unknown := set(arguments.names) - {*CASES}:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    return arguments


def load(name: str) -> ModuleType:
    """Return the module of a benchmark."""
    return importlib.import_module(f"benchmarks.cases.{name}")


def measure(name: str, arguments: argparse.Namespace) -> Result:
    """Run one benchmark in a folder of its own."""
    case = load(name)
    result = {
        "name": name,
        "method": inspect.getdoc(case),
        "quick": arguments.quick,
        "began": datetime.now(UTC),
        "load": os.getloadavg()[0],
    }
    if missing := [
        package for package in getattr(case, "NEEDS", ()) if not importlib.util.find_spec(package)
    ]:
        return Result(**result, problem=f"needs `pip install {' '.join(missing)}`")
    with tempfile.TemporaryDirectory(prefix="brimline-bench-") as folder:
        options = Options(Path(folder), arguments.quick, arguments.rounds, arguments.data, ROOT)
        try:
            return Result(**result, figures=case.run(options))
        except Skipped as skipped:
            return Result(**result, problem=str(skipped))
        except BenchmarkError as error:
            problem = str(error).replace(folder, ".").replace(str(ROOT), ".")
            return Result(**result, problem=problem, is_failure=True)


if __name__ == "__main__":
    sys.exit(main())
