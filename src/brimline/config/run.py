"""How a run behaves: timeouts, tries, waits and what is not paid for twice, each with where it was said."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from brimline.config.duration import parse_duration
from brimline.config.section import Section
from brimline.core.faults import FALLS_ON
from brimline.core.retry import RetryPolicy
from brimline.core.time import seconds
from brimline.errors import ConfigError
from brimline.types import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run behaves.

    Attributes:
        timeout: Seconds for one attempt, from start to the last byte.
        max_tries: Tries of one exchange; refusals for a rate limit do not count.
        max_wait: The longest wait in seconds that a provider may ask for.
        fallback: Model references to which requests go on in order that cannot be answered.
        fallback_on: The kinds of faults for which they do.
        share: Whether processes of one account on this machine share what is declared.
        backoff_initial: The longest first wait between tries, seconds.
        backoff_max: The longest wait between tries, seconds.
        stream: Whether answers are sent in pieces where the provider can.
        idle_timeout: Seconds in which something of a streamed answer has to come.
        hedge: Whether requests whose answer is late at the end of a run are sent once more.
        dedupe: Whether equal requests of a file are sent once.
        batch_size: How many embeddings go in one HTTP request at most; a provider may take fewer.
        repeat: How many answers are asked for each row of a file by each model.
        cache: The folder of the answer cache; True: `default_cache`; False: there is none.
        cache_size: Bytes that it may take.
        sources: Where each was said; what is missing is the default.
    """

    timeout: float = 600.0
    max_tries: int = 5
    max_wait: float = 3600.0
    fallback: tuple[str, ...] = ()
    fallback_on: frozenset[FaultKind] = FALLS_ON
    share: bool = True
    backoff_initial: float = 0.5
    backoff_max: float = 60.0
    stream: bool = False
    idle_timeout: float = 60.0
    hedge: bool = False
    dedupe: bool = False
    repeat: int = 1
    batch_size: int = 256
    cache: Path | bool = False
    cache_size: int = 10**9
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.cache, str):  # as a manifest has it
            object.__setattr__(self, "cache", Path(self.cache))
        object.__setattr__(self, "fallback", read_fallback(self.fallback))
        object.__setattr__(self, "fallback_on", read_kinds(self.fallback_on))
        for name in ("max_tries", "repeat", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("hedge", "stream"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}: expected true or false, got {getattr(self, name)!r}")
        for name in ("timeout", "idle_timeout", "max_wait", "backoff_initial", "backoff_max"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigError(f"{name}: expected seconds above 0, got {getattr(self, name)!r}")

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy that follows."""
        return RetryPolicy(
            max_tries=self.max_tries, initial=seconds(self.backoff_initial), maximum=seconds(self.backoff_max)
        )

    def updated(self, values: Mapping[str, Any], source: str) -> "RunSettings":
        """Return the settings with those `values` that are not None, said by `source`.

        Raises:
            ConfigError: A value makes no sense.
        """
        given = {name: value for name, value in values.items() if value is not None}
        return replace(self, **given, sources={**self.sources, **dict.fromkeys(given, source)})


def read_fallback(models: Sequence[str]) -> tuple[str, ...]:
    """Return the model references of fallbacks, in order; whether their endpoints exist is not known here.

    Raises:
        ConfigError: It is one text instead of several.
    """
    if isinstance(models, str):
        raise ConfigError(f"fallback: expected a list of model references, got {models!r}")
    return tuple(models)


def read_kinds(names: Iterable[str]) -> frozenset[FaultKind]:
    """Return the kinds of faults of these names, for which a request may fall back.

    Raises:
        ConfigError: One is none.
    """
    if isinstance(names, str):
        raise ConfigError(f"fallback_on: expected a list of kinds, got {names!r}")
    known = [kind for kind in FaultKind if kind is not FaultKind.CANCELLED]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"fallback_on: '{name}' is nothing to fall back for; it is one of {', '.join(known)}"
            )
    return frozenset(map(FaultKind, names))


def read_run(section: Section, settings: RunSettings) -> RunSettings:
    """Read the `[run]` table over `settings`."""
    backoff = section.table("backoff")
    values = {
        "timeout": section.duration("timeout"),
        "max_wait": section.duration("max_wait"),
        "max_tries": section.take("max_tries", int),
        "share": section.take("share", bool),
        "fallback": section.names("fallback"),
        "fallback_on": section.names("fallback_on"),
        "backoff_initial": backoff.duration("initial"),
        "backoff_max": backoff.duration("max"),
        "stream": section.take("stream", bool),
        "idle_timeout": section.duration("idle_timeout"),
        "hedge": section.take("hedge", bool),
        "dedupe": section.take("dedupe", bool),
        "repeat": section.take("repeat", int),
        "batch_size": section.take("batch_size", int),
        "cache": _read_cache(section),
        "cache_size": section.size("cache_size"),
    }
    backoff.finish()
    section.finish()
    return _updated(settings, values, section.file, f"{section.file}: {section.path}.")


def _read_cache(section: Section) -> Path | bool | None:
    """Read `cache = true`, or a folder."""
    value = section.take_either("cache", bool, str)
    return Path(value).expanduser() if isinstance(value, str) else value


def default_cache(environment: Mapping[str, str]) -> Path:
    """Return the user's folder for what can be made again."""
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "brimline"


def run_from_environment(settings: RunSettings, environment: Mapping[str, str]) -> RunSettings:
    """Read `BRIMLINE_TIMEOUT`, `_IDLE_TIMEOUT`, `_MAX_WAIT`, `_MAX_TRIES` and `_SHARE` over `settings`."""
    for name, read in _VARIABLES.items():
        variable = f"BRIMLINE_{name.upper()}"
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            value = read(text)
        except ConfigError as error:
            raise ConfigError(f"{variable}: {error}") from None
        settings = _updated(settings, {name: value}, "environment", f"{variable}: ")
    return settings


def _updated(settings: RunSettings, values: Mapping[str, Any], source: str, where: str) -> RunSettings:
    try:
        return settings.updated(values, source)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"'{text}' is no whole number")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ConfigError(f"'{text}' is neither 'true' nor 'false'")
    return text.lower() == "true"


_VARIABLES: dict[str, Callable[[str], Any]] = {
    "timeout": parse_duration,
    "idle_timeout": parse_duration,
    "max_wait": parse_duration,
    "max_tries": _whole,
    "share": _truth,
}
