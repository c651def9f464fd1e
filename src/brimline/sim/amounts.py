"""The text forms of a scenario: spans of time, rates, and amounts that vary.

Each is a frozen value that remembers its own words: `parse` reads what a scenario says and raises
ValueError("expected ..., got ...") when it cannot; `str()` gives the words back.
"""

import random
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Self

SECOND = 1_000_000_000
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "min": 60 * SECOND,
    "h": 3_600 * SECOND,
    "day": 86_400 * SECOND,
}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|s|min|h|day)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kM]?)\s*/\s*(s|min|h|day)")
_CALL = re.compile(r"(lognormal|uniform|randint)\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)")
_MULTIPLES = {"": 1, "k": 1_000, "M": 1_000_000}


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time: "250ms", "2s", "1.5min", or a plain number of seconds."""

    ns: int
    text: str = field(compare=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a span that is zero or longer; exact down to the nanosecond."""
        text = f"{value}s" if _is_number(value) else str(value)
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"expected a span of time like '0.5s', '20ms' or '2min', got {value!r}")
        return cls(int(Decimal(found[1]) * _UNITS[found[2]]), text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Rate:
    """An amount per period: "600/min", "200k/min", "2/s"."""

    amount: int
    period: str
    text: str = field(compare=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a rate of a whole number, one or more, per s, min, h or day."""
        found = _RATE.fullmatch(str(value).strip())
        amount = Decimal(found[1]) * _MULTIPLES[found[2]] if found else Decimal(0)
        if found is None or amount < 1 or amount != int(amount):
            raise ValueError(f"expected a rate of whole numbers like '600/min' or '200k/min', got {value!r}")
        return cls(int(amount), found[3], str(value))

    @property
    def period_ns(self) -> int:
        """The length of the period in nanoseconds."""
        return _UNITS[self.period]

    def worth(self, seconds: int) -> int:
        """What comes in that many seconds, rounded down, but at least one."""
        return max(1, self.amount * seconds * SECOND // self.period_ns)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Spread:
    """A number that is drawn anew for each request."""

    shape: str
    low: float
    high: float
    text: str = field(compare=False)

    example: ClassVar[str] = "20"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a constant, or lognormal(median, sigma), uniform(low, high), randint(low, high)."""
        text = str(value).strip()
        call = _CALL.fullmatch(text)
        try:
            if call is None:
                return cls("constant", cls._number(text), 0.0, text)
            low = cls._number(call[2])
            high = float(call[3]) if call[1] == "lognormal" else cls._number(call[3])
        except ValueError:
            raise ValueError(f"expected {cls._forms()}, got {value!r}") from None
        if call[1] != "lognormal" and low > high:
            raise ValueError(f"expected the lower bound first, got {value!r}")
        if call[1] == "randint" and (low != int(low) or high != int(high)):
            raise ValueError(f"expected whole numbers in randint, got {value!r}")
        return cls(call[1], low, high, text)

    def draw(self, rng: random.Random) -> float:
        """One value; a constant takes nothing from `rng`."""
        if self.shape == "constant":
            return self.low
        if self.shape == "lognormal":
            return self.low * rng.lognormvariate(0.0, self.high)
        if self.shape == "uniform":
            return rng.uniform(self.low, self.high)
        return rng.randint(int(self.low), int(self.high))

    @classmethod
    def _number(cls, text: str) -> float:
        number = float(text)
        if not 0 <= number < float("inf"):
            raise ValueError(text)
        return number

    @classmethod
    def _forms(cls) -> str:
        one = cls.example
        return f"{one!r}, 'lognormal({one}, 0.4)', 'uniform({one}, {one})' or 'randint(2, 5)'"

    def __str__(self) -> str:
        return self.text


class Latency(Spread):
    """Seconds that are drawn anew for each request: "0.5s", "lognormal(0.5s, 0.4)", "randint(2, 5)"."""

    __slots__ = ()
    example = "0.5s"

    @classmethod
    def _number(cls, text: str) -> float:
        try:
            return super()._number(text)
        except ValueError:
            return Span.parse(text).ns / SECOND


def go_duration(ns: int) -> str:
    """A time as Go prints it, rounded up to the millisecond: "12ms", "1.5s", "6m0s", "1h2m0s"."""
    ms = -(-ns // 1_000_000)
    if ms < 1_000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{rest / 1_000:g}s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
