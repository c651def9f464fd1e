"""A text that a regular expression matches: the shortest that comes to mind."""

import re
from collections.abc import Callable
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_CATEGORIES = {
    codes.CATEGORY_DIGIT: "1",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_DIGIT: "a",
    codes.CATEGORY_NOT_WORD: "-",
    codes.CATEGORY_NOT_SPACE: "a",
}
_LETTERS = "a1A-_ .xyz"


def matching(pattern: str, wanted: str) -> str:
    """The wanted text if it matches, else one that does; the wanted one again for a pattern beyond this."""
    try:
        if re.search(pattern, wanted):
            return wanted
        text = _text(parser.parse(pattern))
        return text if re.search(pattern, text) else wanted
    except (re.error, KeyError, OverflowError):
        return wanted


def _text(steps: Any) -> str:
    return "".join(_step(code, value) for code, value in steps)


def _step(code: Any, value: Any) -> str:
    if code in {codes.AT, codes.ASSERT, codes.ASSERT_NOT}:
        return ""
    return _MAKERS[code](value)


def _one_of(choices: Any) -> str:
    """A member of a set of characters."""
    code, value = choices[0]
    if code is codes.NEGATE:
        return next(letter for letter in _LETTERS if not any(_holds(one, letter) for one in choices[1:]))
    if code is codes.CATEGORY:
        return _CATEGORIES[value]
    return chr(value[0] if code is codes.RANGE else value)


def _holds(choice: Any, letter: str) -> bool:
    code, value = choice
    if code is codes.RANGE:
        return bool(value[0] <= ord(letter) <= value[1])
    if code is codes.CATEGORY:
        return (
            re.match({"1": r"\d", " ": r"\s", "a": r"\w"}.get(_CATEGORIES[value], r"\W"), letter) is not None
        )
    return bool(ord(letter) == value)


_MAKERS: dict[Any, Callable[[Any], str]] = {
    codes.LITERAL: chr,
    codes.IN: _one_of,
    codes.BRANCH: lambda value: _text(value[1][0]),
    codes.SUBPATTERN: lambda value: _text(value[-1]),
    codes.MAX_REPEAT: lambda value: _text(value[2]) * value[0],
    codes.MIN_REPEAT: lambda value: _text(value[2]) * value[0],
    codes.ANY: lambda _: "a",
    codes.NOT_LITERAL: lambda value: next(letter for letter in _LETTERS if ord(letter) != value),
}
