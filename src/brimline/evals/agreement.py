"""How far judges agree beyond what chance would make them.

Sources: Cohen, "A coefficient of agreement for nominal scales" (1960), with his weights of 1968 for verdicts on a scale;
Fleiss, "Measuring nominal scale agreement among many raters" (1971).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

V = TypeVar("V", bound=Hashable)


def cohen(one: Sequence[Hashable], other: Sequence[Hashable]) -> float | None:
    """Return Cohen's kappa of two judges' verdicts on the same rows: 1 is full agreement, 0 that of chance.

    None where it says nothing: no rows, or both gave one and the same verdict to all.
    """
    return _kappa(one, other, lambda left, right: float(left != right))


def weighted_cohen(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Cohen's kappa with quadratic weights, for verdicts on a scale: being off by one is little."""
    return _kappa(one, other, lambda left, right: float((left - right) ** 2))


def fleiss(verdicts: Sequence[Sequence[Hashable]]) -> float | None:
    """Return Fleiss' kappa of several judges; each row has a verdict of each of them.

    None where it says nothing: no rows, fewer than two judges, or one and the same verdict throughout.

    Raises:
        ValueError: Rows have different numbers of verdicts.
    """
    if not verdicts:
        return None
    judges = len(verdicts[0])
    if any(len(row) != judges for row in verdicts):
        raise ValueError("each row needs a verdict of each judge")
    if judges < 2:
        return None
    counts = [Counter(row) for row in verdicts]
    agreed = sum(
        (sum(count * count for count in row.values()) - judges) / (judges * (judges - 1)) for row in counts
    ) / len(counts)
    totals: Counter[Hashable] = sum(counts, Counter())
    chance = sum((total / (judges * len(counts))) ** 2 for total in totals.values())
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def _kappa(one: Sequence[V], other: Sequence[V], distance: Callable[[V, V], float]) -> float | None:
    if len(one) != len(other):
        raise ValueError("both judges need a verdict on each row")
    if not one:
        return None
    count = len(one)
    observed = sum(distance(left, right) for left, right in zip(one, other, strict=True)) / count
    lefts, rights = Counter(one), Counter(other)
    expected = sum(
        times * others * distance(left, right)
        for left, times in lefts.items()
        for right, others in rights.items()
    ) / (count * count)
    return None if expected == 0 else float(1 - observed / expected)
