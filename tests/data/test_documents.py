"""JSON is found in what models write around it, and never made up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.data.documents import find_document

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc{}[]`"), inner, max_size=4),
    max_leaves=8,
)
CONTAINERS = st.lists(VALUES, max_size=4) | st.dictionaries(st.text("abc"), VALUES, max_size=4)
PROSE = st.text("Here is the answer: .,\n'", max_size=40)


def found(text):
    try:
        return find_document(text)
    except ValueError:
        return None


@given(VALUES, st.sampled_from(["", " ", "\n", "\r\n\t"]), st.sampled_from([None, 2]))
def test_a_valid_document_is_left_as_it_is(value, space, indent):
    text = space + json.dumps(value, indent=indent) + space
    assert find_document(text) == text


@given(CONTAINERS, PROSE, PROSE, st.sampled_from(["{}", "```json\n{}\n```", "```\n{}```", "**{}**"]))
def test_words_and_fences_around_it_are_taken_away(value, before, after, fence):
    text = before + fence.replace("{}", json.dumps(value)) + after
    assert json.loads(find_document(text)) == value


@given(st.text() | st.text('{}[]",:1a`\n', max_size=60))
def test_it_never_raises_anything_else_and_what_it_finds_is_json(text):
    document = found(text)
    if document is not None:
        json.loads(document)
        assert document in text


@given(CONTAINERS, st.data())
def test_what_is_cut_off_is_not_taken_for_whole(value, data):
    whole = json.dumps({"all": value, "end": 1})
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert found(cut) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON at all",
        '{"a": 1} or {"a": 2}',
        '{"a": 1}\n[1]',
        '{"items": [{"a": 1}, {"a": 2}',
        '{"items": [1, 2]',
        '[{"a": 1}',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1e999}',
        '"\\ud800"',
        "[" * 100_000,
        "{" * 100_000 + "}" * 100_000,
        '```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```',
    ],
)
def test_what_is_none_or_more_than_one_is_refused(text):
    assert found(text) is None


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('[Note] {"a": 1}', '{"a": 1}'),
        ('as in [1]:\n```json\n{"a": [2]}\n```', '{"a": [2]}'),
        ('Here: [{"a": 1}]', '[{"a": 1}]'),
        ('It fills {x}:\n```json\n{"a": 1}\n```', '{"a": 1}'),
        ("The answer:\n```json\n42\n```", "42"),
        ('{"code": "```js\\nf()\\n```"} is it', '{"code": "```js\\nf()\\n```"}'),
    ],
)
def test_the_right_one_is_found(text, document):
    assert found(text) == document
