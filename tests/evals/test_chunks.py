"""Texts are cut where a reader would pause, and nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.evals.chunks import chunks


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("", 10, []),
        (" \n ", 10, []),
        ("short", 10, ["short"]),
        ("One. Two.\n\nThree.", 100, ["One. Two.\n\nThree."]),
        ("One. Two.\n\nThree.", 10, ["One. Two.", "Three."]),
        ("One. Two. Three.", 10, ["One. Two.", "Three."]),
        ('He said "No." She left.', 14, ['He said "No."', "She left."]),
        ("a line\nanother line", 12, ["a line", "another line"]),
        ("one two three", 7, ["one two", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("短い文。次の文。", 4, ["短い文。", "次の文。"]),
        (
            "A first paragraph.\n\nShort.\n\nAnd a third one.",
            28,
            ["A first paragraph.\n\nShort.", "And a third one."],
        ),
    ],
)
def test_where_a_text_is_cut(text, size, expected):
    assert chunks(text, size) == expected


@given(st.text(alphabet="ab .!?\n\"'。", max_size=200), st.integers(1, 40))
def test_nothing_is_lost_and_everything_fits(text, size):
    pieces = chunks(text, size)
    assert all(0 < len(piece) <= size for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    place = 0
    for piece in pieces:
        place = text.index(piece, place) + len(piece)
