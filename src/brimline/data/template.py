"""Texts made of a row's columns: Jinja in a sandbox, where a missing field is an error that names it."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import jinja2
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
        self._option = option

    def render(self, columns: Mapping[str, Any]) -> str:
        """Fill the template from a row.

        Raises:
            RenderError: A field is missing, or something in the template failed.
        """
        try:
            return self._template.render(columns)
        except jinja2.UndefinedError as error:
            field = re.match(r"'(.+?)' is undefined", str(error))
            missing = f"has no field '{field[1]}'" if field else str(error)
            known = ", ".join(map(str, columns))
            raise RenderError(f"{missing} that {self._option} needs (it has: {known})") from None
        except Exception as error:  # noqa: BLE001  the template's code is the user's
            raise RenderError(f"{self._option} fails: {type(error).__name__}: {error}") from None
