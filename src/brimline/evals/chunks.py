"""A text in chunks of bounded size, cut where a reader would pause: between paragraphs, sentences, words."""

import re
from collections.abc import Iterator

_BORDERS = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile("(?<=[.!?\u2026])[\"'\u201d\u2019)\\]]*\\s+|(?<=[\u3002\uff01\uff1f])|\n"),
    re.compile(r"\s+"),
)
"""Where a text is cut: between paragraphs; sentences or lines; words."""


def chunks(text: str, size: int) -> list[str]:
    """Return a text in pieces of at most `size` characters, without the blanks between them; none of a blank text.

    Neighbours go together as long as they fit; what is too long between two borders of one kind is cut at those of the
    next, and a word that is too long anywhere.
    """
    pieces: list[str] = []
    begin = end = 0
    for first, last in _spans(text, 0, len(text), size, 0):
        if end > begin and last - begin > size:
            pieces.append(text[begin:end])
            begin = first
        elif begin == end:
            begin = first
        end = last
    if end > begin:
        pieces.append(text[begin:end])
    return pieces


def _spans(text: str, begin: int, end: int, size: int, level: int) -> Iterator[tuple[int, int]]:
    """Yield where pieces of a part of the text begin and end; each fits."""
    if end - begin <= size:
        if text[begin:end].strip():
            yield _stripped(text, begin, end)
        return
    if level == len(_BORDERS):
        for place in range(begin, end, size):
            yield place, min(place + size, end)
        return
    start = begin
    for border in _BORDERS[level].finditer(text, begin, end):
        if border.start() >= start:
            yield from _spans(text, start, _sentence_end(border), size, level + 1)
            start = border.end()
    yield from _spans(text, start, end, size, level + 1)


def _sentence_end(border: re.Match[str]) -> int:
    """Return where the text before a border ends; quotes and brackets that close a sentence belong to it."""
    return border.start() + len(border[0].rstrip())


def _stripped(text: str, begin: int, end: int) -> tuple[int, int]:
    part = text[begin:end]
    return begin + len(part) - len(part.lstrip()), begin + len(part.rstrip())
