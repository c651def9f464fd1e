"""`brimline watch`: files of a data folder are run as they arrive."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import click

from brimline.cli.display import Display, make_display
from brimline.cli.experiment import queue_options, read_queues
from brimline.cli.options import limit_options, make_config, sending_options, setting_options
from brimline.cli.run import prepare_process
from brimline.cli.signals import SIGNALLED, heeding
from brimline.cli.text import plural
from brimline.cli.watching import Teller
from brimline.config import Config
from brimline.engine.engine import Engine
from brimline.errors import ConfigError
from brimline.evals.data_folder import DataFolder
from brimline.evals.watch.experiments import Experiments
from brimline.evals.watch.inbox import Inbox
from brimline.evals.watch.rejects import FOLDER
from brimline.evals.watch.watcher import Watcher


@click.command(name="watch")
@click.argument("argument", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "-d", "--data-folder", "option", type=click.Path(path_type=Path), help="DATA, as prompto has it."
)
@click.option("--once", is_flag=True, help="Run what is there, and end.")
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="So many files at a time, under the same limits.",
)
@click.option("--move-finished", is_flag=True, help="Move a file to its output when all of it is done.")
@queue_options
@setting_options
@limit_options
@sending_options
@click.option(
    "--display",
    "display_kind",
    type=click.Choice(("auto", "live", "lines", "none")),
    default="auto",
    show_default=True,
)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option(
    "--json", "to_json", is_flag=True, help="Write what happens to standard output, one JSON object a line."
)
@click.option("-q", "--quiet", is_flag=True, help="Show only what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Log what the engine does.")
def command(*, argument: Path | None, option: Path | None, **given: Any) -> int:
    """Run the files of DATA/input (./data if not given) as they arrive, the oldest first, until Ctrl-C.

    A file is taken once it was unchanged for 2 seconds, and stays where it is; it is not run again unless it changes. What
    cannot be run goes to DATA/rejected with its reason. Several watchers share one folder. What each file's run does and
    where its results are is as with `brimline experiment run`.
    """
    if argument is not None and option is not None:
        raise click.UsageError("name DATA once")
    data = DataFolder(argument or option or Path("data"))
    teller, once, at_once = _read_teller(given), given.pop("once"), given.pop("at_once")
    queues, attempts = read_queues(given), given.pop("max_attempts")
    if attempts is not None and given["max_tries"] is not None:
        raise ConfigError("--max-attempts and --max-tries are the same; give one")
    if given.pop("no_cache"):
        given["cache"] = False
    config = queues.configured(make_config(given), attempts)
    as_csv, moves = given.pop("output_as_csv"), given.pop("move_finished")
    options = {**given, "params": dict(given["params"])}
    work = Experiments(data, queues, config, options, as_csv=as_csv, moves=moves)
    prepare_process()
    import uvloop  # noqa: PLC0415  it imports asyncio's network code, which nothing before needs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_watch(data, work, config, teller, once=once, at_once=at_once))


def _read_teller(given: dict[str, Any]) -> Teller:
    """Take the display's options out of `given`."""
    kind, color = given.pop("display_kind"), given.pop("color")
    to_json, quiet = given.pop("to_json"), given.pop("quiet")
    if given.pop("verbose"):
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    if kind == "auto":
        kind = "live" if sys.stderr.isatty() and not quiet else "lines"
    is_live = kind == "live" and not quiet
    display: Display = make_display("live" if is_live else "none", color=color)
    return Teller(display, is_live=is_live, is_silent=kind == "none", quiet=quiet, to_json=to_json)


async def _watch(
    data: DataFolder, work: Experiments, config: Config, teller: Teller, *, once: bool, at_once: int
) -> int:
    async with Engine(config=config) as engine:
        inbox, rejected = Inbox(data.input), data.path / FOLDER
        watcher = Watcher(engine, work, inbox, rejected=rejected, at_once=at_once, tell=teller.tell)
        if not once:
            teller.say(f"watching {data.input}, {plural(at_once, 'file')} at once; Ctrl-C ends it")
        with heeding(watcher.stop, watcher.abort, teller.say) as received:
            await teller.follow(watcher, once=once)
    if received and teller.is_interrupted:
        return SIGNALLED[received[0]]
    return teller.exit_code()
