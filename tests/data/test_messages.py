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
        ([{"role": "robot", "content": "a"}], "a message has the role 'robot'"),
        ([{"role": ["user"], "content": "a"}], "a message has the role"),
        ([{"role": "user"}], "a message has no content"),
        ([{"role": "user", "parts": None}], "a message has no content"),
        ([{"role": "user", "parts": 5}], "a message's content is int"),
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


# Other dialects' forms.

URI = "https://generativelanguage.googleapis.com/v1beta/files/abc"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"role": "model", "parts": "a"}, [{"role": "assistant", "content": "a"}]),
        ({"role": "model", "content": "a"}, [{"role": "assistant", "content": "a"}]),
        ({"role": "user", "parts": ["a", {"text": "b"}]}, [{"role": "user", "content": ["a", "b"]}]),
        ({"role": "user", "parts": {"type": "text", "media": "a"}}, [{"role": "user", "content": ["a"]}]),
        ({"role": "user", "parts": [{"type": "text", "text": "a"}]}, [{"role": "user", "content": ["a"]}]),
        (
            {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]},
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]}],
        ),
        (
            {"role": "user", "parts": [{"inline_data": {"mime_type": "audio/wav", "data": "UklG"}}]},
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]}],
        ),
        (
            {"role": "user", "parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}, "videoMetadata": {"fps": 1}}]},
            [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:video/mp4;base64,AAAA"}, "videoMetadata": {"fps": 1}}]}],
        ),
        (
            {"role": "user", "parts": [{"fileData": {"fileUri": URI, "mimeType": "video/mp4"}}, {"file_data": {"file_uri": URI}}]},
            [{"role": "user", "content": [{"type": "file", "file": {"file_id": URI, "mime_type": "video/mp4"}}, {"type": "file", "file": {"file_id": URI}}]}],
        ),
        (
            {"role": "user", "parts": [{"type": "video", "media": "gone.mp4", "uploaded_filename": "files/abc"}]},
            [{"role": "user", "content": [{"type": "file", "file": {"file_id": "files/abc"}}]}],
        ),
        (
            {"role": "user", "parts": [{"type": "uri", "media": "gs://b/a.pdf", "mime_type": "application/pdf"}]},
            [{"role": "user", "content": [{"type": "file", "file": {"file_data": "gs://b/a.pdf", "mime_type": "application/pdf"}}]}],
        ),
        (
            {"role": "user", "parts": [{"type": "image", "media": "https://h/a.png"}]},
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}]}],
        ),
        ({"role": "user", "parts": [{"executableCode": {"code": "1"}}]}, [{"role": "user", "content": [{"executableCode": {"code": "1"}}]}]),
        (
            {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}, "cache_control": {"type": "ephemeral"}}]},
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}, "cache_control": {"type": "ephemeral"}}]}],
        ),
        (
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}]},
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}]}],
        ),
        (
            {"role": "user", "content": [{"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, "citations": {"enabled": True}}]},
            [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "T"}, "citations": {"enabled": True}}]}],
        ),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://h/a.pdf"}}]},
            [{"role": "user", "content": [{"type": "file", "file": {"file_data": "https://h/a.pdf"}}]}],
        ),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}]},
            [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}]}],
        ),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}]},
            [{"role": "assistant", "content": ["a"], "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]}],
        ),
        (
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f"}]},
            [{"role": "assistant", "content": None, "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}],
        ),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": ["1"], "is_error": True}, {"type": "tool_result", "tool_use_id": "u"}, "And?"]},
            [
                {"role": "tool", "tool_call_id": "t", "content": ["1"], "is_error": True},
                {"role": "tool", "tool_call_id": "u", "content": ""},
                {"role": "user", "content": ["And?"]},
            ],
        ),
    ],
)  # fmt: skip
def test_other_dialects_messages_become_canonical(given, read, media):
    def spelled(message):
        content = message["content"]
        if isinstance(content, list):
            content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
        return {**message, "content": content}

    assert list(read_prompt([given], media).messages) == [spelled(message) for message in read]


def test_geminis_calls_and_results_belong_together_also_without_ids(media):
    call = {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "s"}
    result = {"functionResponse": {"name": "f", "response": {"y": 2}}}
    named = {"function_response": {"name": "g", "response": {}, "id": "mine"}}
    asked, *results = read_prompt(
        [{"role": "model", "parts": [call, {"function_call": {"name": "g", "id": "mine"}}]}, {"role": "user", "parts": [result, named]}],
        media,
    ).messages  # fmt: skip
    assert asked == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": '{"x":1}'},
                "extra_content": {"google": {"thought_signature": "s"}},
            },
            {"id": "mine", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert results == [
        {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": '{"y":2}'},
        {"role": "tool", "tool_call_id": "mine", "name": "g", "content": "{}"},
    ]
