"""What is answered: derived from the conversation, cut, formatted, replayed."""

import random

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sim.chat import Chat, digest
from brimline.sim.replay import Recorded, Replay
from brimline.sim.replies import compose, cut
from brimline.sim.sample import sample
from brimline.sim.scenario import Scenario

USER = [{"role": "user", "content": "how are you?"}]


def ask(messages=USER, words=None, recorded="", **parameters):
    chat = msgspec.convert({"model": "m", "messages": messages} | parameters, Chat)
    model = Scenario.make(models={"*": words or {}}).model("m")
    return compose(chat, digest(chat.messages), model, random.Random(1), recorded)


def texts(answer):
    return [choice.text for choice in answer.choices]


def test_an_echo_shows_a_mix_up():
    assert texts(ask()) == ["echo: how are you?"]
    assert texts(ask(n=3)) == ["echo: how are you?", "echo: how are you? [1]", "echo: how are you? [2]"]


def test_an_answer_depends_on_the_whole_conversation():
    longer = [*USER, {"role": "assistant", "content": "well"}, {"role": "user", "content": "how are you?"}]
    [first], [second] = texts(ask(words={"reply": "answer"})), texts(ask(longer, {"reply": "answer"}))
    assert first == texts(ask(words={"reply": "answer"}))[0] != second
    assert second.endswith("to turn 2.")


@given(st.integers(0, 300))
def test_lorem_has_exactly_the_tokens_asked_for(tokens):
    answer = ask(words={"reply": "lorem", "output_tokens": tokens})
    assert answer.usage.output_tokens == tokens


@given(st.text(max_size=60), st.integers(1, 20))
def test_max_tokens_cuts_and_says_so(text, limit):
    answer = ask([{"role": "user", "content": text}], max_tokens=limit)
    [choice] = answer.choices
    assert choice.tokens <= limit
    assert f"echo: {text}".startswith(choice.text)
    assert choice.finish == ("stop" if choice.text == f"echo: {text}" else "length")


def test_max_completion_tokens_comes_first():
    assert ask(max_tokens=5, max_completion_tokens=1).usage.output_tokens == 1


def test_usage_counts_every_message_and_every_answer():
    messages = [{"role": "system", "content": "abcd"}, {"role": "user", "content": "abcde"}]
    usage = ask(messages, n=2).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total) == (3, 3 + 4, 10)


@given(st.text(), st.integers(0, 10))
def test_a_cut_never_splits_a_character(text, tokens):
    assert text.startswith(cut(text, tokens))


TOOLS = [
    {
        "type": "function",
        "function": {"name": "search", "parameters": {"properties": {"query": {"type": "string"}}}},
    },
    {"type": "function", "function": {"name": "stop"}},
]


def test_a_required_tool_is_called_with_json_text():
    [choice] = ask(tools=TOOLS, tool_choice="required").choices
    assert (choice.text, choice.finish, choice.call.name) == (None, "tool_calls", "search")
    assert msgspec.json.decode(choice.call.arguments) == {"query": "echo: how are you?"}


def test_a_named_tool_is_called_and_ends_with_stop():
    [choice] = ask(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "stop"}}).choices
    assert (choice.finish, choice.call.name, choice.call.arguments) == ("stop", "stop", "{}")


def test_tools_left_to_the_model_are_not_called():
    assert texts(ask(tools=TOOLS, tool_choice="auto")) == ["echo: how are you?"]


def test_json_mode_gives_an_object():
    [text] = texts(ask(response_format={"type": "json_object"}))
    assert msgspec.json.decode(text) == {"text": "echo: how are you?"}


def test_a_schema_is_followed():
    schema = {"type": "object", "properties": {"mood": {"type": "string"}, "score": {"type": "integer"}}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    [text] = texts(ask(response_format=form))
    assert msgspec.json.decode(text) == {"mood": "echo: how are you?", "score": 1}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 5}, 5),
        ({"type": ["string", "null"]}, "text"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"allOf": [{"type": "object"}, {"properties": {"a": {"type": "boolean"}}}]}, {"a": True}),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "minLength": 6, "maxLength": 6}, "text.."),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "minimum": 0, "maximum": 0.5}, 0.25),
        ({"type": "number", "minimum": 5}, 6.0),
        ({"type": "number", "maximum": -5}, -6.0),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}, None),
        (True, "text"),
        ({"type": "unheard of"}, "text"),
    ],
)
def test_a_sample_fits_its_schema(schema, value):
    assert sample(schema, "text") == value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "multipleOf": 5, "minimum": 7},
        {"type": "number", "multipleOf": 0.5, "minimum": 0.6},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True},
        {
            "type": "array",
            "items": {"properties": {"n": {"type": "integer"}}},
            "minItems": 2,
            "uniqueItems": True,
        },
        {"type": "array", "maxItems": 0},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "maxItems": 2},
        {"type": "array", "contains": {"const": 5}},
        {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
        {"type": "string", "pattern": r"^(yes|no)\s[^a-z\d]?\w+@[^@]*\.com$"},
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "null"}},
            "maxProperties": 1,
        },
        {
            "allOf": [{"$ref": "#/$defs/a"}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}],
            "$defs": {"a": {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}},
        },
    ],
)
def test_a_sample_is_valid(schema):
    jsonschema.Draft202012Validator(schema).validate(sample(schema, "echo: hi"))


def test_a_pattern_that_is_none_changes_nothing():
    assert sample({"type": "string", "pattern": "("}, "text") == "text"


def test_a_recursive_schema_ends():
    tree = {"type": "object", "properties": {"left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
    assert "left" in sample(tree, "text")
    assert sample({"$ref": "#"}, "text") == "text"


def test_a_replay_answers_each_turn_of_a_conversation():
    replay = Replay("r.jsonl")
    replay.add(Recorded(["one", "two"], ["1", "2"]))
    turns = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
    ]
    assert replay.find(msgspec.convert({"model": "m", "messages": turns[:1]}, Chat)) == "1"
    assert replay.find(msgspec.convert({"model": "m", "messages": turns}, Chat)) == "2"
    assert replay.find(msgspec.convert({"model": "m", "messages": turns[2:]}, Chat)) is None


def test_a_replay_prefers_the_model_that_was_recorded(tmp_path):
    rows = [
        {"prompt": "hi", "response": "from a", "model_name": "a"},
        {
            "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}],
            "response": "from b",
            "model_name": "b",
        },
        {"prompt": "failed", "response": None},
    ]
    file = tmp_path / "r.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    replay = Replay.load(str(file))
    chats = [
        msgspec.convert({"model": name, "messages": [{"role": "user", "content": "hi"}]}, Chat)
        for name in "abc"
    ]
    assert [replay.find(chat) for chat in chats] == ["from a", "from b", "from a"]


def test_a_bad_row_of_a_replay_is_named(tmp_path):
    file = tmp_path / "r.jsonl"
    file.write_text('{"prompt": "a", "response": "b"}\n{"prompt": 1}\n')
    with pytest.raises(ValueError, match=r"r\.jsonl:2: expected prompt and response"):
        Replay.load(str(file))
