"""A model's text on standard output: raw where it is piped; on a terminal it is shown, never obeyed."""

from typing import TextIO

from brimline.cli.text import clean


class Printer:
    """Prints text as it comes.

    Every character that a terminal would obey is made visible by itself, so it does not matter how a sequence of them
    is cut.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._out = stream.buffer
        self._is_terminal = stream.isatty()
        self._encoding = (stream.encoding or "utf-8") if self._is_terminal else "utf-8"
        self._is_line_open = False

    def write(self, text: str) -> None:
        """Print text at once."""
        if text:
            self._is_line_open = not text.endswith("\n")
            shown = clean(text) if self._is_terminal else text
            self._out.write(shown.encode(self._encoding, "replace"))
            self._out.flush()

    def write_line(self, line: bytes) -> None:
        """Print a line as it is."""
        self._out.write(line)
        self._out.flush()

    def end(self) -> None:
        """End the last line, if it has no end."""
        if self._is_line_open:
            self._out.write(b"\n")
            self._out.flush()
            self._is_line_open = False
