"""`brimline rephrase`: make an input file of more prompts, by letting models say them in other words."""

import sys
from pathlib import Path
from typing import Any

import click

from brimline.cli.judge import split_names
from brimline.cli.options import limit_options, run_options, setting_options, show_options
from brimline.cli.run import carry_out, read_terms
from brimline.cli.summary import as_json
from brimline.cli.text import clean, plural
from brimline.engine.options import Retry
from brimline.evals.rephrasing import Rephrasing


@click.command(name="rephrase")
@click.argument("input_", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "--rephrase-folder",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="settings.json says who rephrases, the templates how.",
)
@click.option(
    "--rephrase-model",
    "models",
    multiple=True,
    required=True,
    metavar="NAME[,NAME]",
    help="Names in settings.json. Repeatable.",
)
@click.option(
    "--rephrase-templates",
    "templates",
    default="template.txt",
    show_default=True,
    help=r"A file of the folder with one template in each line; \n in it is a line break.",
)
@click.option(
    "--rephrase-parser", "parser", help="Takes replies with several prompts apart: split_numbered_list."
)
@click.option(
    "--no-originals",
    "originals",
    flag_value=False,
    default=True,
    type=bool,
    help="Only what was rephrased goes into the new file.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The new input [post-rephrase-<stem>.jsonl]"
)
@setting_options
@limit_options
@run_options
@show_options
def command(**given: Any) -> int:
    """Let models rephrase the prompts of INPUT, and write a file that can be run; the same command again resumes."""
    names = ("templates", "parser", "originals", "output")
    made = {name: given.pop(name) for name in names}
    rephrasing = Rephrasing(
        given.pop("input_"), given.pop("folder"), split_names(given.pop("models")), **made
    )
    given["repeat"] = 1
    terms = read_terms(given)
    given |= {"params": dict(given["params"]), "retry": Retry(given["retry"])}
    options = rephrasing.options(**given)
    terms.ask_before_fresh(options)
    rephrasing.write_rows()
    report, code = carry_out(options, terms.config, terms.display, quiet=terms.quiet)
    if report.is_complete:
        count = rephrasing.write_output()
        if not terms.quiet:
            click.echo(clean(f"{plural(count, 'row')} to run: {rephrasing.output}"), err=True)
    else:
        click.echo(
            clean(f"brimline: {rephrasing.output} was not written, since not all is rephrased"), err=True
        )
    if terms.to_json:
        sys.stdout.buffer.write(as_json(report, code) + b"\n")
    return code
