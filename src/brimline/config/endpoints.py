"""Endpoints: the places that answer, with the dialect they speak and the credential they want."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from brimline.config.pools import Member, read_members
from brimline.config.preset import KeyRule, Preset
from brimline.config.presets import PRESETS
from brimline.config.section import Section
from brimline.errors import ConfigError
from brimline.types import Secret

NO_KEY = "none"
BUILT_IN = "built in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A place that answers; or a pool: several that answer under one name.

    Attributes:
        provider: The dialect it speaks; empty: that of the built-in endpoint of its name, with its quirks, or `openai`.
        base_url: Where it is, with the version path where the vendor's SDK wants it there; `{option}` in it is filled in
            from the options. None: the simulator, started when it is needed.
        key: Where its credential is: `env:NAME`, `none`, or in Python a `Secret`; None: `<ENDPOINT>_API_KEY`, or what
            its vendor calls it.
        options: What else the dialect wants, as text: `organization`, `api_version`, ...; it knows what it takes.
        scenario: For the simulator: the file that it follows.
        function: What answers instead of a server: a function of a request, or the name of one as `module:name`.
        members: Of a pool: the endpoints that answer for it, by name, or with the name that the model has there and a
            weight: `{"endpoint": ..., "model": ..., "weight": ...}`. What else is said here is theirs then.
        fallback: Model references to which requests go on in order that cannot be answered here; None: as for the run.
        source: Where this was said, for people.
        heeds_environment: Whether variables of the environment win over what it says, as they do over a file.
    """

    provider: str = ""
    base_url: str | None = None
    key: str | Secret | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    scenario: str | None = None
    function: Any = None
    members: tuple[str | Mapping[str, object] | Member, ...] = ()
    fallback: tuple[str, ...] | None = None
    source: str = "Python"
    heeds_environment: bool = False

    def __post_init__(self) -> None:
        if self.members:
            object.__setattr__(self, "members", read_members(self.members))
            if self.base_url is not None or self.key is not None or self.options or self.function is not None:
                raise ConfigError("a pool has no base URL, key, options or function; its members have")
        if self.base_url is not None:
            _check_url(self.base_url)
        if (
            isinstance(self.key, str)
            and self.key != NO_KEY
            and not re.fullmatch(r"env:[A-Za-z_]\w*", self.key)
        ):
            raise ConfigError("a key is given by reference: 'env:NAME' or 'none', never as text")
        if self.function is not None and (self.base_url is not None or self.key not in {None, NO_KEY}):
            raise ConfigError("a function has neither a base URL nor a key")
        if isinstance(self.function, str) and not re.fullmatch(r"[\w.]+:[\w.]+", self.function):
            raise ConfigError(f"function '{self.function}' is none; write it like 'package.module:name'")

    @property
    def pool(self) -> tuple[Member, ...]:
        """The members of a pool; empty if it is none."""
        return tuple(member for member in self.members if isinstance(member, Member))


def _check_url(url: str) -> None:
    """See that a base URL is one; a credential in it is not shown."""
    shown = url if "@" not in url else "..."
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
        parts = urlsplit("")
    if parts.username or parts.password:
        raise ConfigError("a base URL holds no credential; give it with key = 'env:NAME'")
    if not is_url or any(character.isspace() for character in url):
        raise ConfigError(f"base URL '{shown}' is none; write it like 'http://10.0.0.5:8000/v1'")
    if parts.query or parts.fragment:
        raise ConfigError(f"base URL '{shown}' goes on after its path; paths are added to it")


def _built_in(preset: Preset) -> Endpoint:
    return Endpoint(
        provider=preset.provider,
        base_url=preset.base_url,
        key=NO_KEY if preset.key is KeyRule.NONE else None,
        options=preset.options,
        function=preset.function,
        source=BUILT_IN,
        heeds_environment=True,
    )


def built_in() -> dict[str, Endpoint]:
    """Return the endpoints that exist without a file, by name."""
    return {name: _built_in(preset) for name, preset in PRESETS.items()}


OPTIONS = ("organization", "project", "api_version", "location", "region")
"""Options that the dialects of this package know; another's stand in the table `options`."""


def read_endpoint(section: Section, known: Endpoint | None) -> Endpoint:
    """Read one `[endpoints.NAME]` table; what it does not say stays as in `known`."""
    if (members := section.take("members", list)) is not None:
        return _read_pool(section, members)
    is_known = known is not None
    known = known or Endpoint()
    fallback = section.names("fallback")
    scenario = section.take("scenario", str)
    function = section.take("function", str)
    if function is not None:  # it takes the place of whatever was there
        known = Endpoint(fallback=known.fallback)
    provider = section.take("provider", str)
    base_url = section.take("base_url", str)
    key = section.take("key", str, is_secret=True)
    options = {name: text for name in OPTIONS if (text := section.take(name, str)) is not None}
    options |= section.table("options").texts()
    section.finish()
    for name in options:
        if re.search(r"key|secret|token|password", name, re.IGNORECASE):
            raise section.error("options", f"'{name}' looks like a credential; give it with key = 'env:NAME'")
    provider = known.provider if provider is None else provider
    base_url = known.base_url if base_url is None else base_url
    if base_url is None and function is None and not is_known:
        raise section.error("base_url", "is missing; write it like 'http://10.0.0.5:8000/v1'")
    try:
        return Endpoint(
            provider=provider,
            base_url=base_url,
            key=known.key if key is None else key,
            options={**known.options, **options},
            scenario=known.scenario if scenario is None else scenario,
            function=known.function if function is None else function,
            fallback=known.fallback if fallback is None else fallback,
            source=section.file,
            heeds_environment=True,
        )
    except ConfigError as error:
        raise ConfigError(f"{section.file}: {section.path}: {error}") from None


def _read_pool(section: Section, members: list[object]) -> Endpoint:
    """Read the table of a pool."""
    fallback = section.names("fallback")
    section.finish()
    try:
        return Endpoint(members=read_members(members), fallback=fallback, source=section.file)
    except ConfigError as error:
        raise ConfigError(f"{section.file}: {section.path}: {error}") from None
