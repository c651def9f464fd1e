"""Chat completions: what is sent, and what every kind of reply means. Nothing that comes back may raise."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.errors import ConfigError
from brimline.providers import PROVIDERS, find_provider
from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Fault, FaultKind, HttpReply, Request, Response, Secret, Usage
from tests.providers.replies import completion, reply
from tests.thorough import examples

PROVIDER = OpenAIChat()
HI = ({"role": "user", "content": "Hi"},)


def request(**more):
    return Request(**{"id": 0, "model": "lab/meta/llama", "messages": HI, **more})


def decode(body, status=200, **headers):
    return PROVIDER.decode(reply(status, body, **headers), request())


# What is sent.


def test_the_model_is_named_as_its_endpoint_knows_it_and_parameters_pass_through():
    sent = PROVIDER.encode(request(params={"temperature": 0, "extra": {"a": [1]}, "seed": 2**64}), ())
    assert sent.path == "/chat/completions"
    assert json.loads(sent.body) == {
        "model": "meta/llama",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0,
        "extra": {"a": [1]},
        "seed": 2**64,
    }


def test_a_later_turn_is_sent_with_the_whole_history():
    asked = request(follow_ups=("b?", "c?"))
    answers = (Response(text="a!"), Response(text=["b!", "other b!"]))
    roles = [(m["role"], m["content"]) for m in json.loads(PROVIDER.encode(asked, answers).body)["messages"]]
    assert roles == [("user", "Hi"), ("assistant", "a!"), ("user", "b?"), ("assistant", "b!"), ("user", "c?")]
    assert len(json.loads(PROVIDER.encode(asked, answers[:1]).body)["messages"]) == 3
    assert asked.messages == HI


def test_headers_carry_the_key_and_whose_account_it_is():
    assert PROVIDER.headers(None) == {"Content-Type": "application/json"}
    assert OpenAIChat({"organization": "o", "project": "p"}).headers(Secret("sk-1")) == {
        "Content-Type": "application/json",
        "Authorization": "Bearer sk-1",
        "OpenAI-Organization": "o",
        "OpenAI-Project": "p",
    }


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"model": "x"}, "model"),
        ({"messages": []}, "messages"),
        ({"stream": True}, "stream"),
        ({"stream": None}, "stream"),
    ],
)
def test_what_brimline_sets_itself_cannot_be_a_parameter(params, name):
    assert (
        PROVIDER.problem(request(params=params))
        == f"parameter '{name}' cannot be set; brimline sets it itself"
    )


@pytest.mark.parametrize("params", [{}, {"stream": False}, {"n": 3, "tools": []}])
def test_everything_else_can(params):
    assert PROVIDER.problem(request(params=params)) is None


def test_a_dialect_is_found_by_its_name():
    assert isinstance(find_provider("openai"), OpenAIChat)
    with pytest.raises(ConfigError, match=r"provider 'gopher' does not exist; there is .*openai"):
        find_provider("gopher")
    assert {"openai", "azure-openai", "mistral", "quart"} <= {*PROVIDERS}


# Answers.


def test_an_answer_with_all_that_belongs_to_it():
    body = completion("Hello", usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11})
    answer = decode(body, x_request_id="req_1")
    assert answer == Response(
        text="Hello",
        finish_reason="stop",
        usage=Usage(9, 2),
        model="x-2026",
        request_id="req_1",
        raw=json.dumps(body).encode(),
    )


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "text", "calls"),
    [
        ({"content": "a"}, "a", ()),
        ({"content": ""}, "", ()),
        ({"content": None}, "", ()),
        ({}, "", ()),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", ()),
        ({"content": "", "refusal": "I cannot."}, "I cannot.", ()),
        ({"content": "a", "refusal": None}, "a", ()),
        ({"content": None, "tool_calls": [CALL, CALL]}, "", (CALL, CALL)),
        ({"content": "a", "tool_calls": []}, "a", ()),
        ({"content": "a", "tool_calls": None}, "a", ()),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]}, "a", ()),
        ({"content": [{"type": "text", "text": "a"}, "b", {"type": "reference"}, 7, {"text": None}]}, "ab", ()),
        ({"content": []}, "", ()),
        ({"content": "a", "reasoning_content": "hm", "annotations": []}, "a", ()),
    ],
)  # fmt: skip
def test_every_form_of_a_message_has_a_text(message, text, calls):
    answer = decode(completion(message))
    assert (answer.text, answer.tool_calls) == (text, calls)


def test_several_choices_are_several_texts():
    assert decode(completion("a", {"content": None}, "c")).text == ["a", "", "c"]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        *((word, word) for word in ("stop", "length", "tool_calls", "of its own", None)),
        ("function_call", "tool_calls"),
        ("model_length", "length"),
        ("eos_token", "stop"),
    ],
)
def test_any_reason_to_stop_is_an_answer_also_without_text(reason, word):
    assert (
        decode(completion("", reason=reason)).text,
        decode(completion("a", reason=reason)).finish_reason,
    ) == ("", word)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("content_filter", "content_filter"),
        ("error", "server_error"),
        ("insufficient_system_resource", "overloaded"),
    ],
)
def test_what_broke_an_answer_off_is_a_fault_and_a_filter_where_there_is_no_text(reason, kind):
    fault = decode(completion({"content": None}, reason=reason))
    assert (fault.kind, fault.provider_code, fault.http_status) == (kind, reason, 200)
    half = decode(completion("half", reason=reason))
    assert half.text == "half" if kind == "content_filter" else half.kind == kind
    several = decode(completion("", "b", reason=reason))
    assert several.text == ["", "b"] if kind == "content_filter" else several.kind == kind


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(9, 2)),
        (
            {
                "prompt_tokens": 90,
                "completion_tokens": 20,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 8, "accepted_prediction_tokens": 0},
            },
            Usage(90, 20, 40, 5, 8),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": None}}, Usage(9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, Usage(9, 2, 4)),
        ({"prompt_tokens": 9, "total_tokens": 9}, Usage(9, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 7, 0, 0, 5),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 7, 0, 0, 5),
        ),
        ({"completion_tokens": 2}, Usage(0, 2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "queue_time": 0.5, "cost": 0.001}, Usage(9, 2)),
        ({"prompt_tokens": "9", "completion_tokens": 2.0}, Usage(9, 2)),
        (None, None),
        ({}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": 2**70, "completion_tokens": 2}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 2}, None),
        ({"prompt_tokens": "many"}, None),
        ([], None),
        ("none", None),
        (7, None),
    ],
)  # fmt: skip
def test_what_was_used_is_normalised_and_never_costs_the_answer(usage, used):
    answer = decode(completion("a", usage=usage))
    assert (answer.text, answer.usage) == ("a", used)


def test_usage_may_be_left_out():
    assert decode(completion("a")).usage is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b' \n\r\n\t {"choices":[{"message":{"content":"a"}}]}\n\n', "a"),
        (b'\xef\xbb\xbf{"choices":[{"message":{"content":"a"}}]}', "a"),
        (b'{"choices":[{"message":{"content":"cut \\ud83d"}}]}', "cut \ufffd"),
        (b'{"choices":[{"message":{"content":"\\ude00 \\ud83d\\ude00"}}]}', "\ufffd 😀"),
        (b'{"choices":[{"message":{"content":"cut \xf0\x9f\x98"}}]}', "cut \ufffd"),
        (b'{"choices":[{"message":{"content":"a\tb\nc"}}]}', "a\tb\nc"),
        (b'{"choices":[{"message":{"content":"a"},"logprobs":{"b":[NaN,-Infinity]}}]}', "a"),
        (b'{"choices":[{"message":{"content":"a"},"logprobs":{"b":[1e999]}}]}', "a"),
        (b'{"choices":[{"message":{"content":"a"}}],"model":7,"id":null,"usage":{"prompt_tokens":NaN}}', "a"),
        (b'{"choices":[{"message":{"content":"a"},"finish_reason":7}]}', "a"),
        (b'{"choices":[{"message":{"content":"a"}}],"choices":[{"message":{"content":"b"}}]}', "b"),
        (b'{"choices":[{"message":{"content":"a\\u0000"}}],"error":null}', "a\0"),
        (b'{"choices":[{"message":{"content":"a"}}],"error":{}}', "a"),
    ],
)
def test_an_answer_that_was_paid_for_is_read_however_it_is_written(body, text):
    answer = decode(body)
    assert answer.text == text
    assert answer.raw == body
    msgspec.json.encode((answer.text, answer.model, answer.finish_reason))


@pytest.mark.parametrize("status", [200, 201, 202, 206])
def test_any_status_of_success_may_carry_an_answer(status):
    assert decode(completion("a"), status).text == "a"


def test_a_request_id_that_is_no_unicode_can_be_written_down():
    assert decode(completion("a"), x_request_id="r\udcff").request_id == "r\ufffd"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the reply is no chat completion"),
        (b"<html>OK</html>", "the reply is no chat completion"),
        (b'{"choices":[{"message":{"content":"a', "the reply is no chat completion"),
        (b'data: {"choices":[]}\n\n', "the reply is no chat completion"),
        (b"null", "the reply is no chat completion"),
        (b"[]", "the reply is no chat completion"),
        (b'{"choices":{}}', "the reply is no chat completion"),
        (b'{"choices":[null]}', "the reply is no chat completion"),
        (b'{"choices":[{"message":"a"}]}', "the reply is no chat completion"),
        (b'{"choices":[{"message":{"content":7}}]}', "the reply is no chat completion"),
        (b"[" * 200_000, "the reply is no chat completion"),
        (b"9" * 5000, "the reply is no chat completion"),
        (b"{}", "the reply holds no choices"),
        (b'{"choices":null}', "the reply holds no choices"),
        (b'{"choices":[]}', "the reply holds no choices"),
        (b'{"choices":[{}]}', "a choice of the reply holds no message"),
        (
            b'{"choices":[{"message":{"content":"a"}},{"message":null}]}',
            "a choice of the reply holds no message",
        ),
        (b'{"choices":[{"text":"a"}]}', "a choice of the reply holds no message"),
    ],
)
def test_a_success_that_cannot_be_read_is_a_bad_reply(body, why):
    fault = decode(body)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (FaultKind.BAD_REPLY, 200)
    assert fault.detail.startswith(why)


# Anything at all.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "code", "type", "details", "detail", "metadata", "choices", "content", "usage",
             "tool_calls", "refusal", "violations", "quotaId", "retryDelay", "prompt_tokens", "finish_reason", "text"]
        ) | st.text(max_size=3),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip
statuses = st.sampled_from([200, 200, 200, 201, 301, 400, 402, 403, 422, 429, 429, 500, 503]) | st.integers(
    100, 999
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "location", "x-request-id"]),
    st.text(st.characters(), max_size=12) | st.sampled_from(["5", "1s", "Wed, 21 Oct 2026 07:28:00 -0000", "\udcff"]),
)  # fmt: skip


@given(statuses, st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()), headers)
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body, given_headers):
    result = PROVIDER.decode(HttpReply(status, CIMultiDict(given_headers), body), request())
    if isinstance(result, Fault):
        assert isinstance(result.kind, FaultKind)
        assert result.http_status == status
        assert result.retry_after is None or result.retry_after > 0
        msgspec.json.encode((result.detail, result.provider_code, result.dimension))
    else:
        assert 200 <= status < 300
        msgspec.json.encode((
            result.text,
            result.finish_reason,
            result.model,
            result.request_id,
            result.tool_calls,
        ))
        assert all(
            isinstance(text, str) for text in ([result.text] if isinstance(result.text, str) else result.text)
        )


messages = st.fixed_dictionaries(
    {}, optional={"content": json_values, "refusal": json_values, "tool_calls": json_values}
)


@examples(60)
@given(
    st.lists(
        json_values | st.fixed_dictionaries({"message": messages, "finish_reason": json_values}), max_size=2
    )
)
def test_no_choices_break_the_decoder(choices):
    result = PROVIDER.decode(reply(200, {"choices": choices}), request())
    assert isinstance(result, Response | Fault)


@pytest.mark.parametrize("depth", [*range(100, 1200, 37), 5_000, 200_000])
def test_no_depth_breaks_it_either(depth):
    for status in (200, 400):
        for body in (b"[" * depth + b"]" * depth, b'{"error":' * depth + b"1" + b"}" * depth):
            decode(body, status)
        message = b'{"error":{"message":' + b"[" * depth + b"]" * depth + b"}}"
        decode(message, status)
