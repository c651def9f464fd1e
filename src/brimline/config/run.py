"""How a run behaves: timeouts, tries and waits, each with where it was said."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from brimline.config.duration import parse_duration
from brimline.config.section import Section
from brimline.core.retry import RetryPolicy
from brimline.core.time import seconds
from brimline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run behaves.

    Attributes:
        timeout: Seconds for one attempt, from start to the last byte.
        max_tries: Tries of one exchange; refusals for a rate limit do not count.
        max_wait: The longest wait in seconds that a provider may ask for.
        backoff_initial: The longest first wait between tries, seconds.
        backoff_max: The longest wait between tries, seconds.
        sources: Where each was said; what is missing is the default.
    """

    timeout: float = 600.0
    max_tries: int = 5
    max_wait: float = 3600.0
    backoff_initial: float = 0.5
    backoff_max: float = 60.0
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy that follows."""
        return RetryPolicy(
            max_tries=self.max_tries, initial=seconds(self.backoff_initial), maximum=seconds(self.backoff_max)
        )

    def updated(self, values: Mapping[str, Any], source: str) -> "RunSettings":
        """Return the settings with those `values` that are not None, said by `source`."""
        given = {name: value for name, value in values.items() if value is not None}
        return replace(self, **given, sources={**self.sources, **dict.fromkeys(given, source)})


def read_run(section: Section, settings: RunSettings) -> RunSettings:
    """Read the `[run]` table over `settings`."""
    backoff = section.table("backoff")
    values = {
        "timeout": section.duration("timeout"),
        "max_wait": section.duration("max_wait"),
        "max_tries": section.take("max_tries", int),
        "backoff_initial": backoff.duration("initial"),
        "backoff_max": backoff.duration("max"),
    }
    backoff.finish()
    section.finish()
    tries = values["max_tries"]
    if tries is not None and tries < 1:
        raise section.error("max_tries", f"expected at least 1, got {tries}")
    return settings.updated(values, section.file)


def run_from_environment(settings: RunSettings, environment: Mapping[str, str]) -> RunSettings:
    """Read `BRIMLINE_TIMEOUT`, `BRIMLINE_MAX_WAIT` and `BRIMLINE_MAX_TRIES` over `settings`."""
    values: dict[str, float | int | None] = {}
    for name in ("timeout", "max_wait", "max_tries"):
        text = environment.get(f"BRIMLINE_{name.upper()}")
        if not text:
            continue
        try:
            values[name] = int(text) if name == "max_tries" else parse_duration(text)
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"BRIMLINE_{name.upper()}: {error}") from None
    return settings.updated(values, "environment")
