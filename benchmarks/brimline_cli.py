"""The command that is measured: `brimline run`, as a user has it, in a folder of its own."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.contract import BenchmarkError
from benchmarks.process import Finished, run_process

PROMPT = ("-p", "{{ question }}")


class Brimline:
    """`brimline` in a folder, with an endpoint `lab` at `base_url`."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.output = folder / "out.jsonl"
        (folder / "brimline.toml").write_text(f'[endpoints.lab]\nbase_url = "{base_url}"\nkey = "none"\n')

    def command(self, rows: Path, *options: str) -> list[str | Path]:
        """Return the command that runs a file."""
        return [sys.executable, "-m", "brimline", "run", rows, *options, "-q", "-o", self.output]

    def run(
        self, rows: Path, *options: str, timeout: float, environment: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a file to its end."""
        command = self.command(rows, *options)
        return run_process(command, folder=self.folder, timeout=timeout, environment=environment)

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the results."""
        with self.output.open("rb") as lines:
            yield from map(json.loads, lines)

    def require_answers(self, count: int) -> None:
        """See that each row has its answer: what is fast must be right as well.

        Raises:
            BenchmarkError: It has not.
        """
        answered = sum(result["status"] == "ok" for result in self.results())
        if answered != count:
            raise BenchmarkError(f"{answered} of {count} rows were answered")

    def forget(self) -> None:
        """Remove results and what stands beside them."""
        self.output.unlink(missing_ok=True)
        self.forget_run()

    def forget_run(self) -> None:
        """Remove the run's folder and keep the results."""
        shutil.rmtree(self.output.with_name(self.output.name + ".run"), ignore_errors=True)
