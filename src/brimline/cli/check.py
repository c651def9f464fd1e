"""`brimline check`: every problem of a file, its models and keys; sends nothing."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.options import input_options, make_config, make_options
from brimline.cli.text import clean, plural
from brimline.data.inputs import open_table
from brimline.data.problems import Problem, ProblemKind
from brimline.engine.prepare import Checked, check_input, make_recipe
from brimline.errors import BrimlineError, InputError


@click.command(name="check")
@input_options
@click.option(
    "-d",
    "--data-folder",
    "media_folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Files that rows name are in its folder media/, as for `experiment run`.",
)
@click.option(
    "-e",
    "--env-file",
    "env_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="NAME=VALUE lines; what is set already wins.",
)
@click.option("--json", "to_json", is_flag=True, help="Write each problem as a JSON object on a line.")
def command(*, to_json: bool, **given: Any) -> int:
    """Read INPUT as `run` would and report every problem of its rows, models, keys and files. Sends nothing.

    The exit code is 0 if it can be run, and 2 if it cannot.
    """
    file = given["input_"]
    try:
        config = make_config(given)
        options = make_options(given)
        recipe = make_recipe(options, options.input.parent, config)
        checked = check_input(open_table(options.input), recipe, config, with_keys=False)
    except BrimlineError as error:
        if not to_json:
            raise
        kind = ProblemKind.FILE if isinstance(error, InputError) else ProblemKind.SETTINGS
        _write(file, Problem(kind=kind, message=str(error)))
        return 2
    if to_json:
        _write(file, *checked.problems.found)
    _show(checked, to_json=to_json)
    return 2 if checked.problems.count else 0


def _write(file: Path, *problems: Problem) -> None:
    """Write problems as JSON: which file, which line, whose, and what."""
    for problem in problems:
        told = {
            "file": str(file),
            "line": problem.line,
            "id": problem.id,
            "model": problem.model,
            "kind": problem.kind,
            "message": problem.message,
        }
        click.echo(msgspec.json.encode(told))


def _show(checked: Checked, *, to_json: bool) -> None:
    """Show the problems, unless they are JSON, and what there is."""
    plan, problems = checked.plan, checked.problems
    for text in () if to_json else problems.texts:
        click.echo(clean(text), err=True)
    if problems.count > len(problems.found):
        click.echo(f"... and {problems.count - len(problems.found)} more", err=True)
    for model, count in plan.counts().items():
        click.echo(clean(f"{model}: {plural(count, 'request')}"), err=to_json)
    verdict = plural(problems.count, "problem") if problems.count else "no problems"
    rows = f"{plural(plan.rows, 'row')}, {plural(plan.requests, 'request')}"
    click.echo(f"{rows}, {verdict}; nothing was sent", err=to_json)
    sys.stdout.flush()
