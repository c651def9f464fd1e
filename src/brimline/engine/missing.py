"""Which rows of an input have no answer in its results, and why: they failed, or have not been answered yet."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from brimline.config import Config, load_config
from brimline.data.inputs import open_table
from brimline.data.plan import Plan, make_plan
from brimline.data.recipe import Origin
from brimline.engine.manifest import GivenCommand, read_command
from brimline.engine.options import RunOptions
from brimline.engine.prepare import Checked, make_recipe, match_results
from brimline.errors import ConfigError, InputError, OutputError
from brimline.store.folder import FolderView
from brimline.store.matching import Identities, Match, Standing
from brimline.store.results import ResultsReader, recorded_lines
from brimline.types import Request

AHEAD = 256
"""So many rows are read at once."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A request without an answer.

    Attributes:
        number: The number of its row, from 0.
        columns: Its row.
        id: Its id.
        model: The model reference.
        kind: Why it failed, or `pending`: it has no outcome.
        message: What its fault says.
    """

    number: int
    columns: Mapping[str, Any]
    id: Any
    model: str
    kind: str
    message: str = ""


def missing_of(output: Path) -> Iterator[Missing]:
    """Yield the requests of a run that have no answer, in the order of its input. Changes nothing.

    Raises:
        OutputError: There is no such run, or its results cannot be read.
        RunError: Nothing says what it was asked to do.
        InputError: Its input is not there any more, or cannot be read.
    """
    if not output.is_file():
        raise OutputError(f"there are no results {output}", hint="Name the file given with -o.")
    asked = read_command(FolderView(output).read_manifest(), output)
    checked = _read_input(_placed(asked), _config(asked))
    reader = ResultsReader(output)
    matched = match_results(output, checked, reader, iter(reader), is_known=True)
    yield from _without_answer(checked.plan, matched, output)


def _placed(asked: GivenCommand) -> RunOptions:
    """Return a run's options as they read from here."""
    options, folder = asked.options, asked.folder
    media = options.media_folder
    return replace(
        options, input=folder / options.input, media_folder=None if media is None else folder / media
    )


def _config(asked: GivenCommand) -> Config:
    """Return the configuration of a run, as far as it says what is asked; a file that is gone says nothing."""
    file = None if asked.config is None else asked.folder / asked.config
    if file is not None and not file.is_file():
        raise ConfigError(f"the configuration of the run, {file}, is not there any more")
    return load_config(file, flags=asked.rules, run=asked.run)


def _read_input(options: RunOptions, config: Config) -> Checked:
    recipe = make_recipe(options, options.input.parent, config)
    identities = Identities(recipe.per_row, repeat=recipe.repeat, with_keys=True)

    def note(request: Request, own_id: object) -> None:
        identities.add(request.key, request.model, own_id, request.repeat)

    plan, problems = make_plan(
        open_table(options.input),
        recipe,
        check_model=lambda _: None,
        check_request=lambda _: None,
        note=note,
    )
    if problems.count:
        raise InputError(
            f"{options.input} is not what was run any more: {problems.texts[0]}",
            hint="`brimline check` shows all that is wrong with it.",
        )
    return Checked(plan, problems, identities)


def _without_answer(plan: Plan, matched: Match, output: Path) -> Iterator[Missing]:
    lacking = array("I", (number for number, stands in enumerate(matched.standing) if stands != Standing.OK))
    failed = array("I", (number for number in lacking if matched.standing[number]))
    faults = {
        number: msgspec.json.decode(line, type=_Line).error
        for number, line in recorded_lines(output, matched.line_of, failed)
    }
    for start in range(0, len(lacking), AHEAD):
        some = lacking[start : start + AHEAD]
        for number, request in zip(some, plan.read(some), strict=True):
            assert isinstance(request.origin, Origin)
            fault = faults.get(number)
            row = number // plan.recipe.per_row
            kind, message = ("pending", "") if fault is None else (fault.kind, fault.message)
            yield Missing(row, request.origin.columns, request.id, request.model, kind, message)


class _Fault(msgspec.Struct):
    kind: str = "unknown"
    message: str = ""


class _Line(msgspec.Struct):
    error: _Fault | None = None
