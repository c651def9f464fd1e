"""What is wrong with an input, one by one: where, of what kind, and in words."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

KEPT = 1000
"""Problems that are kept word for word; the rest is counted."""


class ProblemKind(StrEnum):
    """What a problem is about."""

    FILE = "file"
    """The file as a whole: it cannot be read, or holds nothing."""
    ROW = "row"
    """A row: it cannot be read, lacks something, or holds what it may not."""
    PROMPT = "prompt"
    """The form of a prompt."""
    MEDIA = "media"
    """A file that a prompt names."""
    ENDPOINT = "endpoint"
    """Where a model answers: no such endpoint, no key, no address, no such setting."""
    REQUEST = "request"
    """What the API of a model cannot be asked."""
    ID = "id"
    """An id that is there twice."""
    SETTINGS = "settings"
    """What was said of how it is run."""
    LIMITS = "limits"
    """Declared limits that contradict each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem.

    Attributes:
        kind: What it is about.
        message: What is wrong, in words.
        where: The file and the line, as people write it; empty where it is about no row.
        line: The line in the user's file, from 1, or None.
        id: The row's id, or None.
        model: The model reference, or None.
    """

    kind: ProblemKind
    message: str
    where: str = ""
    line: int | None = None
    id: Any = None
    model: str | None = None

    @property
    def text(self) -> str:
        """Where it is and what is wrong."""
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(slots=True)
class Problems:
    """What is wrong with an input.

    Attributes:
        found: The first problems.
        count: How many there are.
    """

    found: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, problem: Problem) -> None:
        """Note a problem."""
        self.count += 1
        if self.count <= KEPT:
            self.found.append(problem)

    @property
    def texts(self) -> list[str]:
        """The first problems, for people."""
        return [problem.text for problem in self.found]
