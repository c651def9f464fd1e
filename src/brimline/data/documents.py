"""The JSON in an answer: models put code fences and kind words around it."""

import re
from collections.abc import Iterator

import msgspec

_FENCE = re.compile(r"```[A-Za-z]*[ \t]*\r?\n(.*?)```", re.DOTALL)
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What reading JSON raises; the last where it is nested too deep."""


def find_document(text: str) -> str:
    """Return the JSON in an answer: the text itself where it is JSON, or else the one object or array in it.

    That is all from the first brace to the last one, or from bracket to bracket where that is more; and where that is
    none, what a code fence holds. So of two documents none is taken, and nothing out of one that is cut off.

    Raises:
        ValueError: There is none; the words are for people and for the model.
    """
    problem = _problem(text)
    if problem is None:
        return text
    document = next(_candidates(text), None)
    if document is not None:
        return document
    raise ValueError(f"it is no JSON: {problem}")


def _candidates(text: str) -> Iterator[str]:
    spans = [text[text.find(first) : text.rfind(last) + 1] for first, last in ("{}", "[]")]
    readable = sorted((span for span in spans if span and _stands_alone(span, text)), key=len)
    if readable and readable[0] in readable[-1]:
        yield readable[-1]
    fenced = [block.strip() for block in _FENCE.findall(text)]
    if len(fenced) == 1 and _problem(fenced[0]) is None:
        yield fenced[0]


def _stands_alone(span: str, text: str) -> bool:
    """Whether a part of a text is JSON, and not within something that was opened before it."""
    before = text[: text.find(span)]
    is_within = any(before.count(first) > before.count(last) for first, last in ("{}", "[]"))
    return not is_within and _problem(span) is None


def _problem(text: str) -> str | None:
    """Say why a text is no JSON, or None if it is."""
    try:
        msgspec.json.decode(text)
    except UNREADABLE as error:
        return "it is nested too deep" if isinstance(error, RecursionError) else str(error)
    return None
