"""`brimline steps`: let rows flow through the steps of a file; the same command again goes on where it ended."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from brimline.cli.display import Display, make_display
from brimline.cli.display.base import KINDS
from brimline.cli.display.live import LiveDisplay
from brimline.cli.display.steps import follow_lines, follow_live, line
from brimline.cli.options import SHARE, SPAN, limit_options, limit_rules
from brimline.cli.run import prepare_process
from brimline.cli.signals import PATIENCE, SIGNALLED
from brimline.cli.summary import REMEDIES
from brimline.cli.text import plural, span
from brimline.config import Config, load_config
from brimline.engine.options import Share
from brimline.engine.report import StopReason
from brimline.errors import ConfigError
from brimline.evals.flow import Flow
from brimline.evals.pipeline import Pipeline, PipelineReport
from brimline.evals.pipeline_file import PipelineFile, read_pipeline
from brimline.types import FaultKind

SHOWN = 5
"""So many lost rows are named."""


@click.command(name="steps")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("input_", metavar="[INPUT]", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Rows that come out; FOLDER/output.jsonl if not given.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where answers are kept; <FILE's stem>.steps if not given.",
)
@limit_options
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read this file instead of brimline.toml.",
)
@click.option(
    "--max-tries", type=click.IntRange(min=1), help="Tries of one request (5); refusals do not count."
)
@click.option("--timeout", type=SPAN, help="Seconds for one attempt (600).")
@click.option("--deadline", type=SPAN, help="Seconds for all; then nothing more is sent.")
@click.option("--max-failed", type=SHARE, help="More failed rows than this mean exit code 3 (0).")
@click.option("--stop-after-failed", type=click.IntRange(min=0), help="Stop when more rows have failed.")
@click.option(
    "--display",
    "display_kind",
    type=click.Choice([kind for kind in KINDS if kind != "json"]),
    default="auto",
    show_default=True,
)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--json", "to_json", is_flag=True, help="Write the report to standard output as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def command(**given: Any) -> int:
    """Let the rows of INPUT flow through the steps of FILE, a TOML file of asks, maps, splits and gathers.

    Every answer is kept as soon as it has come. Running the same command again sends only what has none; after a change of
    a prompt only that step and what follows.
    """
    display = make_display(given["display_kind"], color=given["color"], quiet=given["quiet"])
    file = read_pipeline(given["file"])
    rows = given["input_"] or file.input
    if rows is None:
        raise ConfigError(f"{given['file']} names no input", hint="Give one: `brimline steps FILE INPUT`.")
    deadline = given["deadline"] if given["deadline"] is not None else file.deadline
    stop_after = (
        given["stop_after_failed"] if given["stop_after_failed"] is not None else file.stop_after_failed
    )
    pipeline = Pipeline(
        file.steps,
        folder=given["folder"] or file.folder or Path(f"{given['file'].stem}.steps"),
        output=given["output"] or file.output,
        deadline=deadline,
        stop_after_failed=stop_after,
        config=_config(file, given),
    )
    max_failed: Share = given["max_failed"] or file.max_failed
    return _run(pipeline, rows, display, max_failed, given)


def _config(file: PipelineFile, given: dict[str, Any]) -> Config:
    run = {name: given[name] for name in ("timeout", "max_tries")}
    config = load_config(given["config_file"], run=run, endpoints=file.endpoints)
    return config.outranked(file.rules).outranked(limit_rules(given))


def _run(pipeline: Pipeline, rows: Path, display: Display, max_failed: Share, given: dict[str, Any]) -> int:
    prepare_process()
    received: list[signal.Signals] = []
    import uvloop  # noqa: PLC0415  it imports asyncio's network code, which nothing before needs

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(_execute(pipeline, rows, display, received, given))
    except asyncio.CancelledError:
        display.say("stopped at once; run the same command again to go on")
        return SIGNALLED[received[0]]
    code = exit_code(report, max_failed)
    if received and report.stopped is StopReason.INTERRUPTED:
        code = SIGNALLED[received[0]]
    if not given["quiet"]:
        for text in summary(report):
            display.say(text)
    if given["to_json"]:
        sys.stdout.buffer.write(as_json(report, code) + b"\n")
    return code


async def _execute(
    pipeline: Pipeline, rows: Path, display: Display, received: list[signal.Signals], given: dict[str, Any]
) -> PipelineReport:
    """Run under a display, with signals: the first one drains, the second one stops."""
    loop = asyncio.get_running_loop()
    following: list[asyncio.Task[None]] = []
    work = asyncio.current_task()
    assert work is not None

    def open_(flow: Flow) -> None:
        for number in SIGNALLED:
            loop.add_signal_handler(number, partial(interrupt, flow, number))
        if not given["quiet"] and given["display_kind"] != "none":
            following.append(loop.create_task(_follow(display, flow, given["color"])))

    def interrupt(flow: Flow, number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            work.cancel()
            return
        flow.stop(StopReason.INTERRUPTED)
        if number is not signal.SIGINT:
            loop.call_later(PATIENCE, work.cancel)
        display.say(
            "stopping: nothing more is sent, what is in flight is finished; once more to stop at once"
        )

    try:
        return await pipeline.execute(rows, open_)
    finally:
        for task in following:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for number in SIGNALLED:
            loop.remove_signal_handler(number)


async def _follow(display: Display, flow: Flow, color: str) -> None:
    if isinstance(display, LiveDisplay):
        await follow_live(display, lambda: flow.progress, color)
    else:
        await follow_lines(display, lambda: flow.progress)


def summary(report: PipelineReport) -> Iterator[str]:
    """Yield what is said at the end."""
    yield line(report.steps)
    parts = [f"{plural(report.rows, 'row')} read, {report.given:,} came out"]
    if report.failed:
        parts.append(f"{report.failed:,} failed")
    if report.pending:
        parts.append(f"{report.pending:,} pending")
    if known := sum(step.known for step in report.steps):
        parts.append(f"{plural(known, 'answer')} on file before")
    usage = report.usage
    if usage.input_tokens or usage.output_tokens:
        parts.append(f"{usage.input_tokens:,} input and {usage.output_tokens:,} output tokens")
    yield f"{', '.join(parts)}, in {span(report.elapsed)}"
    for what, fault in report.stops.items():
        yield f"{what} has stopped ({fault.kind}): {fault.detail}"
        yield f"  {REMEDIES.get(fault.kind, 'Run the same command again.')}"
    yield from _lost(report)
    if report.is_complete:
        yield f"Results: {report.output}"
    else:
        why = f" ({report.stopped})" if report.stopped is not None else ""
        yield f"Results so far{why}: {report.output}. Run the same command again to go on."


def _lost(report: PipelineReport) -> Iterator[str]:
    if not report.failed:
        return
    for number, row in enumerate(report.failures):
        if number == SHOWN:
            break
        error = row["error"]
        yield f"  {row['id']} failed at {row['step']}: {error['kind']}: {error['message']}"
    yield f"All rows that failed: {report.failed_rows}"


def exit_code(report: PipelineReport, max_failed: Share) -> int:
    """Return what a pipeline's run means to a shell; a signal has a code of its own."""
    is_waiting = any(fault.kind is FaultKind.RATE_LIMITED for fault in report.stops.values())
    if report.stops and not is_waiting:
        return 1
    if is_waiting or report.stopped in {StopReason.DEADLINE, StopReason.FAILURES}:
        return 5
    if report.stopped is StopReason.INTERRUPTED:
        return 130
    return 3 if report.failed > max_failed.of(report.rows) else 0


def as_json(report: PipelineReport, code: int) -> bytes:
    """Return the report as one JSON object."""
    counted = {"pending": report.pending, "usage": report.usage, "exit_code": code}
    return msgspec.json.encode(asdict(report) | counted, enc_hook=str)
