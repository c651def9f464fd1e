"""Rows that a program gives: copied to a file, so that they are checked before anything is sent, as those of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from brimline.data.frames import plain
from brimline.data.rows import JsonlTable, Table
from brimline.data.spool import Spool
from brimline.errors import InputError

NAME = "the input"
_encode = msgspec.json.Encoder().encode


class GivenRows:
    """Collects rows, prompts and conversations in bounded memory."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._count = 0

    def add(self, item: Any) -> None:
        """Add a row (a mapping), or a prompt: a text, a list of texts or of messages.

        Raises:
            InputError: It is none of them, or holds what JSON cannot; or there is no room for it.
        """
        if isinstance(item, Mapping):
            columns = {str(name): plain(value) for name, value in item.items()}
        elif isinstance(item, str | list):
            columns = {"prompt": plain(item)}
        else:
            kind = type(item).__name__
            raise InputError(f"{self._where()} is neither a dict nor a prompt but a {kind}; nothing was sent")
        try:
            self._spool.write(_encode(columns) + b"\n")
        except (TypeError, ValueError, RecursionError):
            raise InputError(f"{self._where()}: {_culprit(columns)}; nothing was sent") from None
        self._count += 1

    def table(self) -> Table:
        """Return the rows as a table; nothing more is added."""
        return JsonlTable(self._spool.source(NAME, has_lines=False))

    def save(self, path: Path) -> None:
        """Copy the rows to a file from which they can be run again.

        Raises:
            OutputError: It cannot be written.
        """
        self._spool.save(path)

    def _where(self) -> str:
        return f"{NAME}: row {self._count}"


def _culprit(columns: dict[str, Any]) -> str:
    """Say which column holds what is not JSON."""
    for name, value in columns.items():
        try:
            _encode({name: value})
        except UnicodeEncodeError:
            return f"'{name}' holds half of a surrogate pair"
        except (TypeError, ValueError, RecursionError) as error:
            return f"'{name}' holds what is not JSON: {error}"
    return "it holds what is not JSON"
