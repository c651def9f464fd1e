"""What is said at the end of a run: what came of it, at what rate, and what to do next."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec

from brimline.cli.text import pace, plural, span
from brimline.engine.options import RunOptions
from brimline.engine.report import ModelReport, Report, StopReason
from brimline.types import FaultKind

REMEDIES = {
    FaultKind.AUTH: "Check the key and what it is allowed to do, then run the same command again.",
    FaultKind.QUOTA_EXHAUSTED: "Add credit or raise the spending limit, then run the same command again.",
    FaultKind.NOT_FOUND: "Check the model's name and the base URL, then run the same command again.",
    FaultKind.CONNECTION: "Check the network and the base URL, then run the same command again.",
    FaultKind.RATE_LIMITED: "Wait until the provider's limit opens, then run the same command again.",
}


def summary(report: Report, options: RunOptions) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield from report.notices
    for model in report.models:
        yield _model(model)
        yield from (f"  {_model(part)}" for part in model.routes if part.attempts)
    yield _total(report)
    if saved := report.duplicates + report.cached:
        yield f"saved {plural(saved, 'request')}: {', '.join(_saved(report))}"
    if report.error is not None:
        kept = ". What was answered is kept; running it again resumes." if report.output is not None else "."
        yield f"The run could not go on: {report.error}{kept}"
    for what, fault in report.stops.items():
        yield f"{what} has stopped ({fault.kind}): {fault.detail}"
        yield f"  {REMEDIES.get(fault.kind, 'Run the same command again.')}"
    for what, fault in report.spared.items():
        yield f"{what} has stopped ({fault.kind}), and others went on instead: {fault.detail}"
    yield from _next_steps(report, options)


def _model(model: ModelReport) -> str:
    parts = [f"{model.model}: {plural(model.ok, 'answer')}"]
    if model.failed:
        parts.append(f"{model.failed:,} failed")
    if model.seconds > 0:
        rate = f"{model.attempts / model.seconds * 60:,.0f}"
        if model.allowed:
            rate += f" of {max(model.allowed, model.attempts) / model.seconds * 60:,.0f} allowed"
        parts.append(f"{rate} requests/min")
    if model.refused:
        parts.append(f"{model.refused:,} refused")
    if model.hedged:
        parts.append(f"{model.hedged:,} hedged")
    if model.retried:
        parts.append(f"{model.retried:,} retried")
    if model.p50 is not None and model.p95 is not None:
        parts.append(f"p50 {model.p50:.2f} s, p95 {model.p95:.2f} s")
    if said := pace(model.first_token_p50, model.per_token_p50):
        parts.append(said)
    return ", ".join(parts)


def _total(report: Report) -> str:
    usage = report.usage
    parts = [f"{report.ok:,} of {report.total:,} answered"]
    if report.failed:
        parts.append(f"{report.failed:,} failed")
    if report.pending:
        parts.append(f"{report.pending:,} pending")
    parts.append(f"{plural(report.attempts, 'request')} sent in {span(report.elapsed)}")
    if usage.input_tokens or usage.output_tokens:
        parts.append(f"{usage.input_tokens:,} input and {usage.output_tokens:,} output tokens")
        parts.append("cost unknown")
    return ", ".join(parts)


def _saved(report: Report) -> Iterator[str]:
    if report.duplicates:
        yield plural(report.duplicates, "duplicate")
    if report.cached:
        yield f"{report.cached:,} from the cache"


def _next_steps(report: Report, options: RunOptions) -> Iterator[str]:
    if report.superseded and report.is_ordered and report.output is not None:
        lines = plural(report.superseded, "answer")
        yield f"{lines} to what is not asked any more: {report.output}.superseded.jsonl"
    if report.failed and report.output is not None:
        yield f'Failed rows have "status": "failed" and their reason in {report.output}.'
        yield f"  `brimline retry {shlex.quote(str(report.output))} --all` sends them again."
    if report.output is None:
        return
    if report.is_complete:
        yield f"Results: {report.output}"
    elif options.only is not None:
        yield f"Results so far: {report.output}. The run's own command sends what is pending."
    elif options.limit is None and options.shard == (1, 1):
        yield f"Results so far: {report.output}. Run the same command again to resume."
    else:
        yield f"Results so far: {report.output}."


def exit_code(report: Report, options: RunOptions) -> int:
    """Return what a run means to a shell; a signal has a code of its own."""
    if report.error is not None:
        return 1
    if report.stops and not report.is_waiting:
        return 1
    if report.is_waiting or report.stopped in {StopReason.DEADLINE, StopReason.FAILURES}:
        return 5
    if report.stopped is StopReason.INTERRUPTED:
        return 130
    if report.failed > options.max_failed.of(report.total):
        return 3
    return 0


def as_json(report: Report, code: int) -> bytes:
    """Return the report as one JSON object."""
    return msgspec.json.encode({**asdict(report), "exit_code": code}, enc_hook=_plain)


def _plain(value: Any) -> Any:
    return str(value)
