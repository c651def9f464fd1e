"""Answers of two to the same rows, side by side, for judges that compare them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypeAlias

from brimline.errors import InputError
from brimline.evals.answers import Answers
from brimline.evals.records import Answer, model_of
from brimline.store.lines import plain_columns

Place: TypeAlias = tuple[str, Any]
"""A row's id, and which of several answers to it."""


class Pairs:
    """The rows that two have answered, each with `response_a` and `response_b`; in the first one's order.

    Rows are the same where their ids are. The second one's answers are kept in memory.

    Args:
        first: Results; the answers of both, where there is no second file.
        second: The other's results.

    Attributes:
        sides: What the two are called: their models, or if these are the same their files.
        total: How many rows each has, answered or not.

    Raises:
        InputError: They are not two.
    """

    def __init__(self, first: Answers, second: Answers | None = None) -> None:
        self._first, self._second = first, second
        self._models = _two_models(first, second)
        names = self._models
        if second is not None and names[0] == names[1]:
            stems = first.path.stem, second.path.stem
            names = stems if stems[0] != stems[1] else (str(first.path), str(second.path))
        self.sides = names
        other = first if second is None else second
        counts = first.total[self._models[0]], other.total[self._models[1]]
        self.total = Counter(dict(zip(names, counts, strict=True)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for answers in (self._first, self._second):
            if answers is not None:
                answers.__exit__()

    def __iter__(self) -> Iterator[Answer]:
        """Yield the rows that both have answered."""
        a, b = self._models
        others = self._first if self._second is None else self._second
        theirs = {_place(answer.row): answer.row.get("response") for answer in _of(others, b)}
        for answer in _of(self._first, a):
            place = _place(answer.row)
            if place in theirs:
                yield self._pair(answer, place, theirs[place])

    def _pair(self, answer: Answer, place: Place, theirs: Any) -> Answer:
        name, repeat = place
        row = {"id": answer.row.get("id")} | ({} if repeat is None else {"repeat": repeat})
        row |= plain_columns(answer.row)
        row |= {"prompt": answer.row["prompt"], "model_a": self.sides[0], "model_b": self.sides[1]}
        row |= {"response_a": answer.row.get("response"), "response_b": theirs}
        return Answer(name if repeat is None else f"{name}-{repeat}", row, answer.images)


def _two_models(first: Answers, second: Answers | None) -> tuple[str, str]:
    if second is None:
        if len(first.total) != 2:
            raise InputError(
                f"{first.path} holds answers of {len(first.total)} models, and a comparison is between two",
                hint="Give two results files, or one with the answers of two models.",
            )
        one, other = first.total
        return one, other
    for answers in (first, second):
        if len(answers.total) != 1:
            raise InputError(
                f"{answers.path} holds answers of {len(answers.total)} models; give one side in each file"
            )
    return next(iter(first.total)), next(iter(second.total))


def _of(answers: Iterable[Answer], model: str) -> Iterator[Answer]:
    return (answer for answer in answers if model_of(answer.row) == model)


def _place(row: Mapping[str, Any]) -> Place:
    return str(row.get("id", "NA")), row.get("repeat")
