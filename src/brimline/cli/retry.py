"""`brimline retry`: send failed rows again, with the options of their run."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from brimline.cli.display import make_display
from brimline.cli.display.base import KINDS
from brimline.cli.options import SPAN, Checked, limit_options, limit_rules
from brimline.cli.run import run
from brimline.cli.text import clean, plural
from brimline.config import Config, load_config
from brimline.core.faults import CONSEQUENCES
from brimline.engine.manifest import GivenCommand, read_command
from brimline.engine.status import status_on_file
from brimline.errors import ConfigError, RunError
from brimline.store.folder import FolderView
from brimline.types import FaultKind

KINDS_ON_FILE = tuple(kind for kind in FaultKind if not CONSEQUENCES[kind].stops)
"""Kinds that rows fail for; the others stop an endpoint, and its rows stay pending."""

PASSING = frozenset(kind for kind in KINDS_ON_FILE if CONSEQUENCES[kind].transient)


def _read_kinds(text: str) -> frozenset[FaultKind]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in KINDS_ON_FILE:
            raise ConfigError(
                f"'{name}' is nothing that rows fail for; it is one of {', '.join(KINDS_ON_FILE)}"
            )
    return frozenset(map(FaultKind, names))


KIND = Checked("KIND,...", _read_kinds)


@click.command(name="retry")
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    "kinds",
    type=KIND,
    multiple=True,
    help="Rows that failed for this, as in rate_limited,timeout; repeatable. "
    "If not given: all that failed for a passing reason.",
)
@click.option("--all", "is_all", is_flag=True, help="Every row that failed.")
@limit_options
@click.option("--deadline", type=SPAN, help="Seconds; then nothing more is sent.")
@click.option("--display", "display_kind", type=click.Choice(KINDS), default="auto", show_default=True)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--json", "to_json", is_flag=True, help="Write the report to standard output as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")  # fmt: skip
def command(output: Path, **given: Any) -> int:
    """Send again the failed rows of the run with the results OUTPUT, and no others.

    Its options are known from OUTPUT.run/, and it runs as if in the folder in which it ran; limits given here win.
    """
    only = _wanted(given.pop("kinds"), is_all=given.pop("is_all"))
    output = output.absolute()
    if not output.is_file():
        raise ConfigError(f"there are no results {output}", hint="Name the file given with -o.")
    asked = read_command(FolderView(output).read_manifest(), output)
    _announce(output, only, quiet=given["quiet"])
    if asked.folder.is_dir():
        os.chdir(asked.folder)
    options = replace(
        asked.options, output=output, only=only, fresh=False, limit=None, shard=(1, 1), stop_after_failed=None,
        deadline=given.pop("deadline"),
    )  # fmt: skip
    _check_input(options.input)
    display = make_display(given.pop("display_kind"), color=given.pop("color"), quiet=given["quiet"])
    config = _config(asked, given)
    return run(options, config, display, to_json=given["to_json"], quiet=given["quiet"])


def _wanted(kinds: tuple[frozenset[FaultKind], ...], *, is_all: bool) -> frozenset[FaultKind]:
    if kinds and is_all:
        raise ConfigError("only one of --kind and --all can be given")
    if is_all:
        return frozenset(KINDS_ON_FILE)
    return frozenset().union(*kinds) if kinds else PASSING


def _announce(output: Path, only: frozenset[FaultKind], *, quiet: bool) -> None:
    """Say how many rows there are, and which of them stay as they are."""
    failures = Counter(status_on_file(output).failures)
    chosen = {kind: count for kind, count in failures.items() if kind in only}
    left = {kind: count for kind, count in failures.items() if kind not in only}
    if quiet:
        return
    named = ", ".join(f"{kind} {count:,}" for kind, count in chosen.items())
    click.echo(
        clean(f"{plural(sum(chosen.values()), 'failed row')} to send again: {named or 'none'}"), err=True
    )
    if left:
        named = ", ".join(f"{kind} {count:,}" for kind, count in left.items())
        click.echo(clean(f"left as they are: {named}; --all sends them, too"), err=True)


def _check_input(path: Path) -> None:
    if not path.is_file():
        raise RunError(
            f"its input {path} is not there any more",
            hint="Rows that came through standard input are not kept; run the same command again with --retry all.",
        )


def _config(asked: GivenCommand, given: dict[str, Any]) -> Config:
    """Read the configuration as the run did; what is declared now wins."""
    rules = limit_rules(given)
    return load_config(asked.config, flags=asked.rules, run=asked.run).outranked(rules)
