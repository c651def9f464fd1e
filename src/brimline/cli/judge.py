"""`brimline judge`: let models judge the answers in a results file."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.options import limit_options, run_options, setting_options, show_options
from brimline.cli.run import Terms, carry_out, read_terms
from brimline.cli.score import GATE_MISSED
from brimline.cli.signals import SIGNALLED
from brimline.cli.summary import as_json
from brimline.cli.text import clean, plural
from brimline.cli.verdicts import print_judged, verdicts_as_json
from brimline.engine.clock import ticks
from brimline.engine.engine import Engine
from brimline.engine.options import Retry, RunOptions
from brimline.engine.report import Report
from brimline.errors import ConfigError
from brimline.evals.gate import Gate, parse_gate
from brimline.evals.judged import Judged
from brimline.evals.judging import Judging
from brimline.evals.panel import Panel, folder_panel, rubric_panel


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
    began = ticks()
    if follow and (code := _follow(judging, options, terms)):
        return code
    if options.deadline is not None:
        options = replace(options, deadline=max(0.0, options.deadline - (ticks() - began)))
    judging.write_rows()
    report, code = carry_out(options, terms.config, terms.display, quiet=terms.quiet)
    return show_judged(judging, report, code, gates, terms)


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


def _follow(judging: Judging, options: RunOptions, terms: Terms) -> int:
    """Judge what a live run answers, until it has ended; return the exit code if a signal ends it before, else 0."""
    if options.fresh or options.limit is not None or options.stop_after_failed is not None:
        raise ConfigError("--fresh, --limit and --stop-after-failed do not go with --follow")
    import uvloop  # noqa: PLC0415  it imports asyncio's network code, which nothing before needs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_follow_here(judging, options, terms))


async def _follow_here(judging: Judging, options: RunOptions, terms: Terms) -> int:
    """Follow with signals: the first one drains, the second one stops."""
    following = judging.following(options)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[signal.Signals] = []
    assert task is not None

    def interrupt(number: signal.Signals) -> None:
        received.append(number)
        following.stop() if len(received) == 1 else task.cancel()
        terms.display.say("stopping: what is in flight is finished; once more to stop at once")

    for number in SIGNALLED:
        loop.add_signal_handler(number, interrupt, number)
    try:
        async with Engine(config=terms.config) as engine:
            await following.run(engine)
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number in SIGNALLED:
            loop.remove_signal_handler(number)
    if not terms.quiet:
        replies = f"{plural(following.replies, 'request')} to judges done"
        terms.display.say(f"{plural(following.answers, 'answer')} taken while the run went on, {replies}")
    return SIGNALLED[received[0]] if received else 0


def show_judged(judging: Judging, report: Report, code: int, gates: list[Gate], terms: Terms) -> int:
    """Write the verdicts, show them, and return the exit code: that of the run, or 4 if a gate is missed."""
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
