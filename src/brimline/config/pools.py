"""Pools: endpoints that answer together under one name, and the fallbacks after them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from brimline.config.section import nearest
from brimline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An endpoint of a pool.

    Attributes:
        endpoint: Its name.
        model: What the model is called there; None: as in the pool.
        weight: Its share where several members could answer, above 0.
    """

    endpoint: str
    model: str | None = None
    weight: float = 1

    def reference(self, model: str) -> str:
        """Return the model reference that answers the pool's `model`."""
        return f"{self.endpoint}/{self.model or model}"


def read_members(given: Any) -> tuple[Member, ...]:
    """Return the members that a list names: by the endpoint's name, or as a table with `endpoint`, `model`, `weight`.

    Raises:
        ConfigError: It is none, or it is empty.
    """
    if not isinstance(given, list | tuple):
        raise ConfigError(f"members: expected a list of endpoints, got {given!r}")
    if not given:
        raise ConfigError("members: a pool needs at least one")
    members = tuple(_read_member(one) for one in given)
    if len({(member.endpoint, member.model) for member in members}) < len(members):
        raise ConfigError("members: the same one is named twice; give it a weight instead")
    return members


def _read_member(given: Any) -> Member:
    if isinstance(given, Member):
        return given
    values: Mapping[str, Any] = {"endpoint": given} if isinstance(given, str) else given
    if not isinstance(values, Mapping):
        raise ConfigError(f"members: expected an endpoint's name or a table, got {given!r}")
    for name in values:
        if name not in _KINDS:
            raise ConfigError(f"members: unknown key '{name}'{nearest(name, _KINDS)}")
    for name, kind in _KINDS.items():
        if not isinstance(values.get(name), kind):
            raise ConfigError(f"members: {name}: {values.get(name)!r} makes no sense in {given!r}")
    endpoint, weight = values["endpoint"], values.get("weight", 1)
    if isinstance(weight, bool) or not 0 < weight < float("inf"):
        raise ConfigError(f"members: weight: expected a number above 0, got {weight!r}")
    if not endpoint or "/" in endpoint:
        raise ConfigError(
            f"members: '{endpoint}' is no endpoint's name; a model's own name goes into `model`"
        )
    return Member(endpoint=endpoint, model=values.get("model"), weight=weight)


_KINDS: dict[str, Any] = {"endpoint": str, "model": str | None, "weight": int | float | None}


def check_members(pool: str, members: Iterable[Member], pools: Mapping[str, bool]) -> None:
    """See that each member of a pool is an endpoint.

    Args:
        pool: The pool's name.
        members: Its members.
        pools: All endpoints by name, and which of them are pools.

    Raises:
        ConfigError: One is none.
    """
    for member in members:
        if member.endpoint not in pools:
            suggestion = nearest(member.endpoint, pools)
            raise ConfigError(f"pool '{pool}': there is no endpoint '{member.endpoint}'{suggestion}")
        if pools[member.endpoint]:
            raise ConfigError(
                f"pool '{pool}': its member '{member.endpoint}' is a pool itself",
                hint=f"Name the members of '{member.endpoint}' in '{pool}' instead.",
            )
