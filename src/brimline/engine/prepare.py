"""Everything that happens before anything is sent: the input is checked, and what is on file is matched to it.

Bad input never costs money and never loses an answer: every problem is found here, all of them are reported
together, and nothing on disk changes before there is none.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from brimline.config import Config
from brimline.data.batch import is_batch_row
from brimline.data.grouping import Grouping
from brimline.data.media import Media, excess
from brimline.data.plan import Plan, make_plan
from brimline.data.problems import Problem, ProblemKind, Problems
from brimline.data.recipe import Recipe
from brimline.data.rows import Row, Table
from brimline.data.template import Template
from brimline.engine.callables import find_function
from brimline.engine.options import RunOptions
from brimline.errors import ConfigError, InputError, OutputError
from brimline.providers import Provider, SigningProvider, find_provider
from brimline.store.lines import Recorded, own_columns, plain_columns
from brimline.store.matching import Identities, Match, PackedIndex, match
from brimline.store.results import NOT_OURS, ResultsReader
from brimline.types import Request

TWINS = 20
"""Rows that give the same id are named so often at most; then they are all of one kind."""

SAMPLE = 200
"""Recorded lines looked at to tell changed rows from those of another input."""


@dataclass(slots=True)
class Checked:
    """An input and what is wrong with it.

    Attributes:
        plan: The input.
        problems: What is wrong with it.
        identities: Who its requests are.
        unready: How many of the problems are that a model's place lacks its key or base URL.
    """

    plan: Plan
    problems: Problems
    identities: Identities
    unready: int = 0

    def forget(self) -> None:
        """Let go of who the requests are: answers on file are matched once."""
        self.identities = Identities(self.identities.per_row, with_keys=False)

    def require(self) -> None:
        """See that nothing is wrong.

        Raises:
            InputError: Something is; it holds the problems.
        """
        if self.problems.count:
            count, noun = self.problems.count, "problem" if self.problems.count == 1 else "problems"
            raise InputError(
                f"{count} {noun}, nothing was sent:",
                problems=self.problems.texts,
                count=count,
                is_setup=self.unready == count,
            )


def make_recipe(options: RunOptions, folder: Path, config: Config) -> Recipe:
    """Return the recipe that the options describe; local files are looked for in `folder`.

    Raises:
        ConfigError: A template is none.
    """
    limited = config.limited_groups
    grouping = Grouping(only=() if "*" in limited else (*sorted(limited),)) if limited else None
    return Recipe(
        media=Media(options.media_folder or folder),
        models=options.models,
        prompt=None if options.prompt is None else Template(options.prompt, "the prompt template"),
        column=options.prompt_column,
        embed=options.embed,
        system=None if options.system is None else Template(options.system, "the system template"),
        params=options.params,
        schema=None if options.schema is None else options.schema.schema,
        repeat=config.run.repeat,
        grouping=options.grouping or grouping,
    )


def check_input(table: Table, recipe: Recipe, config: Config, *, with_keys: bool) -> Checked:
    """Read the whole input and find every problem; sends nothing.

    Args:
        table: The input.
        recipe: What makes requests of its rows.
        config: Knows endpoints and credentials.
        with_keys: Whether requests have to be told apart: to match answers on file, or to find equal ones.
    """
    identities = Identities(recipe.per_row, repeat=recipe.repeat, with_keys=with_keys)
    providers: dict[str, list[tuple[str, Provider]]] = {}
    unready: list[str] = []

    def check_model(model: str) -> str | None:
        try:
            providers[model] = [*answering(model, config)]
        except ConfigError as error:
            if model.partition("/")[0] in config.endpoints:
                unready.append(model)
            return str(error)
        return None

    def check_request(request: Request) -> str | None:
        for model, provider in providers.get(request.model, ()):
            asked = request if request.model == model else replace(request, model=model)
            most = getattr(provider, "INLINE", None)
            too_much = excess(request.media, most) if request.media and most is not None else None
            if (problem := too_much or provider.problem(asked)) is not None:
                return problem if asked is request else f"{model}: {problem}"
        return None

    def note(request: Request, own_id: object) -> None:
        identities.add(request.key, request.model, own_id, request.repeat)

    plan, problems = make_plan(
        table, recipe, check_model=check_model, check_request=check_request, note=note, with_keys=with_keys
    )
    if not problems.count:
        _find_twins(plan, identities, problems)
        for conflict in config.conflicts(plan.models):
            problems.add(Problem(kind=ProblemKind.LIMITS, message=conflict))
    return Checked(plan, problems, identities, len(unready))


def answering(model: str, config: Config) -> Iterator[tuple[str, Provider]]:
    """Yield whatever may answer a model, by its reference, with its dialect; a function has none.

    Raises:
        ConfigError: One of them cannot be used.
    """
    for other in config.answering([model]):
        place = config.resolve(other)
        key, endpoint = place.key(), place.endpoint
        if endpoint.function is not None:
            find_function(endpoint)
            continue
        provider = find_provider(endpoint.provider, endpoint.options, endpoint.base_url)
        if key is None and isinstance(provider, SigningProvider):
            provider.signature()
        yield other, provider


def _find_twins(plan: Plan, identities: Identities, problems: Problems) -> None:
    """Report rows that give the same id for the same model."""
    if not identities.has_names:
        return
    twins = PackedIndex(identities.names).twins()
    first_ones = ((one, other) for one, other in twins if one % identities.repeat == 0)
    for one, other in islice(first_ones, TWINS + 1):
        lines = [plan.table.line_at(plan.offsets[number // identities.per_row]) for number in (one, other)]
        (request,) = plan.read(array("I", [one]))
        message = f"{plan.table.source.where(*lines)} give the same id {request.id!r} for {request.model}"
        problems.add(
            Problem(kind=ProblemKind.ID, message=message, line=lines[1], id=request.id, model=request.model)
        )


def match_results(
    path: Path,
    checked: Checked,
    reader: ResultsReader,
    lines: Iterable[tuple[int, Recorded]],
    *,
    is_known: bool,
) -> Match:
    """Match the answers on file to the requests of the input.

    Args:
        path: The results file.
        checked: The input.
        reader: Reads the file.
        lines: What it reads.
        is_known: Whether something was sent for the file, so that it is ours even if nothing can be read.

    Raises:
        OutputError: The file holds no results, or those of another input.
    """
    plan = checked.plan
    matched = match(checked.identities, lines, _places(plan))
    if reader.is_foreign and not (is_known and reader.is_torn):
        raise OutputError(f"{path} is no results file of brimline", hint=NOT_OURS)
    if reader.lines and not any(matched.line_of) and not _knows_rows(path, plan):
        hint = f"{NOT_OURS} With --fresh it is kept aside and the run starts over."
        raise OutputError(f"{path} holds results of other rows than {plan.table.source.name}", hint=hint)
    return matched


def _places(plan: Plan) -> dict[str, int]:
    """Return the place of each model among the requests of a row."""
    if plan.recipe.models:
        return {model: place for place, model in enumerate(plan.recipe.models)}
    return dict.fromkeys(plan.models, 0)


def _knows_rows(path: Path, plan: Plan) -> bool:
    """Whether some recorded row occurs in the input: then its template or model was changed, and it is ours."""
    encode = msgspec.json.Encoder(order="sorted").encode
    recorded = {encode(columns) for columns in _recorded_columns(path) if columns}
    return any(encode(_bare(row.columns)) in recorded for row in plan.table.scan() if isinstance(row, Row))


def _recorded_columns(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as results:
        for line in islice(results, SAMPLE):
            try:
                yield own_columns(line)
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError, TypeError):
                continue


def _bare(columns: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": columns["custom_id"]} if is_batch_row(columns) else plain_columns(columns)
