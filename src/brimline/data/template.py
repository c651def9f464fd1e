"""Texts made of a row's columns: Jinja in a sandbox, where a missing field is an error that names it."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from brimline.errors import ConfigError

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
)


class Renderer(Protocol):
    """What makes a text of a row."""

    def render(self, columns: Mapping[str, Any]) -> str:
        """Return the text for a row.

        Raises:
            RenderError: It cannot be made.
        """
        ...


class Plain:
    """A text that is the same for every row."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render(self, columns: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Return the text."""
        return self._text


class RenderError(Exception):
    """A template cannot be filled from a row."""


class Template:
    """A compiled template.

    Args:
        text: Its source.
        option: Where it came from, for messages (`--prompt`).

    Raises:
        ConfigError: The source is no template.
    """

    def __init__(self, text: str, option: str) -> None:
        try:
            self._template = _ENVIRONMENT.from_string(text)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(f"{option}: {error.message} (line {error.lineno} of the template)") from None
        # Jinja keeps them as a chain of maps and flattens it for every row, which is most of what a row costs.
        self._template.globals = dict(self._template.globals)
        self._pieces = _plain_pieces(text)
        self._option = option

    def render(self, columns: Mapping[str, Any]) -> str:
        """Fill the template from a row.

        Raises:
            RenderError: A field is missing, or something in the template failed.
        """
        try:
            if self._pieces is not None and self._pieces.names <= columns.keys():
                return self._pieces.join(columns)
            return self._template.render(columns)
        except jinja2.UndefinedError as error:
            field = re.match(r"'(.+?)' is undefined", str(error))
            missing = f"has no field '{field[1]}'" if field else str(error)
            known = ", ".join(map(str, columns))
            raise RenderError(f"{missing} that {self._option} needs (it has: {known})") from None
        except Exception as error:  # noqa: BLE001  the template's code is the user's
            raise RenderError(f"{self._option} fails: {type(error).__name__}: {error}") from None


class _Pieces:
    """A template of nothing but text and columns, `Translate: {{ text }}`: filled as Jinja would, at a tenth of the cost.

    Args:
        pieces: Each piece, and whether it names a column.
    """

    def __init__(self, pieces: list[tuple[str, bool]]) -> None:
        self._pieces = pieces
        self.names = {piece for piece, is_column in pieces if is_column}

    def join(self, columns: Mapping[str, Any]) -> str:
        """Return the text for a row that has all the columns."""
        return "".join([str(columns[piece]) if is_column else piece for piece, is_column in self._pieces])


def _plain_pieces(text: str) -> _Pieces | None:
    """Return a template's pieces, or None if it is more than text and columns."""
    pieces = []
    for output in _ENVIRONMENT.parse(text).body:
        for node in output.nodes if isinstance(output, nodes.Output) else [output]:
            if isinstance(node, nodes.TemplateData):
                pieces.append((node.data, False))
            elif isinstance(node, nodes.Name) and node.name != "self":  # that is a word of Jinja's own
                pieces.append((node.name, True))
            else:
                return None
    return _Pieces(pieces)
