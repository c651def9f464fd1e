"""What a script is given and what it gives back; the only thing that the scripts share, with no dependency."""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, Self


class Row(NamedTuple):
    """Something to ask: `endpoint` is a name."""

    id: str
    endpoint: str
    prompt: str


class Job:
    """The job in the file that the command line names; it is run in that file's folder.

    Attributes:
        endpoints: Base URLs by name.
        model: The model to ask for, everywhere.
        per_minute: The limit of each endpoint, in requests a minute; None if nobody said.
        told_in_flight: How many requests to keep in flight, if somebody said.
        in_flight: The same, or the number that the league gives those who need one.
        workers: That number for clients that cannot pace: where a rate is told, as many as requests a second.
    """

    def __init__(self) -> None:
        path = Path(sys.argv[1])
        os.chdir(path.parent)
        about = json.loads(path.read_text(encoding="utf-8"))
        self.endpoints: dict[str, str] = about["endpoints"]
        self.model: str = about["model"]
        self.told_requests: int | None = about["told_requests"]
        self.told_seconds: int = about["told_seconds"]
        self.told_in_flight: int | None = about["told_in_flight"]
        self.in_flight: int = about["in_flight"]
        self.source = Path(about["rows"])
        self.answers = Path(about["answers"])

    @property
    def workers(self) -> int:
        return self.in_flight if self.per_minute is None else max(1, self.per_minute // 60)

    @property
    def per_minute(self) -> int | None:
        if self.told_requests is None:
            return None
        return self.told_requests * 60 // self.told_seconds

    def rows(self) -> list[Row]:
        """Return all rows, in order."""
        with self.source.open(encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        return [Row(record["id"], record["model"].partition("/")[0], record["prompt"]) for record in records]

    def rows_by_endpoint(self) -> dict[str, list[Row]]:
        """Return the rows of each endpoint."""
        parts: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows():
            parts[row.endpoint].append(row)
        return parts

    def sink(self) -> "Sink":
        """Open the file of answers."""
        return Sink(self.answers)


class Sink:
    """The file of answers: a line for each, written when it is there."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, id_: str, response: str | None) -> None:
        """Write an answer."""
        self._file.write(json.dumps({"id": id_, "response": response}) + "\n")
        self._file.flush()
