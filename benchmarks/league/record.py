"""The raw JSON of a race: one file for each scenario and client, read back by the table."""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from benchmarks import report
from benchmarks.contract import BenchmarkError
from benchmarks.league import environments
from benchmarks.league.clients import CLIENTS, Client
from benchmarks.league.scenarios import SCENARIOS
from benchmarks.league.score import Run
from benchmarks.process import HERE

RESULTS = HERE / "league" / "results"
_OWN = ("brimline", "aiohttp", "msgspec", "uvloop")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which a client is measured.

    Attributes:
        date: When it began, in UTC.
        load_before: How many processes wanted a processor just before, the average of a minute.
        machine: What it is measured on.
        versions: Of the client's packages.
        settings: The client's, in the words of its script.
    """

    date: str
    load_before: float
    machine: dict[str, Any]
    versions: dict[str, str]
    settings: str

    @classmethod
    def now(cls, client: Client) -> Self:
        """Return those of this moment."""
        date = datetime.now(UTC).isoformat(timespec="seconds")
        load = round(os.getloadavg()[0], 2)
        return cls(date, load, report.machine(), versions_of(client), client.settings)


@dataclass(frozen=True, slots=True)
class Record:
    """What a file of results holds: a client's runs on a scenario, with the scenario's ideal at that time."""

    scenario: str
    client: str
    script: str
    ideal_s: float | None
    conditions: Conditions
    runs: Sequence[Run]

    def median(self, figure: Callable[[Run], float | None]) -> float | None:
        """Return the median of a figure over the rounds; None if no run has it."""
        values = [value for run in self.runs if (value := figure(run)) is not None]
        return statistics.median(values) if values else None

    @property
    def is_complete(self) -> bool:
        """Whether each row was answered in each run."""
        return all(run.lost == 0 for run in self.runs)

    @property
    def worst(self) -> Run:
        """The run in which fewest rows were answered."""
        return min(self.runs, key=lambda run: run.answered)

    @property
    def ratio(self) -> float | None:
        """Time over the ideal; None unless all rows were answered."""
        span = self.median(lambda run: run.span_s)
        return span / self.ideal_s if span and self.ideal_s and self.is_complete else None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        names = ("date", "load_before", "machine", "versions", "settings")
        return {
            "scenario": self.scenario,
            "client": self.client,
            "script": self.script,
            "ideal_s": self.ideal_s,
            "conditions": {name: getattr(self.conditions, name) for name in names},
            "runs": [run.as_json() for run in self.runs],
        }

    def write(self, folder: Path = RESULTS) -> Path:
        """Write its file and return the path."""
        path = folder / f"{self.scenario}--{self.client}.json"
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            BenchmarkError: It is not what `write` makes, or its scenario or client are no more.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            conditions = Conditions(**record.pop("conditions"))
            runs = [Run.of_json(run) for run in record.pop("runs")]
            found = cls(**record, conditions=conditions, runs=runs)
        except (ValueError, KeyError, TypeError) as error:
            raise BenchmarkError(f"{path.name} is no result of the league: {error}") from error
        if found.scenario not in SCENARIOS or found.client not in CLIENTS or not found.runs:
            raise BenchmarkError(f"{path.name} is of a scenario or client that is no more; remove it")
        return found


def read_all(folder: Path = RESULTS) -> Iterator[Record]:
    """Yield all results."""
    for path in sorted(folder.glob("*.json")):
        yield Record.read(path)


def versions_of(client: Client) -> dict[str, str]:
    """Return the versions of what a client is made of."""
    if client.environment is not None:
        return environments.versions(client.environment, client.packages)
    known = report.versions()
    return {name: known[name] for name in _OWN if name in known} | _commit()


def _commit() -> dict[str, str]:
    """Return the commit of the sources, marked if they differ from it; nothing outside a checkout."""
    git = ("git", "-C", str(HERE.parent))
    said = subprocess.run((*git, "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False)
    if said.returncode:
        return {}
    changed = subprocess.run((*git, "diff", "--quiet", "HEAD", "--", "src"), check=False).returncode
    return {"commit": said.stdout.strip() + ("-dirty" if changed else "")}
