"""Declared limits: rules for model references, and what they add up to for one model."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from brimline.config.section import Section
from brimline.core.quota import Dimension, Quota, parse_quotas
from brimline.errors import ConfigError

GROUP = "group:"
"""Rules whose pattern begins so speak of the rows of a group, whichever models they go to."""

EACH_GROUP = f"{GROUP}*"
"""The pattern that speaks of each group by itself, if no other rule does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """What is declared for the models that match a pattern.

    Attributes:
        pattern: A model reference, or a pattern with `*` as in `openai/*`; or `group:NAME`, `group:*` for each group.
        quotas: Declared quotas.
        concurrency: Declared attempts in flight at once, or None.
        scope: Name of the quota that these models share, or None: each has its own.
        source: Where this was said, for people.
        rank: Rules of a higher rank win: flags over files.
    """

    pattern: str = "*"
    quotas: tuple[Quota, ...] = ()
    concurrency: int | None = None
    scope: str | None = None
    source: str = "Python"
    rank: int = 0

    def __post_init__(self) -> None:
        if self.is_of_group and (
            self.concurrency is not None
            or self.scope is not None
            or any(quota.dimension is not Dimension.REQUESTS for quota in self.quotas)
        ):
            raise ConfigError(f"'{self.pattern}': the limits of a group count requests and nothing else")

    @property
    def is_of_group(self) -> bool:
        """Whether it speaks of groups of rows, not of models."""
        return self.pattern.startswith(GROUP)

    def matches(self, model: str) -> bool:
        """Whether the rule speaks of `model`."""
        return not self.is_of_group and fnmatchcase(model, self.pattern)

    @property
    def weight(self) -> tuple[int, bool, int]:
        """By what a rule wins over another: its rank, then an exact name, then the longer pattern."""
        return self.rank, "*" not in self.pattern and "?" not in self.pattern, len(self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What holds for one model, and who said so.

    Attributes:
        scope: Name of the scope; the model reference itself unless it is shared.
        quotas: Its quotas.
        concurrency: Attempts in flight at once, or None: it is learned.
        sources: For each quota, and for `concurrency`, where it was said.
    """

    scope: str
    quotas: tuple[Quota, ...]
    concurrency: int | None
    sources: dict[str, str]


def limits_for(model: str, rules: Iterable[LimitRule]) -> ModelLimits:
    """Return what the rules add up to.

    For each thing that is counted, the quotas of the highest rank count: a flag for requests replaces what a file
    says of requests, and leaves its tokens alone. Within a rank the weightiest rule counts for each window, the
    later one among equals.
    """
    said: dict[Dimension, dict[int, tuple[Quota, str]]] = {}
    ranks: dict[Dimension, int] = {}
    concurrency: int | None = None
    concurrency_source, scope = "learned", model
    for rule in sorted((rule for rule in rules if rule.matches(model)), key=lambda rule: rule.weight):
        for quota in rule.quotas:
            if ranks.setdefault(quota.dimension, rule.rank) < rule.rank:
                ranks[quota.dimension] = rule.rank
                said[quota.dimension].clear()
            said.setdefault(quota.dimension, {})[quota.window] = quota, rule.source
        if rule.concurrency is not None:
            concurrency, concurrency_source = rule.concurrency, rule.source
        scope = rule.scope or scope
    counted = [each for windows in said.values() for each in windows.values()]
    return ModelLimits(
        scope=scope,
        quotas=tuple(quota for quota, _ in counted),
        concurrency=concurrency,
        sources={"concurrency": concurrency_source} | {str(quota): source for quota, source in counted},
    )


def group_quotas(group: str, rules: Iterable[LimitRule]) -> tuple[Quota, ...]:
    """Return what is declared for a group of rows: by the rules that name it, or else by those for each."""
    own = f"{GROUP}{group}"
    speaking = [rule for rule in rules if rule.quotas and rule.pattern in {own, EACH_GROUP}]
    if not speaking:
        return ()
    best = max(speaking, key=lambda rule: (rule.rank, rule.pattern == own))
    same = [rule for rule in speaking if (rule.rank, rule.pattern) == (best.rank, best.pattern)]
    return tuple({quota.window: quota for rule in same for quota in rule.quotas}.values())


def read_limits(section: Section, pattern: str) -> LimitRule:
    """Read one `[limits."PATTERN"]` table."""
    rate = section.take("rate", str)
    concurrency = section.take("concurrency", int)
    scope = section.take("scope", str)
    section.finish()
    if concurrency is not None and concurrency < 1:
        raise section.error("concurrency", f"expected at least 1, got {concurrency}")
    try:
        quotas = parse_quotas(rate) if rate is not None else ()
        return LimitRule(
            pattern=pattern, quotas=quotas, concurrency=concurrency, scope=scope, source=section.file
        )
    except ConfigError as error:
        raise section.error("rate", str(error)) from None
