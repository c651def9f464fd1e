"""`brimline pause`, `resume`, `stop` and `set`: a word to a run that is alive, from another terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from brimline.cli.options import AMOUNT, CONCURRENCY, Checked
from brimline.cli.text import clean
from brimline.config import LimitRule
from brimline.core.quota import parse_quotas
from brimline.engine.commands import Change, Command, Pause, Resume, Set, Stop
from brimline.engine.remote import NoRun, tell
from brimline.errors import ConfigError
from brimline.store.folder import FolderView

F = TypeVar("F", bound=Callable[..., Any])


def _read_change(text: str) -> Change:
    """Read `[REF-PATTERN=]QUOTA`, and keep its words."""
    pattern, equals, quota = text.rpartition("=")
    if equals and not pattern:
        raise ConfigError(f"'{text}' names no model before the '='")
    parse_quotas(quota)
    return Change(pattern or "*", quota)


CHANGE = Checked("[PATTERN=]QUOTA", _read_change)


def _of_a_run(function: F) -> F:
    """Add what all of these commands take."""
    function = click.option("--json", "to_json", is_flag=True, help="Write the answer as JSON.")(function)
    return click.argument("output", type=click.Path(path_type=Path))(function)


@click.command(name="pause")
@_of_a_run
def pause(output: Path, *, to_json: bool) -> int:
    """Let the run with the results OUTPUT start nothing more; what is in flight is finished and kept."""
    return _say(output, Pause(), to_json=to_json)


@click.command(name="resume")
@_of_a_run
def resume(output: Path, *, to_json: bool) -> int:
    """Let the paused run with the results OUTPUT go on.

    A run that has ended or was killed is resumed by running its command again.
    """
    try:
        return _say(output, Resume(), to_json=to_json)
    except NoRun as error:
        if FolderView(output).owner() is None:
            error.hint = "A run that has ended or was killed is resumed by running its command again."
        raise


@click.command(name="stop")
@click.option("--now", is_flag=True, help="Drop what is in flight, too; it may have been billed.")
@_of_a_run
def stop(output: Path, *, now: bool, to_json: bool) -> int:
    """End the run with the results OUTPUT, as Ctrl-C does: nothing more is sent, what is in flight is finished.

    The run exits with 130. Running its command again resumes it.
    """
    return _say(output, Stop(now=now), to_json=to_json)


@click.command(name="set")
@click.option("--rate", "rates", type=CHANGE, multiple=True, help="New limit, as for `run`; repeatable.")
@click.option("--rpm", type=AMOUNT, help="Requests per minute for each model.")
@click.option("--tpm", type=AMOUNT, help="Tokens per minute for each model.")
@click.option("--concurrency", "concurrencies", type=CONCURRENCY, multiple=True,
              help="Requests in flight for each model, or for those that match; repeatable.")  # fmt: skip
@_of_a_run
def set_(
    output: Path,
    *,
    rates: Sequence[Change],
    rpm: int | None,
    tpm: int | None,
    concurrencies: Sequence[LimitRule],
    to_json: bool,
) -> int:
    """Change the limits of the run with the results OUTPUT while it runs.

    What it has sent counts in the new limits. A limit for requests replaces what was said of requests before, and
    leaves tokens alone. The next run has its own again.
    """
    changes = [*rates]
    if rpm is not None:
        changes.append(Change(rate=f"{rpm}/min"))
    if tpm is not None:
        changes.append(Change(rate=f"{tpm} tokens/min"))
    changes += [Change(rule.pattern, concurrency=rule.concurrency) for rule in concurrencies]
    if not changes:
        raise ConfigError("nothing to set", hint="Give --rpm, --tpm, --rate or --concurrency.")
    return _say(output, Set(tuple(changes)), to_json=to_json)


def _say(output: Path, command: Command, *, to_json: bool) -> int:
    done = tell(output, command)
    if to_json:
        click.echo(msgspec.json.encode({"said": done.said, "status": done.status}))
    else:
        click.echo(clean(f"{output}: {done.said}"))
    return 0
