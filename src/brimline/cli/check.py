"""`brimline check`: every problem of a file, its models and keys in one report; sends nothing."""

import sys
from typing import Any

import click
import msgspec

from brimline.cli.options import input_options, make_config, make_options
from brimline.cli.text import clean, plural
from brimline.data.inputs import open_table
from brimline.engine.prepare import Checked, check_input, make_recipe
from brimline.errors import BrimlineError


@click.command(name="check")
@input_options
@click.option("--json", "to_json", is_flag=True, help="Write the report as JSON.")
def command(*, to_json: bool, **given: Any) -> int:
    """Read INPUT as `run` would and report every problem of its rows, models, keys and files. Sends nothing.

    The exit code is 0 if it can be run, and 2 if it cannot.
    """
    config = make_config(given)
    options = make_options(given)
    try:
        recipe = make_recipe(options, options.input.parent, config)
        checked = check_input(open_table(options.input), recipe, config, with_keys=False)
    except BrimlineError as error:
        if not to_json:
            raise
        click.echo(msgspec.json.encode({"ok": False, "problems": [str(error)]}))
        return 2
    if to_json:
        click.echo(msgspec.json.encode(_as_json(checked)))
    else:
        _show(checked)
    return 2 if checked.problems.count else 0


def _as_json(checked: Checked) -> dict[str, Any]:
    plan, problems = checked.plan, checked.problems
    return {
        "ok": not problems.count,
        "rows": plan.rows,
        "requests": plan.requests,
        "models": plan.counts(),
        "problems": problems.texts,
        "more_problems": problems.count - len(problems.texts),
    }


def _show(checked: Checked) -> None:
    plan, problems = checked.plan, checked.problems
    for text in problems.texts:
        click.echo(clean(text), err=True)
    if problems.count > len(problems.texts):
        click.echo(f"... and {problems.count - len(problems.texts)} more", err=True)
    for model, count in plan.counts().items():
        click.echo(clean(f"{model}: {plural(count, 'request')}"))
    verdict = plural(problems.count, "problem") if problems.count else "no problems"
    click.echo(f"{plural(plan.rows, 'row')}, {plural(plan.requests, 'request')}, {verdict}; nothing was sent")
    sys.stdout.flush()
