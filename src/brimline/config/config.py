"""The whole configuration of a run, read once and never changed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from brimline.config.endpoints import Endpoint, built_in
from brimline.config.limits import GROUP, LimitRule, ModelLimits, group_quotas, limits_for
from brimline.config.place import Place, place_of, speak_of
from brimline.config.pools import check_members
from brimline.config.run import RunSettings, default_cache
from brimline.config.section import nearest
from brimline.core.quota import Quota
from brimline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where models answer, what is allowed, and how a run behaves.

    Attributes:
        endpoints: Endpoints by name.
        rules: Declared limits.
        run: Timeouts, tries and waits.
        files: The files that were read, the weightiest first.
        environment: Where credentials are looked up.
    """

    endpoints: Mapping[str, Endpoint] = field(default_factory=built_in)
    rules: tuple[LimitRule, ...] = ()
    run: RunSettings = field(default_factory=RunSettings)
    files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def __post_init__(self) -> None:
        pools = {name: bool(endpoint.members) for name, endpoint in self.endpoints.items()}
        for name, endpoint in self.endpoints.items():
            check_members(name, endpoint.pool, pools)
            self._check_fallbacks(endpoint.fallback or (), endpoint.source)
        self._check_fallbacks(self.run.fallback, self.run.sources.get("fallback", "default"))
        for rule in self.rules:
            name = rule.pattern.partition("/")[0]
            if pools.get(name):
                members = ", ".join(f"'{member.endpoint}/*'" for member in self.endpoints[name].pool)
                raise ConfigError(
                    f"{rule.source}: '{name}' is a pool, so '{rule.pattern}' has no limits of its own",
                    hint=f"Declare those of its members: {members}.",
                )

    def _check_fallbacks(self, models: Iterable[str], source: str) -> None:
        for model in models:
            try:
                self.endpoint(model)
            except ConfigError as error:
                raise ConfigError(f"fallback ({source}): {error}", hint=error.hint) from None

    def endpoint(self, model: str) -> tuple[str, Endpoint]:
        """Return name and endpoint of a model reference.

        Raises:
            ConfigError: The reference has no endpoint, or there is none of that name.
        """
        name, slash, rest = model.partition("/")
        if not slash or not name or not rest:
            known = ", ".join(sorted(self.endpoints))
            raise ConfigError(
                f"'{model}' is no model; write it as ENDPOINT/MODEL with an endpoint of: {known}"
            )
        if name in self.endpoints:
            return name, self.endpoints[name]
        suggestion = nearest(name, self.endpoints)
        raise ConfigError(f"there is no endpoint '{name}' ('{model}'){suggestion}")

    def members(self, model: str) -> dict[str, float]:
        """Return the model references that may answer `model`, with their weights: of a pool several, or itself."""
        _, endpoint = self.endpoint(model)
        own = model.partition("/")[2]
        return {member.reference(own): member.weight for member in endpoint.pool} or {model: 1}

    def fallbacks(self, model: str) -> tuple[str, ...]:
        """Return the model references to which requests to `model` go on, in order."""
        _, endpoint = self.endpoint(model)
        is_given = self.run.sources.get("fallback") in {"flag", "Python"}
        chosen = self.run.fallback if is_given or endpoint.fallback is None else endpoint.fallback
        return tuple(other for other in dict.fromkeys(chosen) if other != model)

    def answering(self, models: Iterable[str]) -> list[str]:
        """Return every model reference that may answer one of `models`: members of pools, and fallbacks."""
        asked = (other for model in models for other in (model, *self.fallbacks(model)))
        return [*dict.fromkeys(member for model in asked for member in self.members(model))]

    def place(self, name: str) -> Place:
        """Return the place that answers models of the endpoint called `name` that have no variables of their own.

        Raises:
            ConfigError: What a variable holds is no base URL, or nobody says where the endpoint is.
        """
        return place_of(name, self.endpoints[name], "", self.environment)

    def is_set_up(self, name: str) -> bool:
        """Whether variables of the environment speak of the endpoint called `name`, for all its models."""
        return speak_of(name, self.environment)

    def resolve(self, model: str) -> Place:
        """Return the place that answers a model reference.

        Raises:
            ConfigError: The reference has no endpoint, there is none of that name, what a variable holds is no base
                URL, or nobody says where the endpoint is.
        """
        name, endpoint = self.endpoint(model)
        return place_of(name, endpoint, model.partition("/")[2], self.environment)

    @property
    def cache(self) -> Path | None:
        """The folder of the answer cache, or None if there is none."""
        folder = self.run.cache
        if isinstance(folder, Path):
            return folder
        return default_cache(self.environment) if folder else None

    def limits(self, model: str) -> ModelLimits:
        """Return what is declared for a model."""
        return limits_for(model, self.rules)

    @property
    def limited_groups(self) -> frozenset[str]:
        """The groups of rows for which anything is declared; `*` is among them if it is for each."""
        return frozenset(rule.pattern.removeprefix(GROUP) for rule in self.rules if rule.is_of_group)

    def group_quotas(self, group: str) -> tuple[Quota, ...]:
        """Return what is declared for a group of rows, whichever models they go to."""
        return group_quotas(group, self.rules) if group else ()

    def outranked(self, rules: Iterable[LimitRule]) -> "Config":
        """Return the configuration with rules that win over all that it has."""
        rank = max((rule.rank for rule in self.rules), default=0) + 1
        return replace(self, rules=(*self.rules, *(replace(rule, rank=rank) for rule in rules)))

    def conflicts(self, models: Iterable[str]) -> Iterator[str]:
        """Say which of those that may answer `models` share a scope but not its limits."""
        seen: dict[tuple[str, str], str] = {}
        for model in self.answering(models):
            limits = self.limits(model)
            other = seen.setdefault((self.resolve(model).name, limits.scope), model)
            theirs = self.limits(other)
            if (limits.quotas, limits.concurrency) != (theirs.quotas, theirs.concurrency):
                yield f"{other} and {model} share the limits '{limits.scope}' but declare different ones"
