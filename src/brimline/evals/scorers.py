"""The scorers: how right one answer is, as a number from 0 to 1.

Each takes an answer as it is in the results and the row that it belongs to. What a scorer cannot judge it says with a
ScoreError; whatever else it raises is its own row's business, too.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from brimline.evals.extract import choice_in, json_in, number_in, plain, words
from brimline.evals.row import Row, ScoreError

Options: TypeAlias = Mapping[str, str]
Judge: TypeAlias = Callable[[Any, Row], float]
"""How right one answer is."""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise ScoreError("has no answer")
    return str(value)


def _expected(row: Row) -> str:
    value = row.expected
    return value if isinstance(value, str) else str(value)


def _any(row: Row, fits: Callable[[str], bool]) -> float:
    """One of several right answers is enough."""
    value = row.expected
    return float(any(fits(str(one)) for one in (value if isinstance(value, list) else [value])))


def _match(_: Options) -> Judge:
    """The answer is the right one, letter for letter (prompto's)."""
    return lambda answer, row: _any(row, lambda right: _text(answer) == right)


def _includes(_: Options) -> Judge:
    """The right answer stands in the answer, letter for letter (prompto's)."""
    return lambda answer, row: _any(row, lambda right: right in _text(answer))


def _exact(_: Options) -> Judge:
    """The answer is the right one but for case, punctuation, articles and blanks."""
    return lambda answer, row: _any(row, lambda right: plain(_text(answer)) == plain(right))


def _contains(_: Options) -> Judge:
    """The words of the right answer stand in the answer, whole and in order."""
    return lambda answer, row: _any(row, lambda right: f" {plain(right)} " in f" {plain(_text(answer))} ")


def _regex(options: Options) -> Judge:
    """A pattern is found in the answer: the one that is given, or else the row's."""
    given = options.get("pattern")

    def judge(answer: Any, row: Row) -> float:
        pattern = _expected(row) if given is None else given
        try:
            return float(re.search(pattern, _text(answer)) is not None)
        except re.error as error:
            raise ScoreError(f"'{pattern}' is no regular expression: {error}") from None

    return judge


def _choice(_: Options) -> Judge:
    """The answer chooses the right letter."""

    def judge(answer: Any, row: Row) -> float:
        right = choice_in(_expected(row))
        if right is None:
            raise ScoreError(f"its right answer {_expected(row)!r} is no choice")
        return float(choice_in(_text(answer)) == right)

    return judge


def _numeric(options: Options) -> Judge:
    """The answer comes to the right number; `abs` and `rel` say how far it may be off."""
    absolute, relative = (float(options.get(name, 0)) for name in ("abs", "rel"))

    def judge(answer: Any, row: Row) -> float:
        right = number_in(_expected(row))
        if right is None:
            raise ScoreError(f"its right answer {_expected(row)!r} holds no number")
        value = number_in(_text(answer))
        allowed = max(absolute, relative * abs(right)) + 1e-9 * abs(right)  # as decimals they may be equal
        return float(value is not None and abs(value - right) <= allowed)

    return judge


def _json(_: Options) -> Judge:
    """The answer is the right JSON value, whatever its form."""

    def judge(answer: Any, row: Row) -> float:
        right = json_in(row.expected)
        try:
            return float(_same(json_in(answer), right))
        except ValueError:
            return 0.0

    return judge


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; to Python `True == 1`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _schema(options: Options) -> Judge:
    """The answer is JSON that follows a schema: the file that is given."""
    validator = _validator(options["file"])

    def judge(answer: Any, _: Row) -> float:
        try:
            return float(validator.is_valid(json_in(answer)))
        except ValueError:
            return 0.0

    return judge


@cache
def _validator(file: str) -> Any:
    try:
        from jsonschema.validators import validator_for  # noqa: PLC0415  an extra
    except ImportError:
        raise ValueError("schemas need jsonschema: pip install 'brimline[schema]'") from None
    try:
        schema = json_in(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    kind = validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def _f1(_: Options) -> Judge:
    """How many words the answer and the right one share (SQuAD's F1)."""
    return lambda answer, row: _f1_of(words(_text(answer)), words(_expected(row)))


def _f1_of(given: list[str], right: list[str]) -> float:
    if not given or not right:
        return float(given == right)
    shared = sum((Counter(given) & Counter(right)).values())
    return 2 * shared / (len(given) + len(right))


def _rouge_l(_: Options) -> Judge:
    """The longest run of words, with gaps, that the answer and the right one share (ROUGE-L's F1; Lin, 2004)."""

    def judge(answer: Any, row: Row) -> float:
        given, right = words(_text(answer)), words(_expected(row))
        if not given or not right:
            return float(given == right)
        return 2 * _longest_common(given, right) / (len(given) + len(right))

    return judge


def _longest_common(one: list[str], other: list[str]) -> int:
    """Return the length of the longest common subsequence, as bits: one row of the table is one number (Hyyro, 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(other):
        places[word] = places.get(word, 0) | 1 << place
    whole = (1 << len(other)) - 1
    row = whole
    for word in one:
        found = row & places.get(word, 0)
        row = ((row + found) | (row - found)) & whole
    return len(other) - row.bit_count()


def _bleu(_: Options) -> Judge:
    """Sentence BLEU by sacrebleu, from 0 to 1."""
    try:
        import sacrebleu  # noqa: PLC0415  an extra
    except ImportError:
        raise ValueError("BLEU needs sacrebleu: pip install 'brimline[bleu]'") from None
    metric = sacrebleu.BLEU(effective_order=True)
    return lambda answer, row: float(metric.sentence_score(_text(answer), [_expected(row)]).score) / 100


class Built(NamedTuple):
    """A built-in scorer."""

    make: Callable[[Options], Judge]
    options: frozenset[str] = frozenset()


BUILT_IN: dict[str, Built] = {
    "match": Built(_match),
    "includes": Built(_includes),
    "exact": Built(_exact),
    "contains": Built(_contains),
    "regex": Built(_regex, frozenset({"pattern"})),
    "choice": Built(_choice),
    "numeric": Built(_numeric, frozenset({"abs", "rel"})),
    "json": Built(_json),
    "schema": Built(_schema, frozenset({"file"})),
    "f1": Built(_f1),
    "rouge-l": Built(_rouge_l),
    "bleu": Built(_bleu),
}
"""Scorers by the name that `--score` takes."""

SHORT = {"regex": "pattern", "schema": "file"}
"""Options that may stand without their name: `schema:answer.json`."""
