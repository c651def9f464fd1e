"""How a pipeline stands, on standard error: a table for people, a line now and then for files."""

import asyncio
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from brimline.cli.display.base import Display
from brimline.cli.text import clean
from brimline.evals.tally import StepProgress

_COLUMNS = ("step", "came", "done", "open", "dropped", "failed", "on file")
SECONDS = 10.0
"""From one line to the next."""

Look = Callable[[], Sequence[StepProgress]]


async def follow_lines(display: Display, look: Look) -> None:
    """Write a line now and then."""
    while True:
        await asyncio.sleep(SECONDS)
        display.say(line(look()))


async def follow_live(display: Display, look: Look, color: str) -> None:
    """Draw a table in place."""
    console = Console(file=display.stream, no_color=color == "never", highlight=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(draw(look()), refresh=True)
            await asyncio.sleep(0.25)


def line(steps: Sequence[StepProgress]) -> str:
    """Return how the steps stand, on one line."""
    return "; ".join(f"{step.name}: {', '.join(_words(step))}" for step in steps)


def _words(step: StepProgress) -> list[str]:
    counted = {"open": step.open, "dropped": step.dropped, "failed": step.failed, "pending": step.pending}
    return [f"{step.done:,} done", *(f"{number:,} {word}" for word, number in counted.items() if number)]


def draw(steps: Sequence[StepProgress]) -> Table:
    """Return the table of the steps."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "step" else "right", no_wrap=True)
    for step in steps:
        numbers = (step.came, step.done, step.open, step.dropped, step.failed, step.known)
        cells = (clean(step.name), *(f"{number:,}" for number in numbers))
        table.add_row(*(Text(cell) for cell in cells))
    return table
