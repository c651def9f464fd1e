"""The live display: an overall bar and a row for each model, drawn four times a second from counters."""

from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from brimline.cli.display.base import Display
from brimline.cli.display.lines import limiting
from brimline.cli.text import clean, span
from brimline.engine.progress import ModelProgress, Progress

ROWS = 20
"""So many models are shown; those with most to do come first."""

_COLUMNS = (
    ("model", "left"), ("done", "right"), ("in flight", "right"), ("requests/min", "right"), ("tokens/min", "right"),
    ("p50 / p95", "right"), ("retries", "right"), ("failed", "right"), ("limited by", "left"),
)  # fmt: skip


class LiveDisplay(Display):
    """Draws in place, and leaves nothing behind."""

    interval = 0.25

    def __init__(self, stream: TextIO, *, color: str) -> None:
        super().__init__(stream)
        forced = {"always": True, "never": False}.get(color)
        self._console = Console(
            file=stream, force_terminal=forced, no_color=color == "never", highlight=False
        )
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def open(self) -> None:
        """Begin to draw."""
        self._live.start()

    def update(self, progress: Progress) -> None:
        """Draw how the run stands."""
        self._live.update(draw(progress), refresh=True)

    def close(self, progress: Progress) -> None:  # noqa: ARG002  the summary says it better
        """Take the drawing away."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Write a line above the drawing."""
        self._console.print(Text(clean(text)))


def draw(progress: Progress) -> Group:
    """Return the drawing of a run."""
    parts: list[Table | Text] = [_head(progress)]
    if progress.notice:
        parts.append(Text(clean(progress.notice), style="yellow"))
    parts.append(_models(progress))
    return Group(*parts)


def _head(progress: Progress) -> Table:
    head = Table.grid(padding=(0, 2))
    total = progress.total or 0
    words = [f"{progress.done:,} of {total:,}" if total else f"{progress.done:,}"]
    if progress.share is not None:
        words.append(f"{progress.share:.0%} of what the limits allow")
    words.append(f"{span(progress.eta)} left" if progress.eta is not None else span(progress.elapsed))
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    bar = ProgressBar(total=max(total, 1), completed=progress.done, width=30)
    head.add_row(bar, *(Text(word) for word in words))
    return head


def _models(progress: Progress) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, side in _COLUMNS:
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=name != "limited by")
    models = sorted(progress.models, key=lambda model: -(model.left or 0))
    for model in models[:ROWS]:
        table.add_row(*(Text(clean(cell)) for cell in _cells(model)))
    if len(models) > ROWS:
        table.add_row(Text(f"... and {len(models) - ROWS} more", style="dim"))
    return table


def _cells(model: ModelProgress) -> tuple[str, ...]:
    done = f"{model.ok + model.failed:,}"
    return (
        model.model,
        done if model.total is None else f"{done} / {model.total:,}",
        str(model.in_flight),
        _used(model.requests, model.requests_allowed),
        _used(model.tokens, model.tokens_allowed),
        f"{_seconds(model.p50)} / {_seconds(model.p95)}",
        f"{model.retried + model.refused:,}",
        f"{model.failed:,}",
        limiting(model),
    )


def _used(used: int, allowed: int | None) -> str:
    return f"{used:,}" if allowed is None else f"{used:,} of {allowed:,}"


def _seconds(latency: float | None) -> str:
    return "-" if latency is None else f"{latency:.2f}" if latency < 10 else f"{latency:.0f}"
