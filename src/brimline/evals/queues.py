"""prompto's queues: how rows are grouped, and how many queries a minute each group may send.

Without `parallel` there is one queue. With it, rows are queued by their `group`, or else by their `api`; where the
file of rates names a model within one of these, its rows have a queue of their own (`openai-gpt-4o`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from brimline.config import Config, LimitRule
from brimline.config.limits import EACH_GROUP, GROUP
from brimline.core.quota import Dimension, Quota
from brimline.core.time import MINUTE
from brimline.data.grouping import Grouping
from brimline.errors import ConfigError

Rates: TypeAlias = Mapping[str, int | Mapping[str, int]]
"""Queries a minute, by group or API, or within one of these by model; `default` stands for its other models."""

ALL = "all"
DEFAULT = "default"


@dataclass(slots=True)
class PromptQueue:
    """One queue.

    Attributes:
        rate: Queries a minute.
        rows: Its rows.
    """

    rate: int
    rows: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """How rows are queued.

    Attributes:
        max_queries: Queries a minute of each queue that nothing else is said of.
        parallel: Whether there are several queues, which flow beside each other.
        rates: What is said of some.
    """

    max_queries: int = 10
    parallel: bool = False
    rates: Rates = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_queries < 1:
            raise ConfigError(f"--max-queries: expected at least 1, got {self.max_queries}")
        if self.rates and not self.parallel:
            raise ConfigError(
                "--max-queries-json names the rates of several queues, and there is only one",
                hint="Add --parallel, or leave --max-queries-json out.",
            )

    @property
    def grouping(self) -> Grouping:
        """What tells the queue of a row."""
        if not self.parallel:
            return Grouping(single=ALL)
        apart = {
            group: tuple(model for model in rates if model != DEFAULT)
            for group, rates in self.rates.items()
            if isinstance(rates, Mapping)
        }
        return Grouping(columns=("group", "api"), apart=apart)

    @property
    def rules(self) -> list[LimitRule]:
        """What it means as declared limits."""
        every = LimitRule(pattern=EACH_GROUP, quotas=(_per_minute(self.max_queries),), source="--max-queries")
        named = [
            LimitRule(pattern=f"{GROUP}{name}", quotas=(_per_minute(rate),), source="--max-queries-json")
            for name, rate in self.named()
        ]
        return [every, *named]

    def configured(self, config: Config, max_attempts: int | None = None) -> Config:
        """Return a configuration with these queues; what is declared for models holds beside them."""
        run = config.run.updated({"max_tries": max_attempts}, "flag")
        return replace(config.outranked(self.rules), run=run)

    def named(self) -> Iterator[tuple[str, int]]:
        """Yield the queues that the rates name, whether any row is in them or not."""
        for group, rates in self.rates.items():
            if isinstance(rates, int):
                yield group, rates
                continue
            for model, rate in rates.items():
                yield (group if model == DEFAULT else f"{group}-{model}"), rate

    def table(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, PromptQueue]:
        """Return the queues with their rows: those that the rates name first, then the others as rows ask for them."""
        grouping, whole = self.grouping, Grouping(columns=("group", "api"))
        table = {name: PromptQueue(rate) for name, rate in self.named()}
        for row in rows:
            if self.parallel:  # a group is a queue, even if all its models have their own
                table.setdefault(whole.group_of(row), PromptQueue(self.max_queries))
            table.setdefault(grouping.group_of(row), PromptQueue(self.max_queries)).rows.append(row)
        return table

    def idle(self, groups: Iterable[str]) -> list[str]:
        """Return what the rates name though no row is in it; `groups` are those that have rows."""
        used = {*groups}
        return [name for name, _ in self.named() if name not in used]


def read_rates(path: Path) -> Rates:
    """Read a file of rates.

    Raises:
        ConfigError: It cannot be read, is no JSON, or holds something that is no rate.
    """
    try:
        found = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected an object of rates by API or group")
    for group, rates in found.items():
        for model, rate in rates.items() if isinstance(rates, dict) else [("", rates)]:
            if type(rate) is not int or rate < 1:
                where = f"{group}: {model}" if model else group
                raise ConfigError(f"{path}: {where}: expected queries a minute, at least 1, got {rate!r}")
    return found


def _per_minute(rate: int) -> Quota:
    return Quota.of(rate, MINUTE, Dimension.REQUESTS)
