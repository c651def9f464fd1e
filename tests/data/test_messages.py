"""What a row gives as its prompt, in every form that people write, as messages."""

import pytest

from brimline.data.media import Media
from brimline.data.messages import Prompt, PromptError, read_prompt, user, with_system

SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.fixture
def media(tmp_path):
    return Media(tmp_path)


def test_a_string_is_one_user_message(media):
    assert read_prompt("Hi", media) == Prompt(({"role": "user", "content": "Hi"},))
    assert read_prompt(" ", media).messages == (user(" "),)


def test_a_list_of_strings_is_a_conversation(media):
    assert read_prompt(["a", "b", "c"], media) == Prompt((user("a"),), ("b", "c"))
    assert read_prompt(["a"], media) == Prompt((user("a"),))


def test_messages_are_kept_with_whatever_else_they_hold(media):
    messages = [
        SYSTEM,
        {"role": "developer", "content": "x"},
        {"role": "user", "content": "a", "name": "bob"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
        {"role": "assistant", "function_call": {"name": "f"}},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "user", "content": []},
    ]
    assert read_prompt(messages, media) == Prompt(tuple(messages))


def test_parts_of_a_content_may_be_plain_strings_or_stand_alone(media):
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    text = {"type": "text", "text": "b"}
    read = read_prompt(
        [{"role": "user", "content": ["a", audio, text]}, {"role": "user", "content": text}], media
    )
    assert read.messages[0]["content"] == [{"type": "text", "text": "a"}, audio, text]
    assert read.messages[1]["content"] == [text]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "the prompt is empty"),
        (None, "the prompt is empty"),
        ([], "the prompt is empty"),
        ({}, "the prompt is empty"),
        (0, "the prompt is empty"),
        (False, "the prompt is empty"),
        (["a", ""], "a turn of the prompt is empty"),
        ([""], "a turn of the prompt is empty"),
        (7, "the prompt is neither a string, nor a list of strings, nor a list of messages"),
        ({"role": "user", "content": "a"}, "the prompt is neither"),
        (["a", user("b")], "the prompt is neither"),
        ([user("b"), None], "the prompt is neither"),
        ([["a"]], "the prompt is neither"),
        ([{}], "a message has the role None; roles are system, developer, user, assistant, tool, function"),
        ([{"role": "model", "content": "a"}], "a message has the role 'model'"),
        ([{"role": ["user"], "content": "a"}], "a message has the role"),
        ([{"role": "user"}], "a message has no content"),
        ([{"role": "user", "parts": "a"}], "a message has no content"),
        ([{"role": "user", "content": None}], "a message has no content"),
        ([{"role": "user", "content": 5}], "a message's content is int, not text or a list of parts"),
        ([{"role": "user", "content": [5]}], "a content part is neither a string nor an object with a type"),
        ([{"role": "user", "content": [{"text": "a"}]}], "a content part is neither"),
        ([{"role": "user", "content": {}}], "a content part is neither"),
    ],
)
def test_what_is_no_prompt_says_why(value, reason, media):
    with pytest.raises(PromptError) as refused:
        read_prompt(value, media)
    assert str(refused.value).startswith(reason)


def test_a_system_message_goes_first_unless_there_is_one():
    assert with_system((user("a"),), "Be brief.") == (SYSTEM, user("a"))
    for role in ("system", "developer"):
        messages = (user("a"), {"role": role, "content": "own"})
        assert with_system(messages, "Be brief.") == messages
