"""Whether results are good enough: `match >= 0.8`, `numeric[openai/gpt-5-mini] > 0.9`."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from brimline.errors import ConfigError

_FORM = re.compile(r"\s*([\w.-]+)\s*(?:\[([^\]]+)\])?\s*(>=|<=|>|<)\s*([-+.\deE]+)\s*(%?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound on the mean of a score.

    Attributes:
        score: The score's name.
        model: The model that it is about; None: each one.
        compare: How the mean has to stand to the bound (`>=`).
        bound: The bound.
    """

    score: str
    model: str | None
    compare: str
    bound: float

    def misses(self, means: Mapping[tuple[str, str], float]) -> list[str]:
        """Say what does not hold, given the means by model and score; a row without a score counts as 0 in them."""
        concerned = {
            model: mean
            for (model, score), mean in means.items()
            if score == self.score and self.model in {None, model}
        }
        if not concerned:
            return [f"{self}: nothing has that score"]
        holds = _COMPARE[self.compare]
        return [
            f"{self}: {model} has {mean:.4g}"
            for model, mean in concerned.items()
            if not holds(mean, self.bound)
        ]

    def __str__(self) -> str:
        about = f"[{self.model}]" if self.model else ""
        return f"{self.score}{about} {self.compare} {self.bound:g}"


def parse_gate(text: str) -> Gate:
    """Read a gate.

    Raises:
        ConfigError: It is none.
    """
    form = _FORM.fullmatch(text)
    try:
        if form is not None:
            bound = float(form[4]) / (100 if form[5] else 1)
            return Gate(form[1], form[2], form[3], bound)
    except ValueError:
        pass
    raise ConfigError(
        f"gate '{text}' is none; write it like 'match >= 0.8' or 'match[openai/gpt-5-mini] >= 80%'"
    )
