"""One line every ten seconds, for logs and pipes; as text or as JSON."""

from dataclasses import asdict
from typing import TextIO

import msgspec

from brimline.cli.display.base import Display
from brimline.cli.text import span
from brimline.engine.progress import ModelProgress, Progress

LONG_WAIT = 5.0
"""Seconds; a longer wait is named with its cause."""


class LinesDisplay(Display):
    """One line of text at a time."""

    interval = 10.0

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._notice = ""

    def update(self, progress: Progress) -> None:
        """Write a line, and a notice when it is new."""
        if progress.notice and progress.notice != self._notice:
            self.say(progress.notice)
        self._notice = progress.notice
        self.say(line(progress))


class JsonDisplay(Display):
    """One JSON object at a time."""

    interval = 10.0

    def update(self, progress: Progress) -> None:
        """Write an object."""
        self._stream.write(msgspec.json.encode(asdict(progress)).decode() + "\n")
        self._stream.flush()


def line(progress: Progress, *, with_models: bool = True) -> str:
    """Return how a run stands, on one line."""
    models = progress.models
    in_flight = sum(model.in_flight for model in models)
    parts = [span(progress.elapsed), f"{progress.done:,}"]
    if progress.total:
        parts[-1] += f" of {progress.total:,} ({progress.done / progress.total:.0%})"
    parts.append(f"{in_flight} in flight")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    requests = sum(model.requests for model in models)
    share = f" ({progress.share:.0%} of the limits)" if progress.share is not None else ""
    parts.append(f"{requests:,} in the last minute{share}")
    if progress.eta is not None:
        parts.append(f"{span(progress.eta)} left")
    if with_models:
        parts += [f"{model.model}: {limiting(model)}" for model in models if model.left and limiting(model)]
    return ", ".join(parts)


def limiting(model: ModelProgress) -> str:
    """Return what limits a model now, and for how long if that is long."""
    if model.wait is not None and model.wait > LONG_WAIT:
        return f"{model.limited_by}, waits {span(model.wait)}"
    return model.limited_by
