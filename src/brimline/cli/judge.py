"""`brimline judge`: let models judge the answers in a results file."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.options import limit_options, run_options, setting_options, show_options
from brimline.cli.run import Terms, carry_out, read_terms
from brimline.cli.score import GATE_MISSED
from brimline.cli.summary import as_json
from brimline.cli.text import clean, plural
from brimline.cli.verdicts import print_judged, verdicts_as_json
from brimline.engine.options import Retry, RunOptions
from brimline.engine.report import Report
from brimline.errors import ConfigError, InputError
from brimline.evals.gate import Gate, parse_gate
from brimline.evals.judged import Judged
from brimline.evals.judging import Judging
from brimline.evals.panel import Panel, folder_panel, rubric_panel
from brimline.store.folder import FolderView

FOLLOW = 1.0
"""Seconds between two looks for new answers."""


@click.command(name="judge")
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("results_b", type=click.Path(path_type=Path), required=False)
@click.option(
    "--rubric", type=click.Path(path_type=Path), help="What is judged, in TOML; see docs/judging.md."
)
@click.option(
    "--judge-folder",
    type=click.Path(path_type=Path),
    help="prompto's: settings.json says who the judges are, the .txt files what they are asked.",
)
@click.option(
    "--template",
    "--judge-templates",
    "templates",
    multiple=True,
    metavar="A.txt[,B.txt]",
    help="Templates of the folder (template.txt).",
)
@click.option(
    "-j",
    "--judge",
    "judges",
    multiple=True,
    metavar="NAME[,NAME]",
    help="Names in settings.json; with a rubric ENDPOINT/MODEL, in the place of its own.",
)
@click.option("-p", "--prompt", metavar="TEMPLATE", help="What was asked, where the rows do not hold it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[judge-<results stem>.results.jsonl]")
@click.option(
    "--create-only",
    type=click.Path(path_type=Path),
    help="Write the judges' rows to this file; send nothing.",
)
@click.option("--follow", is_flag=True, help="Judge while the run of RESULTS goes on, until it has ended.")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="'NAME >= X'",
    help="Exit with 4 if it does not hold. Repeatable.",
)
@setting_options
@limit_options
@run_options
@show_options
def command(**given: Any) -> int:
    """Let models judge the answers in RESULTS of `run`; running the same command again resumes.

    A rubric of kind "pairwise" compares RESULTS with RESULTS_B, or the two models of RESULTS. What failed is not judged.
    """
    panel = _panel(given)
    gates = [parse_gate(text) for text in given.pop("gates")]
    results = [path for path in (given.pop("results"), given.pop("results_b")) if path is not None]
    judging = Judging(results, panel, output=given.pop("output"), prompt=given.pop("prompt"))
    create_only, follow = given.pop("create_only"), given.pop("follow")
    if create_only is not None:
        count = judging.write_rows(create_only)
        click.echo(clean(f"{plural(count, 'row')} for judges: {create_only}"), err=True)
        return 0
    given["repeat"] = 1  # each answer is judged once, however often rows are answered
    terms = read_terms(given)
    options = _options(judging, given)
    terms.ask_before_fresh(options)
    report, code = _follow(results, judging, options, terms) if follow else _judge(judging, options, terms)
    return _show(judging, report, code, gates, terms)


def split_names(given: tuple[str, ...]) -> list[str]:
    """Return names that are repeated, or listed with commas as prompto has them."""
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def _panel(given: dict[str, Any]) -> Panel:
    rubric, folder = given.pop("rubric"), given.pop("judge_folder")
    templates, judges = split_names(given.pop("templates")), split_names(given.pop("judges"))
    if (rubric is None) == (folder is None):
        raise ConfigError("give either --rubric or --judge-folder: it says what the judges are asked")
    if rubric is None:
        return folder_panel(folder, templates or ["template.txt"], judges)
    if templates:
        raise ConfigError("--template is for --judge-folder; a rubric has its own prompt")
    return rubric_panel(rubric, judges)


def _options(judging: Judging, given: dict[str, Any]) -> RunOptions:
    return judging.options(**{**given, "params": dict(given["params"]), "retry": Retry(given["retry"])})


def _judge(judging: Judging, options: RunOptions, terms: Terms) -> tuple[Report, int]:
    judging.write_rows()
    return carry_out(options, terms.config, terms.display, quiet=terms.quiet)


def _follow(results: list[Path], judging: Judging, options: RunOptions, terms: Terms) -> tuple[Report, int]:
    """Judge what is there again and again, until the run has ended; failed rows are sent again only at the beginning."""
    quiet = terms._replace(quiet=True)
    seen: list[tuple[int, int]] = []
    while True:
        is_live = any(FolderView(path).owner() is not None for path in results)
        stamps, seen = seen, [_stamp(path) for path in results]
        if is_live and stamps == seen:
            time.sleep(FOLLOW)
            continue
        try:
            report, code = _judge(judging, options, quiet if is_live else terms)
        except InputError:
            if not is_live:
                raise
            time.sleep(FOLLOW)  # nothing is answered yet
            continue
        options = replace(options, retry=Retry.NONE, fresh=False)
        if not is_live or code not in {0, 3}:
            return report, code
        if not terms.quiet:
            terms.display.say(f"{plural(report.ok, 'answer')} judged; waiting for more")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_size


def _show(judging: Judging, report: Report, code: int, gates: list[Gate], terms: Terms) -> int:
    judged = judging.sum_up()
    misses = judged.misses(gates) if code == 0 else []
    code = GATE_MISSED if misses else code
    if terms.to_json:
        told = verdicts_as_json(judged) | {"gates_missed": misses, "verdicts": str(judging.verdicts)}
        click.echo(msgspec.json.encode(told | {"run": msgspec.Raw(as_json(report, code)), "exit_code": code}))
    elif not terms.quiet:
        print_judged(judged)
        click.echo(clean(f"Verdicts: {judging.verdicts}"), err=True)
    for line in (*_failures(judged), *(f"gate missed: {miss}" for miss in misses)):
        click.echo(clean(f"brimline: {line}"), err=True)
    if gates and code not in {0, GATE_MISSED}:
        click.echo("brimline: not all is judged, so the gates were not looked at", err=True)
    return code


def _failures(judged: Judged) -> list[str]:
    """Name the first replies without a verdict."""
    named = [f"no verdict: {failure}" for failure in judged.failures]
    if judged.failed > len(named):
        named.append(f"... {judged.failed:,} in all")
    return named
