"""What a display is, and which one fits."""

import asyncio
import sys
from collections.abc import Callable
from typing import TextIO

from brimline.cli.display.stream import fading
from brimline.cli.text import clean
from brimline.engine.progress import Progress

KINDS = ("auto", "live", "lines", "json", "none")


class Display:
    """Shows how a run stands. This one shows nothing but what must be said.

    Args:
        stream: Where it writes.
    """

    interval: float | None = None
    """Seconds between two looks, or None: it does not look."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def stream(self) -> TextIO:
        """Where it writes."""
        return self._stream

    async def follow(self, look: Callable[[], Progress]) -> None:
        """Show how the run stands until cancelled."""
        if self.interval is None:
            return
        self.open()
        try:
            while True:
                await asyncio.sleep(self.interval)
                self.update(look())
        finally:
            self.close(look())

    def say(self, text: str) -> None:
        """Write a line, whatever is shown around it."""
        self._stream.write(f"{clean(text)}\n")
        self._stream.flush()

    def open(self) -> None:
        """Begin to show."""

    def update(self, progress: Progress) -> None:
        """Show how the run stands now."""

    def close(self, progress: Progress) -> None:
        """Stop showing; `progress` is how the run stands at the end."""


def make_display(
    kind: str, *, color: str = "auto", quiet: bool = False, stream: TextIO | None = None
) -> Display:
    """Return the display called `kind`; `auto` is live for people and lines for files."""
    stream = fading(stream or sys.stderr)
    if quiet or kind == "none":
        return Display(stream)
    if kind == "auto":
        kind = "live" if stream.isatty() else "lines"
    if kind == "live":
        from brimline.cli.display.live import LiveDisplay  # noqa: PLC0415  rich is imported only where it is drawn

        return LiveDisplay(stream, color=color)
    if kind == "json":
        from brimline.cli.display.lines import JsonDisplay  # noqa: PLC0415

        return JsonDisplay(stream)
    from brimline.cli.display.lines import LinesDisplay  # noqa: PLC0415

    return LinesDisplay(stream)
