"""What an answer says, once its prose is taken away: a number, a choice, a JSON value, plain words."""

import re
import string
from typing import Any

import msgspec

_NUMBER = r"[-+\u2212]?\$?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_FOUND = re.compile(rf"(?<![\w.]){_NUMBER}(?=\D|$)")
_FRACTION = re.compile(r"(?<![\w.])(-?\d+)\s*/\s*(\d+)(?![\w/])")
_MARKED = (
    re.compile(r"####\s*([^\n]+)"),  # GSM8K
    re.compile(r"\\boxed\{([^{}]+)\}"),  # MATH
    re.compile(r"(?:final\s+)?answer\s*(?:is|:|=)\s*\**\s*:?\s*([^\n]+)", re.IGNORECASE),
)
_CHOSEN = (
    re.compile(r"(?:answer|choice|option)\s*(?:is|:|=)?\s*\**\s*:?\s*[\(\[]?([A-Z])\b", re.IGNORECASE),
    re.compile(r"\\boxed\{\s*\(?([A-Z])\)?\s*\}"),
    re.compile(r"^\W*([A-Z])(?:[).:,*\]]|\s*$)"),
    re.compile(r"[\(\[]([A-Z])[\)\]]"),
    re.compile(r"\*\*([A-Z])\*\*"),
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def number_in(text: str) -> float | None:
    """Return the number that a text comes to: what stands after `####`, in a box or after "the answer is", else the last."""
    for mark in _MARKED:
        for marked in reversed(mark.findall(text)):
            if (value := _first_number(marked)) is not None:
                return value
    values = _numbers(text)
    return values[-1] if values else None


def choice_in(text: str) -> str | None:
    """Return the letter that a text chooses (`B`, `(B)`, `The answer is B`), or None."""
    for form in _CHOSEN:
        if found := form.findall(text):
            last: str = found[-1]
            return last.upper()
    return None


def json_in(value: Any) -> Any:
    """Return the JSON that an answer holds, fences aside.

    Raises:
        ValueError: It holds none.
    """
    if not isinstance(value, str):
        return value
    fenced = _FENCE.search(value)
    try:
        return msgspec.json.decode((fenced[1] if fenced else value).encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None


def plain(text: str) -> str:
    """Return a text in lower case without punctuation, articles and runs of blanks, as SQuAD compares them."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def words(text: str) -> list[str]:
    """Return the plain words of a text."""
    return plain(text).split()


def _first_number(text: str) -> float | None:
    values = _numbers(text)
    return values[0] if values else None


def _numbers(text: str) -> list[float]:
    if fraction := _FRACTION.search(text):
        below = int(fraction[2])
        if below and fraction[0].strip() == text.strip():
            return [int(fraction[1]) / below]
    found = (
        match[0].replace("$", "").replace(",", "").replace("\u2212", "-") for match in _FOUND.finditer(text)
    )
    return [float(digits) for digits in found]
