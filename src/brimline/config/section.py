"""Reading a TOML table with care: every key is known, every value is of its kind, every error says where."""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from brimline.config.duration import parse_duration
from brimline.config.size import parse_size
from brimline.errors import ConfigError

T = TypeVar("T")
U = TypeVar("U")

_KINDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    float: "a number",
    list: "a list",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known name that is nearest, or an empty string."""
    close = difflib.get_close_matches(name, [*known], n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


class Section:
    """One table of a configuration file.

    Args:
        values: What stands in it.
        file: The file, for messages.
        path: The table's name in it, for messages.
    """

    def __init__(self, values: dict[str, Any], file: str, path: str = "") -> None:
        self._values = values
        self._taken: set[str] = set()
        self.file = file
        self.path = path

    @classmethod
    def read(cls, file: Path) -> "Section":
        """Read a file.

        Raises:
            ConfigError: It cannot be read or is no TOML.
        """
        try:
            return cls(tomllib.loads(file.read_text(encoding="utf-8")), str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file} is no TOML: {error}") from None

    def take(self, key: str, kind: type[T], *, is_secret: bool = False) -> T | None:
        """Return the value of `key`, or None if it is not given. A secret's value is not shown in an error.

        Raises:
            ConfigError: It is of another kind.
        """
        self._taken.add(key)
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            got = "something else" if is_secret else repr(value)
            raise self.error(key, f"expected {_KINDS.get(kind, kind.__name__)}, got {got}")
        return value

    def take_either(self, key: str, one: type[T], other: type[U]) -> T | U | None:
        """Return the value of `key`, which is of one of two kinds, or None if it is not given.

        Raises:
            ConfigError: It is of neither.
        """
        if isinstance(self._values.get(key), one):
            return self.take(key, one)
        return self.take(key, other)

    def size(self, key: str) -> int | None:
        """Return the size `key` in bytes, or None if it is not given."""
        value = self.take_either(key, int, str)
        try:
            return None if value is None else parse_size(value)
        except ConfigError as error:
            raise self.error(key, str(error)) from None

    def duration(self, key: str) -> float | None:
        """Return the span of time `key` in seconds, or None if it is not given."""
        self._taken.add(key)
        value = self._values.get(key)
        if value is None:
            return None
        try:
            return parse_duration(value)
        except ConfigError as error:
            raise self.error(key, str(error)) from None

    def tables(self, key: str) -> dict[str, "Section"]:
        """Return the tables in the table `key`, by name."""
        outer = self.take(key, dict) or {}
        found = {}
        for name, values in outer.items():
            if not isinstance(values, dict):
                raise self.error(f"{key}.{name}", f"expected a table, got {values!r}")
            found[name] = Section(values, self.file, self._join(f"{key}.{_quoted(name)}"))
        return found

    def table(self, key: str) -> "Section":
        """Return the table `key`; it is empty if it is not given."""
        return Section(self.take(key, dict) or {}, self.file, self._join(key))

    def names(self, key: str) -> tuple[str, ...] | None:
        """Return the list of texts `key`, or None if it is not given."""
        names = self.take(key, list)
        if names is None:
            return None
        if not all(isinstance(name, str) for name in names):
            raise self.error(key, f"expected a list of texts, got {names!r}")
        return tuple(names)

    def texts(self) -> dict[str, str]:
        """Take everything that is there; all of it is text."""
        return {key: text for key in self._values if (text := self.take(key, str)) is not None}

    def finish(self) -> None:
        """See that nothing was left untaken.

        Raises:
            ConfigError: A key is not known; the nearest one is suggested.
        """
        for key in self._values:
            if key not in self._taken:
                raise ConfigError(f"{self.file}: unknown key '{self._join(key)}'{nearest(key, self._taken)}")

    def error(self, key: str, reason: str) -> ConfigError:
        """Return an error about `key`."""
        return ConfigError(f"{self.file}: {self._join(key)}: {reason}")

    def _join(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'
