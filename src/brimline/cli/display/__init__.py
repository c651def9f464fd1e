"""Displays of a run, on standard error: live, line by line, as JSON, or none."""

from brimline.cli.display.base import Display, make_display

__all__ = ["Display", "make_display"]
