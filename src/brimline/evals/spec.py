"""Which scorer a word names: `match`, `numeric:abs=0.01,expected=total`, `schema:answer.json`, `module:function`."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from brimline.config.named import load_function
from brimline.errors import ConfigError
from brimline.evals.row import Row, ScoreError
from brimline.evals.scorers import BUILT_IN, SHORT, Judge


@dataclass(frozen=True, slots=True)
class Scorer:
    """Gives one answered row its score.

    Attributes:
        name: What the score is called.
        judge: How right one answer is; or None.
        function: Gives a whole row its score: a number, a bool, or several by name.
        expected: The column that holds the right answer; None: the first of the usual ones.
    """

    name: str
    judge: Judge | None = None
    function: Callable[[Mapping[str, Any]], Any] | None = None
    expected: str | None = None

    def score(self, columns: Mapping[str, Any]) -> dict[str, float]:
        """Return the scores of an answered row, by name; of several answers their mean.

        Raises:
            ScoreError: The row cannot be scored; whatever else a scorer raises is said with it.
        """
        row = Row(columns, self.expected)
        try:
            if self.function is not None:
                return self._named(self.function(row))
            assert self.judge is not None
            return {self.name: fmean(self.judge(answer, row) for answer in row.answers)}
        except ScoreError:
            raise
        except Exception as error:
            raise ScoreError(f"{type(error).__name__}: {error}") from error

    def _named(self, given: Any) -> dict[str, float]:
        several = given if isinstance(given, Mapping) else {"": given}
        scores = {}
        for name, value in several.items():
            if not isinstance(value, int | float) or math.isnan(value):
                raise ScoreError(f"the scorer returned {value!r}, which is no number")
            scores[f"{self.name}.{name}" if name else self.name] = float(value)
        return scores


def find_scorer(spec: str | Callable[[Mapping[str, Any]], Any]) -> Scorer:
    """Return the scorer that a word names, or that a function is.

    Raises:
        ConfigError: There is none, or it does not know an option.
    """
    if callable(spec):
        return Scorer(getattr(spec, "__name__", "score"), function=spec)
    name, _, rest = spec.partition(":")
    if name not in BUILT_IN:
        return _imported(spec) if rest else _unknown(name)
    options = _options(name, rest)
    expected = options.pop("expected", None)
    make, known = BUILT_IN[name]
    for option in options:
        if option not in known:
            raise ConfigError(f"scorer '{name}' has no option '{option}'; it takes {_listed(known)}")
    if name == "schema" and "file" not in options:
        raise ConfigError("scorer 'schema' needs a file: schema:answer.json")
    try:
        return Scorer(name, make(options), expected=expected)
    except ValueError as error:
        raise ConfigError(f"scorer '{spec}': {error}") from None


def _listed(known: frozenset[str]) -> str:
    return ", ".join(sorted({*known, "expected"}))


def _options(name: str, text: str) -> dict[str, str]:
    """Read `abs=0.01,expected=total`; a pattern is taken as it is."""
    if not text:
        return {}
    if name in SHORT and not re.match(r"\w+=", text):
        return {SHORT[name]: text}
    if text.startswith("pattern="):
        return {"pattern": text.removeprefix("pattern=")}
    pairs = (part.partition("=") for part in text.split(","))
    return {option.strip(): value for option, _, value in pairs}


def _unknown(name: str) -> Scorer:
    raise ConfigError(
        f"there is no scorer '{name}'; there is {', '.join(BUILT_IN)}, and any function as MODULE:FUNCTION"
    )


def _imported(reference: str) -> Scorer:
    try:
        function = load_function(reference)
    except ConfigError as error:
        raise ConfigError(f"scorer {error}") from error
    return Scorer(reference.partition(":")[2], function=function)
