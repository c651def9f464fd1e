"""What prompto writes beside an experiment's results: its log, and the results as CSV."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from brimline.data.columns import all_columns
from brimline.data.writers import CsvWriter, whole_file
from brimline.engine.report import Report
from brimline.errors import OutputError
from brimline.store.export import LastLines
from brimline.store.lines import FIELDS

MOMENT = "%d-%m-%Y, %H:%M"


class ExperimentLog:
    """The log of one output: lines of a time and a message; it grows with each time the output is worked on.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, now: datetime, *messages: str) -> None:
        """Write messages down; what models and servers say in them is made visible, never obeyed.

        Raises:
            OutputError: They cannot be written.
        """
        moment = now.strftime(MOMENT)
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.writelines(f"{moment}: {_plain(message)}\n" for message in messages)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from None


def failures(completed: Path) -> Iterator[str]:
    """Say of each row that failed, why; in the order of the results."""
    with LastLines(completed) as lines:
        for row in lines.rows():
            if row.get("status") == "failed":
                yield _failure(row)


def _failure(row: Mapping[str, Any]) -> str:
    error = row.get("error") or {}
    tried = f"after {row.get('attempts', 0)} attempts" if row.get("attempts", 0) != 1 else "after 1 attempt"
    model = row.get("model") or f"{row.get('api')}/{row.get('model_name')}"
    return f"Error (id={row.get('id', 'NA')}, model={model}) {tried}: {error.get('kind')}: {error.get('message')}"


def last_words(file: str, report: Report) -> str:
    """Return the line that prompto ends its logs with, or what is left to do."""
    if not report.is_complete:
        return f"Stopped experiment: {file}: {report.pending} of {report.total} queries are pending; run it again to resume"
    average = report.elapsed / max(1, report.total)
    return (
        f"Completed experiment: {file}! Experiment processing time: {report.elapsed:.3f} seconds, "
        f"Average time per query: {average:.3f} seconds, failed queries: {report.failed}"
    )


def write_table(completed: Path, table: Path) -> None:
    """Write results as CSV; what is nested stands as JSON in a cell.

    Raises:
        OutputError: It cannot be written.
    """
    with LastLines(completed) as lines:
        columns = all_columns(lines.rows(), FIELDS)
        writer = CsvWriter(
            columns, {column.name for column in columns if column.name.split(".")[0] in FIELDS}
        )
        with whole_file(table, overwrite=True) as path, path.open("wb") as file:
            file.writelines(writer.lines(lines.rows()))


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
