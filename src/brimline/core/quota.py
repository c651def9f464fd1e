"""Quotas: the text that people write (`500/min, 200k tokens/min`) and what it means.

    NUMBER[k|M] [requests|tokens|input tokens|output tokens]/(s|min|h|day) [burst B] [smooth|window]

Several are separated by commas; k is 1,000 and M is 1,000,000.
"""

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction

from brimline.core.time import DAY, HOUR, MINUTE, SECOND
from brimline.errors import ConfigError

TOKEN_BURST = 10 * SECOND
"""A token quota may be spent this far ahead of its even flow: requests differ too much in size for less."""


class Dimension(IntEnum):
    """What a quota counts. The number is its place in a `Demand`."""

    REQUESTS = 0
    TOKENS = 1
    INPUT_TOKENS = 2
    OUTPUT_TOKENS = 3

    @property
    def words(self) -> str:
        """The dimension as people write it."""
        return self.name.lower().replace("_", " ")


class Discipline(StrEnum):
    """How a quota is spread over its window."""

    SMOOTH = "smooth"
    """An even flow after a burst, and never more than the amount in any window."""
    WINDOW = "window"
    """As fast as possible, and never more than the amount in any window."""


_WINDOWS = {"s": SECOND, "min": MINUTE, "h": HOUR, "day": DAY}
_SCALES = {"": 1, "k": 1_000, "M": 1_000_000}
_DIMENSIONS = {dimension.words: dimension for dimension in Dimension}
_SYNTAX = "'500/min', '200k tokens/min', '2/s', '10k requests/day burst 20'"
_PATTERN = re.compile(
    r"(?P<number>\d+(\.\d+)?)(?P<scale>[kM]?)"
    r"(\s+(?P<dimension>requests|tokens|input\s+tokens|output\s+tokens))?"
    r"\s*/\s*(?P<window>s|min|h|day)"
    r"(\s+burst\s+(?P<burst>\d+))?"
    r"(\s+(?P<discipline>smooth|window))?"
)


@dataclass(frozen=True, slots=True)
class Quota:
    """A declared amount in each window of time.

    Attributes:
        amount: How much fits into a window.
        dimension: What is counted.
        window: Length of the window, ns.
        burst: How much may go at once when nothing went for a while.
        discipline: How the amount is spread over the window.
    """

    amount: int
    dimension: Dimension
    window: int
    burst: int
    discipline: Discipline

    @classmethod
    def of(
        cls,
        amount: int,
        window: int,
        dimension: Dimension = Dimension.REQUESTS,
        *,
        burst: int | None = None,
        discipline: Discipline | None = None,
    ) -> "Quota":
        """Make a quota with the defaults that its window and dimension suggest.

        A quota per second is a window, longer ones flow smoothly. The default burst of requests stays one
        below the second's worth that a server's own bucket would hold: equal to it costs one refusal a run.
        """
        discipline = discipline or (Discipline.WINDOW if window == SECOND else Discipline.SMOOTH)
        if discipline is Discipline.WINDOW:
            burst = amount
        elif burst is None and dimension is Dimension.REQUESTS:
            burst = max(1, amount * SECOND // window - 1)
        elif burst is None:
            burst = max(1, amount * TOKEN_BURST // window)
        return cls(amount, dimension, window, min(burst, amount), discipline)

    def __str__(self) -> str:
        name = next(name for name, window in _WINDOWS.items() if window == self.window)
        what = "" if self.dimension is Dimension.REQUESTS else f" {self.dimension.words}"
        return f"{_short(self.amount)}{what}/{name}"

    def explain(self) -> str:
        """Return the quota with everything that was left unsaid."""
        name = next(name for name, window in _WINDOWS.items() if window == self.window)
        amount = f"{_short(self.amount)} {self.dimension.words}/{name}"
        return f"{amount} burst {self.burst} {self.discipline}"


def parse_quotas(text: str) -> tuple[Quota, ...]:
    """Read quotas from text, one or several separated by commas.

    Raises:
        ConfigError: The text is no quota, its amount is 0, or two quotas are alike but for their amount.
    """
    quotas = tuple(_parse(part.strip()) for part in text.split(","))
    if len({(quota.dimension, quota.window) for quota in quotas}) < len(quotas):
        raise ConfigError(f"'{text}' limits the same thing twice")
    return quotas


def _parse(text: str) -> Quota:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(f"'{text}' is no limit; write it like {_SYNTAX}")
    amount = Fraction(match["number"]) * _SCALES[match["scale"]]
    if amount.denominator != 1:
        raise ConfigError(f"'{text}' is no whole number; use a longer window, as in '30/min' for '0.5/s'")
    if amount == 0 or match["burst"] == "0":
        raise ConfigError(f"'{text}' allows nothing; a limit is at least 1")
    discipline = Discipline(match["discipline"]) if match["discipline"] else None
    window = _WINDOWS[match["window"]]
    if (
        match["burst"]
        and (discipline or (Discipline.WINDOW if window == SECOND else None)) is Discipline.WINDOW
    ):
        raise ConfigError(f"'{text}': a window has no burst; say 'smooth' to spread the amount evenly")
    return Quota.of(
        int(amount),
        window,
        _DIMENSIONS[" ".join((match["dimension"] or "requests").split())],
        burst=int(match["burst"]) if match["burst"] else None,
        discipline=discipline,
    )


def _short(amount: int) -> str:
    """Write an amount as people do: 200k, 2M, 1,234 as 1234."""
    for letter, scale in (("M", 1_000_000), ("k", 1_000)):
        if amount % scale == 0:
            return f"{amount // scale}{letter}"
    return str(amount)
