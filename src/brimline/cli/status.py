"""`brimline status`: how a run stands, by its own word while it lives, else by what is on file."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from brimline.cli.display.lines import limiting, line
from brimline.cli.missing import show_missing
from brimline.cli.text import clean, pace, plural, span
from brimline.core.faults import CONSEQUENCES
from brimline.engine.progress import ModelProgress, Progress
from brimline.engine.remote import look
from brimline.engine.status import State, Status, runs_in
from brimline.errors import BrimlineError

PASSING = {kind.value for kind, consequence in CONSEQUENCES.items() if consequence.transient}


@click.command(name="status")
@click.argument("output", required=False, type=click.Path(path_type=Path))
@click.option("--json", "to_json", is_flag=True, help="Write it as JSON, one object for each run.")
@click.option(
    "--missing", is_flag=True, help="Write the input's rows that have no answer, and say why they have none."
)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="With --missing: a file for them."
)
def command(output: Path | None, target: Path | None, *, to_json: bool, missing: bool) -> int:
    """Show how the run with the results OUTPUT stands: its counts, rates and time left, and what each model waits for.

    It may run in another terminal, have ended, or have been killed. Without OUTPUT: all runs in the working folder.
    """
    if missing and output is not None:
        return show_missing(output, target, to_json=to_json)
    if missing or target is not None:
        raise click.UsageError(
            "name the results OUTPUT of a run" if missing else "-o is for what --missing writes"
        )
    if output is not None:
        show(look(output), to_json=to_json)
        return 0
    outputs = runs_in(Path())
    if not outputs and not to_json:
        click.echo("There is no run in this folder.", err=True)
    code = 0
    for path in outputs:
        try:
            status = look(path)
        except BrimlineError as error:  # one that does not answer hides no other
            click.echo(clean(f"{path}: {error}"), err=True)
            code = 1
        else:
            show(status, to_json=to_json, is_brief=True)
    return code


def show(status: Status, *, to_json: bool, is_brief: bool = False) -> None:
    """Write how a run stands to standard output."""
    if to_json:
        click.echo(msgspec.json.encode(status))
        return
    for text in (_head(status), *(() if is_brief else _details(status))):
        click.echo(clean(text))


def _head(status: Status) -> str:
    head = f"{status.output}: {status.state}"
    if status.pid is not None:
        head += f" (process {status.pid})"
    if status.stopped and status.state is State.INCOMPLETE:
        head += f" ({status.stopped})"
    if status.progress is not None:
        return f"{head}, {line(status.progress, with_models=False)}"
    parts = [
        head,
        f"{status.ok:,} answered" if status.total is None else f"{status.ok:,} of {status.total:,} answered",
    ]
    if status.failed:
        parts.append(f"{status.failed:,} failed")
    if status.pending:
        parts.append(f"{status.pending:,} pending")
    return ", ".join(parts)


def _details(status: Status) -> Iterator[str]:
    if status.progress is not None:
        yield from _models(status.progress)
    for kind, count in sorted((status.failures or {}).items(), key=lambda pair: -pair[1]):
        yield f"  {plural(count, 'row')} failed: {kind}"
    if status.unfinished and status.state is not State.COMPLETE:
        were = "was" if status.unfinished == 1 else "were"
        yield f"  {plural(status.unfinished, 'request')} {were} in flight when it ended and may have been billed"
    yield from _next_steps(status)


def _next_steps(status: Status) -> Iterator[str]:
    if status.state in {State.KILLED, State.INCOMPLETE}:
        yield "  Run the same command again to resume."
    if status.failures and status.state in {State.COMPLETE, State.INCOMPLETE}:
        is_passing = any(kind in PASSING for kind in status.failures)
        which = (
            "failed rows again whose reason may have passed; --all, every one" if is_passing else "them again"
        )
        yield f"  `brimline retry {shlex.quote(status.output)}{'' if is_passing else ' --all'}` sends {which}."


def _models(progress: Progress) -> Iterator[str]:
    if progress.notice:
        yield f"  {progress.notice}"
    for model in progress.models:
        yield f"  {model.model}: {', '.join(_model(model))}"


def _model(model: ModelProgress) -> Iterator[str]:
    done = model.ok + model.failed
    yield f"{done:,}" if model.total is None else f"{done:,} of {model.total:,}"
    yield f"{model.in_flight:,} in flight"
    yield f"{_used(model.requests, model.requests_allowed)} requests in the last minute"
    if model.tokens or model.tokens_allowed:
        yield f"{_used(model.tokens, model.tokens_allowed)} tokens"
    if model.p50 is not None and model.p95 is not None:
        yield f"p50 {model.p50:.2f} s, p95 {model.p95:.2f} s"
    if said := pace(model.first_token, model.per_token):
        yield said
    for count, what in ((model.refused, "refused"), (model.retried, "retried"), (model.failed, "failed")):
        if count:
            yield f"{count:,} {what}"
    if model.left and model.eta is not None:
        yield f"{span(model.eta)} left"
    if limiting(model):
        yield f"now: {limiting(model)}"


def _used(used: int, allowed: int | None) -> str:
    return f"{used:,}" if allowed is None else f"{used:,} of {allowed:,}"
