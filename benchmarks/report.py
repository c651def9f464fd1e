"""What was measured, for people (a table in Markdown) and for programs (a file of JSON for each benchmark)."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.contract import Figure

PACKAGES = ("brimline", "aiohttp", "uvloop", "msgspec", "openai", "fastapi", "slowapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one benchmark.

    Attributes:
        name: Its name.
        method: How it measures, in its own words.
        quick: Whether it was shrunk, so that no figure says anything about a bar.
        began: When it began.
        load: How many processes wanted a processor just before it began.
        figures: What it measured; empty if it could not.
        problem: Why it could not, or an empty string.
        is_failure: Whether that is a failure and not only something that is missing here.
    """

    name: str
    method: str
    quick: bool
    began: datetime
    load: float
    figures: Sequence[Figure] = ()
    problem: str = ""
    is_failure: bool = False

    @property
    def is_good(self) -> bool:
        """Whether nothing failed and every bar is met."""
        missed = not self.quick and any(figure.is_met is False for figure in self.figures)
        return not (self.is_failure or missed)

    def table(self) -> str:
        """Return the figures as a table in Markdown, or the reason why there are none."""
        if not self.figures:
            return f"{'failed' if self.is_failure else 'skipped'}: {self.problem}"
        head = ["what", "median", "min - max", "n", "bar", "met"]
        rows = [head, ["---", "---:", "---:", "---:", "---:", "---"], *map(self._row, self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (" | ".join(map(str.ljust, row, widths)) for row in rows)
        return "\n".join(f"| {line} |" for line in lines)

    def _row(self, figure: Figure) -> list[str]:
        met = {True: "yes", False: "NO", None: ""}[None if self.quick else figure.is_met]
        spread = f"{amount(min(figure.values))} - {amount(max(figure.values))}"
        bar = ""
        if figure.bar is not None:
            bar = f"{'each ' if figure.every else ''}<= {amount(figure.bar)}"
        middle = f"{amount(figure.median)} {figure.unit}".strip()
        return [figure.what, middle, spread, str(len(figure.values)), bar, met]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "benchmark": self.name,
            "date": self.began.isoformat(timespec="seconds"),
            "method": self.method,
            "quick": self.quick,
            "machine": machine(),
            "load_before": round(self.load, 2),
            "versions": versions(),
            "problem": self.problem or None,
            "figures": [self._figure(figure) for figure in self.figures],
        }

    def _figure(self, figure: Figure) -> dict[str, Any]:
        return {
            "what": figure.what,
            "unit": figure.unit,
            "median": round(figure.median, 6),
            "min": round(min(figure.values), 6),
            "max": round(max(figure.values), 6),
            "values": [round(value, 6) for value in figure.values],
            "bar": figure.bar,
            "bar_holds_for": "each value" if figure.every else "the median",
            "met": None if self.quick else figure.is_met,
        }

    def write(self, folder: Path) -> Path:
        """Write a file of its own and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.began:%Y-%m-%d}-{self.name}{'-quick' if self.quick else ''}.json"
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
        return path


def amount(value: float) -> str:
    """Write a number as people read it: a count whole, anything else with three or four digits that count."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def machine() -> dict[str, Any]:
    """Return what it was measured on, as far as figures depend on it."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name, as far as the system says it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def versions() -> dict[str, str]:
    """Return the versions of what was measured, with brimline's commit where there is one."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    command = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    if described.returncode == 0:
        found["commit"] = described.stdout.strip()
    return found
