"""What servers of OpenAI's dialect do differently from OpenAI, as options of an endpoint: data, never code by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from brimline.errors import ConfigError
from brimline.providers.refusals import DIMENSIONS
from brimline.providers.waits import SECOND
from brimline.types import Fault, FaultKind

T = TypeVar("T")

_WINDOWS = {"second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND, "day": 86_400 * SECOND}
_KINDS = {"auth": FaultKind.AUTH, "too_long": FaultKind.TOO_LONG}
_FORMS = {"json_schema": True, "json_object": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The peculiarities of one server.

    Attributes:
        model: The name to send whatever the model reference says, or None (`model`).
        knows_schemas: Whether it takes a JSON schema; if not, it is asked for JSON and told the schema in words
            (`schema = "json_object"`).
        forbidden: What its 403 means where nothing else says it (`forbidden = "too_long"`).
        windows: The windows of what it advertises, ns, by what is counted (`windows = "requests: day, tokens: minute"`).
    """

    model: str | None = None
    knows_schemas: bool = True
    forbidden: FaultKind = FaultKind.AUTH
    windows: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, str]) -> "Quirks":
        """Read the options that speak of quirks.

        Raises:
            ConfigError: One has a value that is none.
        """
        return cls(
            model=options.get("model"),
            knows_schemas=_chosen(options, "schema", _FORMS) is not False,
            forbidden=_chosen(options, "forbidden", _KINDS) or FaultKind.AUTH,
            windows=_windows(options.get("windows", "")),
        )

    def kind(self, fault: Fault) -> FaultKind:
        """Return what kind of fault it is with this server."""
        is_plain = fault.http_status == 403 and fault.kind is FaultKind.AUTH
        return self.forbidden if is_plain else fault.kind


QUIRKS = frozenset({"model", "schema", "forbidden", "windows"})
"""The names of these options."""


def _chosen(options: Mapping[str, str], name: str, choices: Mapping[str, T]) -> T | None:
    value = options.get(name)
    if value is None:
        return None
    if value not in choices:
        raise ConfigError(f"option '{name}' is {value!r}; it can be {', '.join(choices)}")
    return choices[value]


def _windows(text: str) -> dict[str, int]:
    """Read `requests: day, tokens: minute`."""
    windows = {}
    for part in filter(None, map(str.strip, text.split(","))):
        dimension, _, span = map(str.strip, part.partition(":"))
        if dimension not in DIMENSIONS or span not in _WINDOWS:
            raise ConfigError(
                f"option 'windows' holds {part!r}; write it like 'requests: day, tokens: minute' "
                f"with {', '.join(sorted(DIMENSIONS))} and {', '.join(_WINDOWS)}"
            )
        windows[dimension] = _WINDOWS[span]
    return windows
