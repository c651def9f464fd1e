"""A line of results as scorers see it."""

from collections.abc import Mapping
from typing import Any

EXPECTED = ("expected_response", "expected", "answer", "target", "label", "reference", "ideal")
"""Columns that hold the right answer, where nobody says which; the first is prompto's."""


class ScoreError(Exception):
    """A row that cannot be scored, and why."""


class Row(Mapping[str, Any]):
    """One answered line: its columns and what came of it, as in the results file.

    Args:
        columns: The line.
        expected: The column that holds the right answer; the first of the usual ones if not given.
    """

    def __init__(self, columns: Mapping[str, Any], expected: str | None = None) -> None:
        self._columns = columns
        self._expected = expected

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def answers(self) -> list[Any]:
        """The answers to be scored: all of several (`n`), of a conversation the last turn's."""
        response = self._columns.get("response")
        if isinstance(response, list):
            is_conversation = isinstance(self._columns.get("prompt"), list)
            return response[-1:] if is_conversation else response
        return [response]

    @property
    def expected(self) -> Any:
        """The right answer.

        Raises:
            ScoreError: The row has none.
        """
        if self._expected is not None:
            if self._columns.get(self._expected) is None:
                raise ScoreError(f"has no column '{self._expected}' with the right answer")
            return self._columns[self._expected]
        for name in EXPECTED:
            if self._columns.get(name) is not None:
                return self._columns[name]
        raise ScoreError(
            f"has no column with the right answer ({', '.join(EXPECTED)}); name it with expected=COLUMN"
        )
