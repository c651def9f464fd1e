"""The check pass: every row is read once before anything is sent, and what is needed to find it again is packed."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

from brimline.data.problems import Problem, ProblemKind, Problems
from brimline.data.recipe import Origin, Recipe
from brimline.data.rows import BadRow, Row, RowError, Table
from brimline.errors import InputError
from brimline.types import Request

MOST_LANES = 1 << 16
"""Lanes that a plan can tell apart: two bytes a request."""


@dataclass(slots=True)
class Plan:
    """An input that was checked, in 10 bytes a row.

    Attributes:
        table: The input.
        recipe: What makes requests of its rows.
        offsets: Where each row begins.
        lanes: The model reference and the group of each lane, by its name, in order of appearance.
        lane_of: For each request, its lane's place in `lanes`.
    """

    table: Table
    recipe: Recipe
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    lanes: dict[str, tuple[str, str]] = field(default_factory=dict)
    lane_of: "array[int]" = field(default_factory=lambda: array("H"))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.offsets)

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return len(self.lane_of)

    @property
    def models(self) -> list[str]:
        """Model references in order of appearance."""
        return [*dict.fromkeys(model for model, _ in self.lanes.values())]

    def counts(self) -> dict[str, int]:
        """Return how many requests go to each model."""
        models = [model for model, _ in self.lanes.values()]
        counts = dict.fromkeys(models, 0)
        for place in self.lane_of:
            counts[models[place]] += 1
        return counts

    def read(self, numbers: "array[int]") -> list[Request]:
        """Return requests by their numbers; those of one row should stand together.

        Raises:
            InputError: The file was changed since it was checked.
        """
        per_row = self.recipe.per_row
        if per_row == 1:
            rows = self.table.read(self.offsets[number] for number in numbers)
            return [self._made(row, number)[0] for row, number in zip(rows, numbers, strict=True)]
        grouped = groupby(numbers, key=lambda number: number // per_row)
        places = [(row, [number % per_row for number in group]) for row, group in grouped]
        rows = self.table.read(self.offsets[number] for number, _ in places)
        requests: list[Request] = []
        for (number, wanted), row in zip(places, rows, strict=True):
            made = self._made(row, number)
            requests.extend(made[place] for place in wanted)
        return requests

    def _made(self, row: Row, number: int) -> list[Request]:
        try:
            return self.recipe.requests(row, number)
        except RowError as error:
            raise InputError(
                f"{self.table.source.name} was changed while it was being run: {error}"
            ) from None


def make_plan(
    table: Table,
    recipe: Recipe,
    *,
    check_model: Callable[[str], str | None],
    check_request: Callable[[Request], str | None],
    note: Callable[[Request, object], None],
    with_keys: bool = True,
) -> tuple[Plan, Problems]:
    """Read every row, find every problem, and pack the rest. Nothing is sent.

    Args:
        table: The input.
        recipe: What makes requests of its rows.
        check_model: Says what is wrong with a model reference; asked once for each.
        check_request: Says what is wrong with a request.
        note: Called for each request that is right, with the id that its row gives or None.
        with_keys: Whether `note` looks at the requests' keys.
    """
    plan, problems = Plan(table, recipe), Problems()
    for model in recipe.models:
        if (problem := check_model(model)) is not None:
            problems.add(Problem(kind=ProblemKind.ENDPOINT, message=problem, model=model))
    checker = _Checker(plan, problems, check_model, check_request, note, with_keys=with_keys)
    for row in table.scan():
        if isinstance(row, BadRow):
            where = table.source.where(row.line)
            problems.add(Problem(kind=ProblemKind.ROW, message=row.reason, where=where, line=row.line))
            plan.offsets.append(row.offset)
        else:
            checker.add(row)
    if not plan.offsets:
        problems.add(Problem(kind=ProblemKind.FILE, message=f"{table.source.name} holds no rows"))
    return plan, problems


class _Checker:
    """Adds rows to a plan, or says what is wrong with them."""

    def __init__(
        self,
        plan: Plan,
        problems: Problems,
        check_model: Callable[[str], str | None],
        check_request: Callable[[Request], str | None],
        note: Callable[[Request, object], None],
        *,
        with_keys: bool,
    ) -> None:
        self._plan = plan
        self._problems = problems
        self._check_model = check_model
        self._check_request = check_request
        self._note = note
        self._with_keys = with_keys
        self._places: dict[str, int] = {}
        self._models = {*plan.recipe.models}

    def add(self, row: Row) -> None:
        plan = self._plan
        with_keys = self._with_keys or not plan.offsets  # what the options say is of one kind for all rows
        try:
            requests = plan.recipe.requests(row, plan.rows, with_keys=with_keys)
        except RowError as error:
            own_id = row.columns.get("id", row.columns.get("custom_id"))
            self._note_problem(row, error.kind, str(error), own_id=own_id)
            plan.offsets.append(row.offset)
            return
        for request in requests:
            plan.lane_of.append(self._place(request, row))
            if not request.repeat and (problem := self._check_request(request)) is not None:
                self._note_problem(row, ProblemKind.REQUEST, problem, request)
            assert isinstance(request.origin, Origin)
            self._note(request, request.origin.own_id)
        plan.offsets.append(row.offset)

    def _note_problem(
        self,
        row: Row,
        kind: ProblemKind,
        message: str,
        request: Request | None = None,
        *,
        own_id: object = None,
    ) -> None:
        if request is not None:
            assert isinstance(request.origin, Origin)
            own_id = request.origin.own_id
        problem = Problem(
            kind=kind,
            message=message,
            where=self._plan.table.source.where(row.line),
            line=row.line,
            id=own_id,
            model=None if request is None else request.model,
        )
        self._problems.add(problem)

    def _place(self, request: Request, row: Row) -> int:
        model, lane = request.model, request.lane
        place = self._places.get(lane)
        if place is None and len(self._places) == MOST_LANES:
            self._note_problem(
                row, ProblemKind.ROW, f"names more than {MOST_LANES:,} models and groups", request
            )
            return 0
        if place is None:
            place = self._places[lane] = len(self._plan.lanes)
            self._plan.lanes[lane] = model, request.group
            if model not in self._models and (problem := self._check_model(model)) is not None:
                self._note_problem(row, ProblemKind.ENDPOINT, problem, request)
            self._models.add(model)
        return place
