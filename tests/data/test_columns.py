"""Columns of results: found by name, dotted or not, and typed by what was seen."""

import pytest

from brimline.data.columns import MISSING, Kind, all_columns, chosen_columns, find, kind_of
from brimline.errors import ConfigError

ROW = {
    "text": "hi",
    "a.b": 1,
    "a": {"b": 2, "c.d": 3, "e": {"f": None}},
    "list": [{"x": 5}, [6]],
    "": {"": 7},
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "hi"),
        ("a.b", 1),
        ("a.c.d", 3),
        ("a.e", {"f": None}),
        ("a.e.f", None),
        ("list.0.x", 5),
        ("list.1.0", 6),
        ("list.1", [6]),
        (".", 7),
        ("text.length", MISSING),
        ("a.e.f.g", MISSING),
        ("list.2", MISSING),
        ("list.-1", MISSING),
        ("list.x", MISSING),
        ("other", MISSING),
        ("a.", MISSING),
    ],
)
def test_a_name_leads_to_a_member(name, value):
    assert find(ROW, name) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Kind.NOTHING), (True, Kind.TRUTH), (0, Kind.WHOLE), (-(2**63), Kind.WHOLE), (2**63, Kind.OTHER),
        (0.0, Kind.NUMBER), ("", Kind.TEXT), ([], Kind.OTHER), ({}, Kind.OTHER),
    ],
)  # fmt: skip
def test_a_value_has_a_kind(value, kind):
    assert kind_of(value) is kind


def test_all_columns_are_the_inputs_own_then_those_of_the_results_in_their_order():
    rows = [
        {"text": 1, "id": 0, "response": "a", "key": "k"},
        {"label": None, "id": 1.5, "tool_calls": [], "key": "k"},
    ]
    columns = all_columns(rows, ("response", "tool_calls", "raw", "key"))
    assert [(column.name, column.kind) for column in columns] == [
        ("text", Kind.WHOLE),
        ("id", Kind.WHOLE | Kind.NUMBER),
        ("label", Kind.NOTHING),
        ("response", Kind.TEXT),
        ("tool_calls", Kind.OTHER),
        ("key", Kind.TEXT),
    ]


def test_chosen_columns_are_those_in_that_order():
    columns = chosen_columns([{"b": {"c": 1}}, {"a": None}], ["b.c", "a"], ())
    assert [(column.name, column.kind, column.of({"a": 5, "b": 1})) for column in columns] == [
        ("b.c", Kind.WHOLE, None),
        ("a", Kind.NOTHING, 5),
    ]


@pytest.mark.parametrize("name", ["c", "b.d", "b.c.d"])
def test_a_name_that_no_line_has_is_an_error_that_says_what_there_is(name):
    with pytest.raises(ConfigError, match=rf"no line has '{name}'\n  There are: b, a; a dot leads into them"):
        chosen_columns([{"b": {"c": 1}}, {"a": None}], ["a", name], ())
    (column,) = chosen_columns([{"b": {"c": 1}}], [name], {name})
    assert column.of({"b": None}) is None


def test_a_name_given_twice_is_an_error():
    with pytest.raises(ConfigError, match="'a' is given twice"):
        chosen_columns([{"a": 1}], ["a", "b", "a"], ())


def test_where_there_are_no_rows_any_name_will_do():
    assert [column.name for column in chosen_columns([], ["a"], ())] == ["a"]
