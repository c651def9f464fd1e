"""Endpoints: the places that answer, with the dialect they speak and the credential they want."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from brimline.config.section import Section
from brimline.errors import ConfigError
from brimline.types import Secret

NO_KEY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A place that answers.

    Attributes:
        provider: The dialect it speaks (`openai`).
        base_url: Where it is, with the version path where the vendor's SDK wants it there; None: the simulator,
            started when it is needed.
        key: Where its credential is: `env:NAME`, `none`, or in Python a `Secret`; None: `<ENDPOINT>_API_KEY`.
        options: What else the dialect wants, as text: `organization`, `api_version`, ...; it knows what it takes.
        scenario: For the simulator: the file that it follows.
        function: What answers instead of a server: a function of a request, or the name of one as `module:name`.
        source: Where this was said, for people.
    """

    provider: str = "openai"
    base_url: str | None = None
    key: str | Secret | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    scenario: str | None = None
    function: Any = None
    source: str = "Python"

    def __post_init__(self) -> None:
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


BUILT_IN: dict[str, Endpoint] = {
    "openai": Endpoint(base_url="https://api.openai.com/v1", source="built in"),
    "sim": Endpoint(key=NO_KEY, source="built in"),
    "test": Endpoint(function="brimline.engine.rehearsal:answer", source="built in"),
}
"""Endpoints that exist without a file."""

ANNOUNCED = (
    "anthropic", "azure-openai", "bedrock", "cerebras", "cohere", "deepseek", "fireworks", "gemini", "groq",
    "huggingface-tgi", "mistral", "ollama", "openrouter", "quart", "together", "vertexai", "vllm", "xai",
)  # fmt: skip
"""Names that people will try; each can be an endpoint of the OpenAI dialect until it has its own."""

OPTIONS = ("organization", "project", "api_version", "location", "region")
"""Options that the dialects of this package know; another's stand in the table `options`."""

_ALIASES = {
    "openai": {"organization": "OPENAI_ORG_ID", "project": "OPENAI_PROJECT_ID"},
}


def variable(endpoint: str, what: str) -> str:
    """Return the name of an endpoint's environment variable: `lab-2`, `API_KEY` -> `LAB_2_API_KEY`."""
    return f"{endpoint}_{what}".upper().replace("-", "_").replace(".", "_")


def read_endpoint(section: Section, known: Endpoint | None) -> Endpoint:
    """Read one `[endpoints.NAME]` table; what it does not say stays as in `known`."""
    known = known or Endpoint()
    scenario = section.take("scenario", str)
    function = section.take("function", str)
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
    if base_url is None and function is None and section.path != "endpoints.sim":
        raise section.error("base_url", "is missing; write it like 'http://10.0.0.5:8000/v1'")
    try:
        return Endpoint(
            provider=provider,
            base_url=base_url,
            key=known.key if key is None else key,
            options={**known.options, **options},
            scenario=known.scenario if scenario is None else scenario,
            function=known.function if function is None else function,
            source=section.file,
        )
    except ConfigError as error:
        raise ConfigError(f"{section.file}: {section.path}: {error}") from None


def from_environment(name: str, endpoint: Endpoint, environment: Mapping[str, str]) -> Endpoint:
    """Return the endpoint as the environment changes it."""
    name_of_variable = variable(name, "BASE_URL")
    base_url = environment.get(name_of_variable)
    options = {
        option: environment[alias]
        for option, alias in _ALIASES.get(name, {}).items()
        if environment.get(alias)
    }
    if not base_url and not options:
        return endpoint
    try:
        return Endpoint(
            provider=endpoint.provider,
            base_url=base_url or endpoint.base_url,
            key=endpoint.key,
            options={**endpoint.options, **options},
            scenario=endpoint.scenario,
            function=endpoint.function,
            source="environment" if base_url else endpoint.source,
        )
    except ConfigError as error:
        raise ConfigError(f"{name_of_variable}: {error}") from None


def find_key(name: str, endpoint: Endpoint, environment: Mapping[str, str]) -> Secret | None:
    """Return the credential of an endpoint, or None if it wants none.

    Raises:
        ConfigError: The variable that should hold it is not set, or what it holds cannot stand in a header.
    """
    if endpoint.key == NO_KEY or endpoint.function is not None:
        return None
    if isinstance(endpoint.key, Secret):
        return _sendable(endpoint.key, f"the key of endpoint '{name}'")
    name_of_variable = endpoint.key.removeprefix("env:") if endpoint.key else variable(name, "API_KEY")
    text = environment.get(name_of_variable, "").strip()
    if not text:
        raise ConfigError(
            f"endpoint '{name}' needs a key: set {name_of_variable}",
            hint="" if name in BUILT_IN else f'If it wants none, say key = "none" in [endpoints.{name}].',
        )
    return _sendable(Secret(text), name_of_variable)


def _sendable(key: Secret, where: str) -> Secret:
    """See that a key can stand in a header, which a line break or a half-copied character cannot."""
    if not key.reveal().isprintable() or not key.reveal():
        raise ConfigError(f"{where} is empty or holds a character that no key has; copy it again")
    return key
