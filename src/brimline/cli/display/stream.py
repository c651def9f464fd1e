"""Standard error that may go away: a closed terminal or pipe ends the display, not the run."""

import os
from contextlib import suppress
from typing import Any, TextIO, cast


class Fading:
    """A stream that falls silent when nobody can read it any more.

    Args:
        stream: Where it writes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, if anybody can read it."""
        try:
            return self._stream.write(text)
        except OSError:
            self._fade()
            return len(text)

    def flush(self) -> None:
        """Hand what was written to the system."""
        try:
            self._stream.flush()
        except OSError:
            self._fade()

    def _fade(self) -> None:
        """Write to nowhere from now on; what is buffered would fail again when the interpreter ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def fading(stream: TextIO) -> TextIO:
    """Return `stream` as one that may go away."""
    return cast(TextIO, Fading(stream))
