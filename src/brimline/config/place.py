"""The place that answers a model: its endpoint as the environment has it, for this very model if it says so.

prompto's rule: `<VARIABLE>_<model>`, with `-/.: ` of the model's name as `_`, wins over `<VARIABLE>`, be it a key, a base
URL or an option. So one endpoint's name may stand for several places, each with limits, health and account of its own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from brimline.config.endpoints import NO_KEY, Endpoint
from brimline.config.preset import KeyRule, Preset
from brimline.config.presets import PRESETS
from brimline.config.variables import identifier, key_variables, url_variables
from brimline.errors import ConfigError
from brimline.types import Secret

_UNKNOWN = Preset(title="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that answers.

    Attributes:
        name: For people, and unlike any other place's: `openai`, or `openai (gpt_4o)` if variables of that model hold.
        configured_as: The endpoint's name.
        endpoint: What it is, with nothing left to look up but its credential.
        environment: Where that is looked up.
    """

    name: str
    configured_as: str
    endpoint: Endpoint
    environment: Mapping[str, str] = field(repr=False)

    def key(self) -> Secret | None:
        """Return the credential, or None if it wants none.

        Raises:
            ConfigError: The variable that should hold it is not set, or what it holds cannot stand in a header.
        """
        key = self.endpoint.key
        if key is None or key == NO_KEY:
            return None
        if isinstance(key, Secret):
            return _sendable(key, f"the key of endpoint '{self.name}'")
        name = key.removeprefix("env:")
        if text := self.environment.get(name, "").strip():
            return _sendable(Secret(text), name)
        endpoint = self.configured_as
        names = key_variables(endpoint, PRESETS.get(endpoint, _UNKNOWN))
        raise ConfigError(
            f"endpoint '{endpoint}' needs a key: set {' or '.join(names) if name in names else name}",
            hint=""
            if endpoint in PRESETS
            else f'If it wants none, say key = "none" in [endpoints.{endpoint}].',
        )


class _Variables:
    """The variables of one endpoint for one model: looked up, and remembered whether one was the model's own."""

    def __init__(self, environment: Mapping[str, str], model: str) -> None:
        self._environment = environment
        own = identifier(model)
        self._suffix = f"_{own}" if own.isprintable() and own else ""  # what else is in no variable's name
        self.are_own = False

    def find(self, names: tuple[str, ...]) -> str | None:
        """Return the name of the first that is set, the model's own before those for all."""
        own = tuple(name + self._suffix for name in names) if self._suffix else ()
        found = next(filter(self.read, (*own, *names)), None)
        self.are_own |= found in own
        return found

    def read(self, name: str) -> str:
        """Return what one holds."""
        return self._environment.get(name, "").strip()

    def value(self, names: tuple[str, ...]) -> str | None:
        """Return what the first that is set holds."""
        found = self.find(names)
        return None if found is None else self.read(found)


def place_of(name: str, endpoint: Endpoint, model: str, environment: Mapping[str, str]) -> Place:
    """Return the place that answers a model.

    Args:
        name: The endpoint's name.
        endpoint: What is configured.
        model: The model's name there, or an empty string: any without variables of its own.
        environment: Variables.

    Raises:
        ConfigError: What a variable holds is no base URL, or nobody says where the endpoint is.
    """
    if endpoint.function is not None or endpoint.members:
        return Place(name=name, configured_as=name, endpoint=endpoint, environment=environment)
    preset, variables = PRESETS.get(name, _UNKNOWN), _Variables(environment, model)
    options = _options(endpoint, preset, variables)
    variable, base_url = _base_url(name, endpoint, preset, variables)
    key = _key(name, endpoint, preset, variables)
    try:
        found = replace(
            endpoint,
            provider=endpoint.provider or preset.provider,
            base_url=None if base_url is None else _filled(name, base_url, options, preset),
            key=key,
            options=options,
            source="environment" if variable else endpoint.source,
        )
    except ConfigError as error:
        raise ConfigError(f"{variable}: {error}" if variable else str(error)) from None
    return Place(
        name=f"{name} ({identifier(model)})" if variables.are_own else name,
        configured_as=name,
        endpoint=found,
        environment=environment,
    )


def speak_of(name: str, environment: Mapping[str, str]) -> bool:
    """Whether variables of the environment say anything about the endpoint called `name`."""
    preset = PRESETS.get(name, _UNKNOWN)
    names = (*url_variables(name, preset), *key_variables(name, preset))
    return any(environment.get(each, "").strip() for each in names)


def _options(endpoint: Endpoint, preset: Preset, variables: _Variables) -> dict[str, str]:
    """Return the options, with what variables say of them."""
    options = dict(endpoint.options) if endpoint.provider else {**preset.options, **endpoint.options}
    for option, names in preset.option_variables.items():
        if endpoint.heeds_environment or option not in options:
            value = variables.value(names)
            options |= {} if value is None else {option: value}
    return options


def _base_url(
    name: str, endpoint: Endpoint, preset: Preset, variables: _Variables
) -> tuple[str | None, str | None]:
    """Return the base URL, None for the simulator's; and before it the variable that says so, if one does."""
    names = url_variables(name, preset)
    if endpoint.heeds_environment or endpoint.base_url is None:
        found = variables.find(names)
        if found is not None:
            return found, preset.completed(variables.read(found))
    if endpoint.base_url is None and name in PRESETS and not preset.is_simulated:
        raise ConfigError(
            f"nothing says where endpoint '{name}' is: set {' or '.join(names)}",
            hint=f"Or name it in brimline.toml: [endpoints.{name}] base_url = ...",
        )
    return None, endpoint.base_url


def _key(name: str, endpoint: Endpoint, preset: Preset, variables: _Variables) -> str | Secret | None:
    """Return where the credential is: what the endpoint says, with the variable that holds it for this model."""
    if endpoint.key == NO_KEY or isinstance(endpoint.key, Secret):
        return endpoint.key
    names = key_variables(name, preset) if endpoint.key is None else (endpoint.key.removeprefix("env:"),)
    found = variables.find(names)
    if found is None and endpoint.key is None and preset.key is not KeyRule.NEEDED:
        return NO_KEY
    return f"env:{found or names[0]}"


def _filled(name: str, base_url: str, options: Mapping[str, str], preset: Preset) -> str:
    """Return a base URL with its options filled in; Google's place called `global` has no prefix."""
    for option in _asked(base_url):
        value = options.get(option)
        if not value:
            variables = preset.option_variables.get(option, ())
            where = f"set {' or '.join(variables)}" if variables else f"say {option} = ..."
            raise ConfigError(
                f"endpoint '{name}' needs its {option}: {where}",
                hint=f"Or name it in brimline.toml: [endpoints.{name}] {option} = ...",
            )
        if not re.fullmatch(r"[A-Za-z0-9-]+", value):
            raise ConfigError(
                f"the {option} of endpoint '{name}' is {value!r}, which is no part of a host's name"
            )
        base_url = base_url.replace(f"{{{option}}}", value)
    return base_url.replace("//global-", "//")


def _asked(base_url: str) -> Iterator[str]:
    return (match[1] for match in re.finditer(r"\{(\w+)\}", base_url))


def _sendable(key: Secret, where: str) -> Secret:
    """See that a key can stand in a header, which a line break or a half-copied character cannot."""
    if not key.reveal().isprintable() or not key.reveal():
        raise ConfigError(f"{where} is empty or holds a character that no key has; copy it again")
    return key
