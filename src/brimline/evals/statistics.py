"""Means with their intervals.

Source: Miller, "Adding Error Bars to Evals" (2024): answers to the same question are not independent, so their errors are
summed within each question first. A share without repeats has Wilson's interval, which holds for few rows and near 0 and 1.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean and how sure it is.

    Attributes:
        value: The mean.
        low: The lower end of its interval (95%).
        high: The upper end.
        rows: Values that it is of.
        clusters: Independent ones among them.
    """

    value: float
    low: float
    high: float
    rows: int
    clusters: int

    @property
    def is_bounded(self) -> bool:
        """Whether there is an interval; of one question alone there is none."""
        return not math.isnan(self.low)

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def mean_of(values: Iterable[tuple[Hashable, float]], *, may_be_share: bool = True) -> Mean | None:
    """Return the mean of values, each with the name of its cluster (the question that it answers); None of no values.

    Values of 0 and 1 alone are a share, unless they are known to come from another scale.
    """
    pairs = [*values]
    if not pairs:
        return None
    count = len(pairs)
    mean = math.fsum(value for _, value in pairs) / count
    sums: defaultdict[Hashable, float] = defaultdict(float)
    for cluster, value in pairs:
        sums[cluster] += value - mean
    if may_be_share and len(sums) == count and all(value in {0, 1} for _, value in pairs):
        return Mean(mean, *wilson(round(mean * count), count), count, count)
    if len(sums) == 1:
        return Mean(mean, math.nan, math.nan, count, 1)
    error = math.sqrt(math.fsum(total * total for total in sums.values())) / count
    error *= math.sqrt(len(sums) / (len(sums) - 1))  # as for a variance from a sample
    half = student(len(sums) - 1) * error
    return Mean(mean, mean - half, mean + half, count, len(sums))


def wilson(ones: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's interval of a share. Source: Wilson (1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = ones / count, z * z / count
    middle = share + weight / 2
    half = z * math.sqrt(share * (1 - share) / count + weight / (4 * count))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def student(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the quantile of Student's t for a two-sided interval.

    Source: Hill, "Algorithm 396" (1970); good to four digits from 3 degrees of freedom on, exact for 1 and 2.
    """
    tail = 1 - confidence
    if freedom == 1:
        return 1 / math.tan(tail * math.pi / 2)
    if freedom == 2:
        return math.sqrt(2 / (tail * (2 - tail)) - 2)
    a = 1 / (freedom - 0.5)
    b = 48 / (a * a)
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * freedom
    y = (d * tail) ** (2 / freedom)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(tail / 2)
        y = x * x
        if freedom < 5:
            c += 0.3 * (freedom - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = math.expm1(a * y * y)
    else:
        inner = 1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3)
        y = ((inner + 0.5 / (freedom + 4)) * y - 1) * (freedom + 1) / (freedom + 2) + 1 / y
    return math.sqrt(freedom * y)


def paired_difference(pairs: Sequence[tuple[Hashable, float, float]]) -> Mean | None:
    """Return the mean of how much the second value of each pair is above the first; None of no pairs."""
    return mean_of((cluster, other - one) for cluster, one, other in pairs)
