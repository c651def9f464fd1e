"""`brimline limits`: what is declared, advertised and learned of a model, and how much of it is used now."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.options import limit_options, make_config
from brimline.cli.text import clean
from brimline.config import Config
from brimline.config.limits import GROUP
from brimline.core.quota import Quota
from brimline.core.view import LimitView, Source
from brimline.engine.remote import look
from brimline.engine.status import Status, runs_in
from brimline.errors import BrimlineError


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What limits a model, by the word of one run or of the configuration.

    Attributes:
        model: The model reference.
        output: The results file of the run, or None: the configuration says so.
        is_now: Whether the run is running.
        ended: When it ended, or None.
        limits: The limits.
        limited_by: What limits it now, while it runs.
    """

    model: str
    output: str | None = None
    is_now: bool = False
    ended: str | None = None
    limits: tuple[LimitView, ...] = ()
    limited_by: str = ""


@click.command(name="limits")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@limit_options
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="Read this file."
)
@click.option("--json", "to_json", is_flag=True, help="Write it as JSON, one object for each model and run.")
def command(models: tuple[str, ...], *, to_json: bool, **given: Any) -> int:
    """Show what limits each MODEL: what is declared, advertised and learned, and how much of it is used now.

    Of a pool the limits of its members are shown; it has none of its own.

    What is advertised and learned is what the runs in the working folder saw, now or when they ended. Without MODEL:
    all models of those runs.
    """
    config = make_config(given)
    asked = [member for model in models for member in config.members(model)]
    found = [*_of_runs(Path(), asked)]
    running = {each.model for each in found if each.is_now}
    asked = asked or [*dict.fromkeys(each.model for each in found)]
    found = [*(_declared(config, model) for model in asked if model not in running), *found]
    for each in found:
        if to_json:
            click.echo(msgspec.json.encode(each))
        else:
            for line in _lines(each):
                click.echo(clean(line))
    if not found and not to_json:
        click.echo("There is no run in this folder; name a MODEL to see what is declared for it.", err=True)
    return 0


def _of_runs(folder: Path, models: Sequence[str]) -> Iterator[Found]:
    """Yield what the runs of a folder say, those that are running first."""
    known: list[Found] = []
    for path in runs_in(folder):
        try:
            known += _of_run(look(path))
        except BrimlineError as error:  # one that does not answer hides no other
            click.echo(clean(f"{path}: {error}"), err=True)
    known.sort(key=lambda each: (not each.is_now, each.model))
    yield from (each for each in known if not models or each.model.partition(" (")[0] in models)


def _of_run(status: Status) -> Iterator[Found]:
    if status.progress is None:
        for model, limits in status.seen.items():
            yield Found(model=model, output=status.output, ended=status.ended, limits=limits)
        return
    parts = (part for model in status.progress.models for part in model.routes or (model,))
    for each in parts:
        yield Found(
            model=each.model,
            output=status.output,
            is_now=True,
            limits=each.limits,
            limited_by=each.limited_by,
        )


def _declared(config: Config, model: str) -> Found:
    if model.startswith(GROUP):
        return Found(model=model, limits=tuple(_quotas(config.group_quotas(model.removeprefix(GROUP)))))
    config.endpoint(model)
    limits = config.limits(model)
    views = _quotas(limits.quotas)
    if limits.concurrency is not None:
        text = f"concurrency {limits.concurrency}"
        views.append(LimitView(source=Source.DECLARED, limit=text, amount=limits.concurrency))
    return Found(model=model, limits=tuple(views))


def _quotas(quotas: Sequence[Quota]) -> list[LimitView]:
    return [LimitView(source=Source.DECLARED, limit=str(quota), amount=quota.amount) for quota in quotas]


def _lines(found: Found) -> Iterator[str]:
    if found.output is None:
        yield f"{found.model}, as configured:"
    elif found.is_now:
        yield f"{found.model}, now ({found.output}):"
    else:
        yield f"{found.model}, {found.ended or 'when it was last seen'} ({found.output}):"
    for view in found.limits:
        yield f"  {view.source:<10}  {view.limit:<28}  {_used(view)}".rstrip()
    if not found.limits:
        yield "  nothing declared: what is advertised and learned holds"
    if found.limited_by:
        yield f"  limited by: {found.limited_by}"


def _used(view: LimitView) -> str:
    if view.used is None or view.amount is None:
        return ""
    return f"{view.used:,} of {view.amount:,} used"
