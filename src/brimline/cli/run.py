"""`brimline run`: send every row of a file; the same command again resumes."""

import asyncio
import atexit
import gc
import logging
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from brimline.cli.display import Display, make_display
from brimline.cli.options import (
    SHARD,
    input_options,
    limit_options,
    make_config,
    make_options,
    run_options,
    show_options,
)
from brimline.cli.signals import SIGNALLED, heeding
from brimline.cli.summary import as_json, exit_code, summary
from brimline.cli.text import plural
from brimline.config import Config
from brimline.engine.engine import Engine
from brimline.engine.execution import Execution
from brimline.engine.options import STREAM, Retry, RunOptions
from brimline.engine.prepared import Prepared, prepare
from brimline.engine.report import Report, StopReason
from brimline.errors import ConfigError

if TYPE_CHECKING:
    from brimline.cli.score import Scoring

OPEN_FILES = 65_536
"""The soft limit of open files is raised to this: each connection is one."""


@click.command(name="run")
@input_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Results; <input stem>.results.jsonl if not given; - streams to standard output.",
)
@limit_options
@run_options
@click.option("--shard", type=SHARD, default="1/1", help="Send only part i of N of the rows.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Embeddings in one HTTP request at most (256); a provider may take fewer.",
)
@click.option(
    "--score",
    "scorers",
    multiple=True,
    metavar="SCORER",
    help="Score the answers when the run is done, as `brimline score` does. Repeatable.",
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Mean scores by this column, too. Repeatable.")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="'NAME >= X'",
    help="Exit with 4 if it does not hold. Repeatable.",
)
@show_options
def command(**given: Any) -> int:
    """Send every row of INPUT and write the answers down.

    INPUT is a .jsonl, .csv or .parquet file, the first two also as .gz or .zst, or - for JSONL on standard input.

    Running the same command again resumes: only what is missing, changed or failed for a passing reason is sent.
    """
    scoring = _scoring(given)
    terms = read_terms(given)
    options = make_options({**given, "retry": Retry(given["retry"])})
    if terms.to_json and options.results == STREAM:
        raise ConfigError("--json and -o - both want standard output")
    if scoring is not None and options.results == STREAM:
        raise ConfigError("--score reads the results from a file", hint="Name one with -o.")
    terms.ask_before_fresh(options)
    if scoring is None:
        return run(options, terms.config, terms.display, to_json=terms.to_json, quiet=terms.quiet)
    report, code = carry_out(options, terms.config, terms.display, quiet=terms.quiet)
    return scoring.after(report, code, options.results, to_json=terms.to_json)


def _scoring(given: dict[str, Any]) -> "Scoring | None":
    """Take the options about scores out of `given`; runs without them need nothing of evaluation."""
    asked = {name: given.pop(name) for name in ("scorers", "by", "gates")}
    if not any(asked.values()):
        return None
    from brimline.cli.score import read_scoring  # noqa: PLC0415  it costs a tenth of a second

    return read_scoring(asked)


class Terms(NamedTuple):
    """How something is run, whatever it is, and what people see of it."""

    config: Config
    display: Display
    to_json: bool
    quiet: bool
    is_sure: bool

    def ask_before_fresh(self, options: RunOptions) -> None:
        """Paid answers are put aside only if that is meant."""
        if options.fresh and not self.is_sure:
            _ask_before_fresh(options.results)


def read_terms(given: dict[str, Any]) -> Terms:
    """Take the configuration's and the display's options out of `given`.

    Raises:
        ConfigError: Something in the configuration is wrong.
    """
    display = make_display(given.pop("display_kind"), color=given.pop("color"), quiet=given["quiet"])
    to_json, is_sure, quiet = given.pop("to_json"), given.pop("yes"), given.pop("quiet")
    if given.pop("verbose"):
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    if given.pop("no_cache"):
        given["cache"] = False
    return Terms(make_config(given), display, to_json, quiet, is_sure)


def run(options: RunOptions, config: Config, display: Display, *, to_json: bool, quiet: bool) -> int:
    """Run a file and return the exit code."""
    report, code = carry_out(options, config, display, quiet=quiet)
    if to_json:
        sys.stdout.buffer.write(as_json(report, code) + b"\n")
    return code


def carry_out(
    options: RunOptions,
    config: Config,
    display: Display,
    *,
    quiet: bool,
    prepare: Callable[[RunOptions, Config], Prepared] = prepare,
) -> tuple[Report, int]:
    """Run a file and return what came of it, and the exit code."""
    prepared = prepare(options, config)
    if not quiet:
        display.say(_opening(prepared))
    prepare_process()
    import uvloop  # noqa: PLC0415  it imports asyncio's network code, which nothing before needs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report, signalled = runner.run(_execute(prepared, display))
    code = exit_code(report, options)
    if signalled is not None and report.stopped is StopReason.INTERRUPTED:
        code = signalled
    if not quiet:
        for line in summary(report, options):
            display.say(line)
    return report, code


def _opening(prepared: Prepared) -> str:
    """Say what is about to happen."""
    plan = prepared.checked.plan
    left = sum(map(len, prepared.choice.pending.values()))
    parts = [f"{plural(plan.requests, 'request')} to {', '.join(plan.models[:5])}"]
    if len(plan.models) > 5:
        parts.append(f"and {len(plan.models) - 5} more models")
    if left < plan.requests:
        rest = "on file, a duplicate or left out" if prepared.config.run.dedupe else "on file or left out"
        parts.append(f"{plural(left, 'request')} to send, the rest is {rest}")
    if unfinished := len(prepared.history.unfinished):
        were = "was" if unfinished == 1 else "were"
        parts.append(
            f"{plural(unfinished, 'request')} {were} in flight when the last run ended and may have been billed"
        )
    if prepared.folder is None:
        parts.append("results go to standard output and cannot be resumed")
    if prepared.kept_aside is not None:
        parts.append(f"the old results are kept in {prepared.kept_aside}")
    return "; ".join(parts)


async def _execute(prepared: Prepared, display: Display) -> tuple[Report, int | None]:
    """Run under a display, with signals; return what came of it, and the exit code of the first signal, if one came."""
    async with Engine(config=prepared.config) as engine:
        execution = Execution(engine, prepared, say=display.say)
        stop = partial(execution.stop, StopReason.INTERRUPTED)
        abort = partial(execution.abort, StopReason.INTERRUPTED)
        with heeding(stop, abort, display.say) as received:
            async with _following(display, execution):
                report = await execution.run()
        return report, SIGNALLED[received[0]] if received else None


@asynccontextmanager
async def _following(display: Display, execution: Execution) -> AsyncIterator[None]:
    """Show how a run stands."""
    following = asyncio.create_task(display.follow(execution.progress))
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def prepare_process() -> None:
    """Make the process fit for many connections and many short-lived objects."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS may refuse; fewer connections still work
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    gc.freeze()
    atexit.register(_thaw)
    gc.set_threshold(20_000, 50, 50)


def _thaw() -> None:
    """Let DuckDB's objects be collected at the end, or it reports them as leaked; for all others that is a waste."""
    if "duckdb" in sys.modules:
        gc.unfreeze()


def _ask_before_fresh(output: Path) -> None:
    if (
        output != STREAM
        and output.exists()
        and output.stat().st_size
        and sys.stdin.isatty()
        and sys.stderr.isatty()
    ):
        click.confirm(
            f"{output} holds answers. Put them aside and pay for all rows again?", abort=True, err=True
        )
