"""Requests that are not well formed get the 400 that OpenAI would send."""

import msgspec
import pytest

from brimline.sim import conversation_key, count_tokens
from brimline.sim.chat import Chat, digest
from brimline.sim.dialect import Letterhead
from brimline.sim.dialects.openai_chat import OpenAIChat
from brimline.sim.dialects.openai_intake import read_chat

USER = [{"role": "user", "content": "hi"}]
FUNCTION = {"type": "function", "function": {"name": "f"}}


def body(**members):
    return msgspec.json.encode({"model": "m", "messages": USER} | members)


@pytest.mark.parametrize(
    ("sent", "message", "code", "param"),
    [
        (b"", "We could not parse the JSON body", None, None),
        (b"{", "We could not parse the JSON body", None, None),
        (b"[]", "We could not parse the JSON body", None, None),
        (b'{"model": "\xff", "messages": []}', "We could not parse the JSON body", None, None),
        (b"{}", "you must provide a model parameter", None, None),
        (
            b'{"model": "m"}',
            "Missing required parameter: 'messages'.",
            "missing_required_parameter",
            "messages",
        ),
        (
            body(model=1),
            "Invalid type for 'model': expected a string, but got an integer",
            "invalid_type",
            "model",
        ),
        (body(messages=[]), "Invalid 'messages': empty array.", "empty_array", "messages"),
        (body(messages="hi"), "expected an array, but got a string", "invalid_type", "messages"),
        (
            body(messages=[{"role": "boss", "content": ""}]),
            "Invalid value: 'boss'.",
            "invalid_value",
            "messages[0].role",
        ),
        (
            body(messages=[{"content": ""}]),
            "'messages[0].role'.",
            "missing_required_parameter",
            "messages[0].role",
        ),
        (
            body(messages=[{"role": "user"}]),
            "expected a string, got null",
            "invalid_type",
            "messages[0].content",
        ),
        (body(n=0), "Invalid 'n': beyond the minimum value.", "integer_below_min_value", "n"),
        (body(max_tokens="5"), "expected an integer, but got a string", "invalid_type", "max_tokens"),
        (body(temperature=3), "Expected a value <= 2.0", "decimal_above_max_value", "temperature"),
        (body(tool_choice=FUNCTION), "Tool choice 'f' not found", "invalid_value", "tool_choice"),
    ],
)
def test_a_bad_request_gets_the_true_error(sent, message, code, param):
    words = OpenAIChat().error(Letterhead(1, 0), read_chat(sent))
    error = msgspec.json.decode(words.body)["error"]
    assert message in error.pop("message")
    assert (words.status, error) == (400, {"type": "invalid_request_error", "code": code, "param": param})


@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "https://example.com/a.png"])
def test_images_are_accepted_and_text_parts_are_joined(url):
    parts = [
        {"type": "text", "text": "what is"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "this?"},
    ]
    chat = read_chat(body(messages=[{"role": "user", "content": parts}]))
    assert isinstance(chat, Chat)
    assert chat.prompt == "what is\nthis?"


def test_an_image_that_is_a_path_is_refused():
    parts = [{"type": "image_url", "image_url": {"url": "cat.png"}}]
    error = read_chat(body(messages=[{"role": "user", "content": parts}]))
    assert error.code == "invalid_image_url"


def test_a_schema_that_is_none_is_refused():
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "array", "minItems": "x"}}}
    assert read_chat(body(response_format=form)).param == "response_format"


@pytest.mark.parametrize(
    ("schema", "place", "flaw"),
    [
        ({"type": "object", "properties": {}}, "()", "'additionalProperties' is required"),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            "()",
            "including every key in properties. Missing 'a'",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {"type": "object"}}},
                "required": ["a"],
                "additionalProperties": False,
            },
            "('properties', 'a', 'items')",
            "'additionalProperties' is required",
        ),
    ],
)
def test_strictness_wants_closed_objects_and_every_property(schema, place, flaw):
    def ask(*, strict):
        form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": strict}}
        tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": strict}}
        return read_chat(body(response_format=form)), read_chat(body(tools=[tool]))

    for error in ask(strict=True):
        assert f"In context={place}, " in error.message
        assert flaw in error.message
    assert all(isinstance(chat, Chat) for chat in ask(strict=False))


def test_parameters_that_change_nothing_are_ignored():
    assert isinstance(read_chat(body(top_k=5, seed=1, user="me", reasoning_effort="low")), Chat)


def test_the_key_of_a_conversation_is_canonical():
    spaced = b'{"messages": [ {"content":"hi",  "role":"user", "x": 1} ], "model":"m"}'
    assert digest(read_chat(spaced).messages) == conversation_key(USER)
    assert conversation_key(USER) != conversation_key([{"role": "user", "content": "hi "}])


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ää", 1), ("äää", 2)]
)
def test_four_bytes_are_a_token(text, tokens):
    assert count_tokens(text) == tokens
