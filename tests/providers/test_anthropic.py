"""Anthropic's Messages: what is sent, and what every kind of reply means. Nothing that comes back may raise."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.providers import StreamingProvider
from brimline.providers.anthropic import Anthropic
from brimline.providers.anthropic_schema import sendable
from brimline.types import Advert, Fault, FaultKind, HttpReply, Operation, Request, Response, Secret, Usage
from tests.providers.replies import events, feed, reply
from tests.thorough import examples

PROVIDER = Anthropic()
HI = {"role": "user", "content": "Hi"}
SECOND = 10**9


def request(*messages, **more):
    return Request(**{"id": 0, "model": "anthropic/claude-x", "messages": messages or (HI,), **more})


def sent(*messages, responses=(), **more):
    asked = request(*messages, **more)
    assert PROVIDER.problem(asked) is None
    return json.loads(PROVIDER.encode(asked, responses).body)


def said(*messages):
    return sent(*messages)["messages"]


# What is sent.


def test_a_request_names_its_model_and_how_long_the_answer_may_be():
    encoded = PROVIDER.encode(request(), ())
    assert encoded.path == "/v1/messages"
    assert json.loads(encoded.body) == {"model": "claude-x", "max_tokens": 4096, "messages": [HI]}
    streamed = PROVIDER.encode_stream(request(), ())
    assert json.loads(streamed.body) == {**json.loads(encoded.body), "stream": True}
    assert isinstance(PROVIDER, StreamingProvider)


def test_headers_carry_the_key_and_the_version():
    assert PROVIDER.headers(Secret("sk-1")) == {
        "Content-Type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-1",
    }
    newer = Anthropic({"version": "2026-10-21", "beta": "files-api-2025-04-14"}).headers(None)
    assert (newer["anthropic-version"], newer["anthropic-beta"]) == ("2026-10-21", "files-api-2025-04-14")


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9, "max_tokens": 8}, {"max_tokens": 9}),
        ({"max_tokens": 0}, {"max_tokens": 0}),
        ({"max_tokens": None}, {"max_tokens": 4096}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 6000}},
            {"thinking": {"type": "enabled", "budget_tokens": 6000}, "max_tokens": 10096},
        ),
        ({"temperature": 1, "top_p": 0.5, "top_k": 3}, {"temperature": 1, "top_p": 0.5, "top_k": 3}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"stop_sequences": ["x"]}, {"stop_sequences": ["x"]}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"system": "Be brief."}, {"system": "Be brief."}),
        ({"service_tier": "auto", "metadata": {"user_id": "u"}}, {"service_tier": "auto", "metadata": {"user_id": "u"}}),
        ({"n": 1, "logprobs": False, "top_logprobs": 0, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "stream": False}, {"stream": False}),
        ({"seed": None, "n": None}, {}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        ({"reasoning_effort": "xhigh"}, {"output_config": {"effort": "xhigh"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"output_config": {"effort": "max"}}, {"output_config": {"effort": "max"}}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}, "reasoning_effort": "low"},
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}, "effort": "low"}},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": True, "parameters": {"type": "object"}}}]},
            {"tools": [{"name": "f", "description": "d", "strict": True, "input_schema": {"type": "object"}}]},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search_20250305", "name": "web_search"}]},
            {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}, {"type": "web_search_20250305", "name": "web_search"}]},
        ),
        ({"tools": []}, {}),
        ({"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": {"type": "tool", "name": "f"}}),
        ({"tool_choice": {"type": "tool", "name": "f"}}, {"tool_choice": {"type": "tool", "name": "f"}}),
        (
            {"tools": [{"name": "f", "input_schema": {}}], "parallel_tool_calls": False},
            {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"parallel_tool_calls": False}, {}),
    ],
)  # fmt: skip
def test_common_parameters_have_their_own_names_and_own_ones_pass(params, body):
    assert sent(params=params) == {"model": "claude-x", "max_tokens": 4096, "messages": [HI], **body}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"n": 2}, "parameter 'n' does not exist for Anthropic"),
        ({"seed": 0}, "parameter 'seed' does not exist for Anthropic"),
        ({"logprobs": True}, "parameter 'logprobs' does not exist"),
        ({"top_logprobs": 3}, "parameter 'top_logprobs' does not exist"),
        ({"logit_bias": {"5": 1}}, "parameter 'logit_bias' does not exist"),
        ({"presence_penalty": 0.1}, "parameter 'presence_penalty' does not exist"),
        ({"frequency_penalty": -1}, "parameter 'frequency_penalty' does not exist"),
        ({"response_format": {"type": "json_object"}}, "writes JSON only after a schema"),
        ({"response_format": "json"}, "parameter 'response_format' is neither"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort 'extreme' is none of none, minimal"),
        ({"reasoning_effort": []}, "reasoning_effort"),
        ({"tools": {}, "x": 1}, None),
        ({"tools": "f"}, "parameter 'tools' is no list"),
        ({"tool_choice": "sometimes"}, "tool_choice 'sometimes' is none of auto, required"),
        ({"model": "x"}, "parameter 'model' cannot be set"),
        ({"messages": []}, "parameter 'messages' cannot be set"),
        ({"stream": True}, "parameter 'stream' cannot be set"),
    ],
)
def test_what_cannot_be_said_is_a_problem_before_anything_is_sent(params, problem):
    found = PROVIDER.problem(request(params=params))
    assert (found is None) if problem is None else (problem in found)


def test_what_is_no_chat_cannot_be_asked_for():
    assert "no embeddings" in PROVIDER.problem(request(operation=Operation.EMBEDDING))
    assert "no completions" in PROVIDER.problem(request(operation=Operation.COMPLETION))


def test_the_system_message_stands_apart():
    assert sent({"role": "system", "content": "Be brief."}, HI)["system"] == "Be brief."
    cached = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}
    both = sent({"role": "developer", "content": "A."}, {"role": "system", "content": [cached]}, HI)
    assert both["system"] == [{"type": "text", "text": "A."}, cached]
    assert "system" not in sent({"role": "system", "content": ""}, HI)


@pytest.mark.parametrize(
    ("messages", "params", "problem"),
    [
        (({"role": "system", "content": "Be brief."},), {}, "there is only a system message"),
        (({"role": "system", "content": "A."}, HI), {"system": "B."}, "both in the messages and as parameter"),
        (({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}]}, HI), {}, "holds what is no text"),
        (({"role": "function", "name": "f", "content": "1"},), {}, "the role 'function'"),
        (({"role": "user", "content": 7},), {}, "neither text nor a list of parts"),
        (({"role": "user", "content": [7]},), {}, "neither text nor a list of parts"),
        (({"role": "assistant", "tool_calls": [{"id": "a"}]},), {}, "names no function"),
        (({"role": "assistant", "tool_calls": 7},), {}, "are no list"),
        (({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "["}}]},), {}, "call to 'f' are no JSON object"),
        (({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]},), {}, "call to 'f' are no JSON object"),
        (({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]},), {}, "takes no audio"),
        (({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]},), {}, "does not hold its file in base64"),
        (({"role": "user", "content": [{"type": "image_url"}]},), {}, "has no image_url"),
        (({"role": "user", "content": [{"type": "image_url", "image_url": {}}]},), {}, "a file has no URL"),
        (({"role": "user", "content": [{"type": "file", "file": {"file_data": "media:video/mp4;ab"}}]},), {}, "no file of the type video/mp4"),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_said_are_a_problem(messages, params, problem):
    assert problem in PROVIDER.problem(request(*messages, params=params))


def test_a_system_message_that_comes_too_late_fails_its_row_and_no_other():
    late = request(HI, {"role": "system", "content": "Be brief."})
    assert PROVIDER.problem(late) is None
    with pytest.raises(ValueError, match="a system message comes after another one"):
        PROVIDER.encode(late, ())


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ("text", {"type": "text", "text": "text"}),
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://h/a.png"}, "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}, "cache_control": {"type": "ephemeral"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, "title": "a.pdf"},
        ),
        (
            {"type": "file", "file": {"file_data": "https://h/a.pdf"}},
            {"type": "document", "source": {"type": "url", "url": "https://h/a.pdf"}},
        ),
        (
            {"type": "file", "file": {"file_id": "file_1"}, "citations": {"enabled": True}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "citations": {"enabled": True}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:image/gif;base64,R0lG"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}},
        ),
        ({"type": "refusal", "refusal": "No."}, {"type": "text", "text": "No."}),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "thinking", "thinking": "hm", "signature": "s"}),
    ],
)  # fmt: skip
def test_every_part_is_a_block(part, block):
    assert said({"role": "user", "content": [part]}) == [{"role": "user", "content": [block]}]


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def test_tool_calls_are_blocks_and_the_results_of_parallel_ones_stand_in_one_message():
    turns = said(
        HI,
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, {**CALL, "id": "d"}]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "tool", "tool_call_id": "d", "content": [{"type": "text", "text": "2"}], "is_error": True},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "e", "function": {"name": "g", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "e", "content": "3"},
    )  # fmt: skip
    uses = [{"type": "tool_use", "id": each, "name": "f", "input": {"a": 1}} for each in "cd"]
    assert turns[1] == {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, *uses]}
    assert turns[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": "1"},
            {"type": "tool_result", "tool_use_id": "d", "content": [{"type": "text", "text": "2"}], "is_error": True},
        ],
    }  # fmt: skip
    assert turns[4]["content"] == [{"type": "tool_use", "id": "e", "name": "g", "input": {}}]
    assert [len(turns), turns[5]["content"][0]["tool_use_id"]] == [6, "e"]


def test_a_later_turn_is_sent_with_the_whole_history_and_no_empty_message():
    asked = request(follow_ups=("b?", "c?"))
    answers = (Response(text="a!"), Response(text=""))
    turns = json.loads(PROVIDER.encode(asked, answers).body)["messages"]
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("user", "Hi"),
        ("assistant", "a!"),
        ("user", "b?"),
        ("user", "c?"),
    ]


def test_a_schema_is_closed_and_what_the_grammar_cannot_hold_is_said_in_words():
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "description": "In years"},
            "tags": {
                "type": "array",
                "items": {"type": "string", "pattern": "^a"},
                "minItems": 1,
                "maxItems": 3,
            },
            "when": {"type": "string", "format": "date"},
            "code": {"type": "string", "format": "isbn"},
            "part": {"oneOf": [{"$ref": "#/$defs/p"}, {"type": "null"}]},
            "format": {"type": "string"},
        },
        "required": ["age"],
        "$defs": {"p": {"type": "object", "additionalProperties": True, "properties": {}}},
    }
    assert sendable(schema) == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "description": "In years\n\n{minimum: 0, maximum: 150}"},
            "tags": {
                "type": "array",
                "items": {"type": "string", "description": "{pattern: ^a}"},
                "minItems": 1,
                "description": "{maxItems: 3}",
            },
            "when": {"type": "string", "format": "date"},
            "code": {"type": "string", "description": "{format: isbn}"},
            "part": {"anyOf": [{"$ref": "#/$defs/p"}, {"type": "null"}]},
            "format": {"type": "string"},
        },
        "required": ["age"],
        "$defs": {"p": {"type": "object", "additionalProperties": False, "properties": {}}},
        "additionalProperties": False,
    }
    body = sent(schema={"type": "object"})
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {"type": "object", "additionalProperties": False},
    }


# Answers.

USAGE = {
    "input_tokens": 9,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 5},
    "server_tool_use": {"web_search_requests": 0},
    "service_tier": "standard",
    "speed": "standard",
    "inference_geo": "not_available",
}


def message(*blocks, reason="end_turn", **more):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x-20260101",
        "content": [{"type": "text", "text": block, "citations": None} if isinstance(block, str) else block for block in blocks],
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": USAGE,
        **more,
    }  # fmt: skip


def decode(body, status=200, **headers):
    return PROVIDER.decode(reply(status, body, **headers), request())


def test_an_answer_with_all_that_belongs_to_it():
    body = message({"type": "thinking", "thinking": "hm", "signature": "s"}, "Hel", "lo")
    assert decode(body, request_id="req_1") == Response(
        text="Hello",
        finish_reason="stop",
        usage=Usage(59, 7, 30, 20, 5),
        model="claude-x-20260101",
        request_id="req_1",
        reasoning="hm",
        raw=json.dumps(body).encode(),
    )


@pytest.mark.parametrize(
    ("blocks", "text", "calls"),
    [
        ((), "", ()),
        (("",), "", ()),
        (({"type": "text", "text": "a", "citations": [{"type": "char_location"}]}, "b"), "ab", ()),
        (({"type": "redacted_thinking", "data": "x"}, "a"), "a", ()),
        (
            ("a", {"type": "tool_use", "id": "t", "name": "f", "input": {"x": [1, "é"]}, "caller": {"type": "direct"}}),
            "a",
            ({"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"x": [1, "\\u00e9"]}'}},),
        ),
        (({"type": "tool_use", "id": "t", "name": "f"},), "", ({"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}},)),
        (({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, {"type": "web_search_tool_result", "content": []}, "a"), "a", ()),
        (({"type": "of_its_own", "x": 1}, "a"), "a", ()),
    ],
)  # fmt: skip
def test_every_form_of_content_has_a_text(blocks, text, calls):
    answer = decode(message(*blocks))
    assert (answer.text, answer.tool_calls) == (text, calls)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
        ("of its own", "of its own"),
        (None, None),
        (7, None),
    ],
)
def test_reasons_to_stop_have_common_names(reason, finish):
    assert decode(message("a", reason=reason)).finish_reason == finish


def test_a_refusal_is_a_fault_where_there_is_no_text():
    details = {"type": "refusal", "category": "cyber", "explanation": "It is dangerous."}
    fault = decode(message(reason="refusal", stop_details=details))
    assert (fault.kind, fault.provider_code) == (FaultKind.CONTENT_FILTER, "refusal")
    assert fault.detail == "the model refused: It is dangerous."
    assert decode(message("half", reason="refusal")).text == "half"


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        ({"input_tokens": 9, "output_tokens": 2}, Usage(9, 2)),
        ({"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": None, "output_tokens_details": None}, Usage(9, 2)),
        ({"output_tokens": 2}, Usage(0, 2)),
        (None, None), ({}, None), ("none", None), ([], None),
        ({"input_tokens": -1}, None), ({"input_tokens": 2**70}, None), ({"input_tokens": "many"}, None),
    ],
)  # fmt: skip
def test_what_was_used_is_normalised_and_never_costs_the_answer(usage, used):
    answer = decode(message("a", usage=usage))
    assert (answer.text, answer.usage) == ("a", used)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the reply is no message"),
        (b"<html>", "the reply is no message"),
        (b"[]", "the reply is no message"),
        (b'{"content":"a"}', "the reply is no message"),
        (b'{"content":[{"type":"text","text":7}]}', "the reply is no message"),
        (b"[" * 200_000, "the reply is no message"),
        (b"{}", "the reply holds no content"),
        (b'{"content":null}', "the reply holds no content"),
    ],
)
def test_a_success_that_cannot_be_read_is_a_bad_reply(body, why):
    fault = decode(body)
    assert (fault.kind, fault.http_status) == (FaultKind.BAD_REPLY, 200)
    assert fault.detail.startswith(why)


def test_an_answer_that_was_paid_for_is_read_however_it_is_written():
    assert (
        decode(b'{"content":[{"type":"text","text":"cut \\ud83d"}],"usage":{"input_tokens":NaN}}').text
        == "cut \ufffd"
    )


# Errors.


def error(kind, words="no", **details):
    return {
        "type": "error",
        "error": {"type": kind, "message": words, **({"details": details} if details else {})},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "wait"),
    [
        (400, error("invalid_request_error", "max_tokens: Field required"), {}, "invalid_request", None),
        (400, error("invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"), {}, "too_long", None),
        (400, error("invalid_request_error", "You have reached your specified API usage limits."), {}, "quota_exhausted", None),
        (400, error("invalid_request_error", "Your credit balance is too low"), {}, "quota_exhausted", None),
        (400, error("invalid_request_error", "Output blocked by content filtering policy"), {}, "content_filter", None),
        (401, error("authentication_error", "invalid x-api-key"), {}, "auth", None),
        (402, error("billing_error"), {}, "quota_exhausted", None),
        (403, error("permission_error"), {}, "auth", None),
        (404, error("not_found_error", "model: claude-9"), {}, "not_found", None),
        (409, error("conflict_error"), {}, "server_error", None),
        (413, error("request_too_large"), {}, "too_long", None),
        (413, b"<html>", {}, "too_long", None),
        (429, error("rate_limit_error"), {"retry_after": "4"}, "rate_limited", 4 * SECOND),
        (429, error("rate_limit_error", error_code="ramp_limit_exceeded"), {"retry_after": "4"}, "rate_limited", 4 * SECOND),
        (429, error("rate_limit_error", error_code="enforced_spend_limit_reached"), {}, "quota_exhausted", None),
        (429, error("rate_limit_error", error_code="contract_spend_limit_reached"), {}, "quota_exhausted", None),
        (500, error("api_error"), {}, "server_error", None),
        (503, b"", {}, "overloaded", None),
        (504, error("timeout_error"), {}, "server_error", None),
        (529, error("overloaded_error", "Overloaded"), {}, "overloaded", None),
        (200, error("overloaded_error", "Overloaded"), {}, "overloaded", None),
        (200, error("billing_error"), {}, "quota_exhausted", None),
        (200, error("api_error"), {}, "server_error", None),
    ],
)  # fmt: skip
def test_every_error_means_one_fault(status, body, headers, kind, wait):
    fault = decode(body, status, **headers)
    assert (fault.kind, fault.http_status, fault.retry_after) == (kind, status, wait)
    if isinstance(body, dict):
        assert (fault.detail, fault.provider_code) == (body["error"]["message"], body["error"]["type"])


def test_a_refusal_says_which_limit_ran_out():
    words = "This request would exceed your organization's rate limit of 8,000 output tokens per minute"
    assert decode(error("rate_limit_error", words), 429).dimension == "output_tokens"


def test_headers_say_what_is_left_of_the_limits():
    said = {
        "anthropic_ratelimit_requests_limit": "50",
        "anthropic_ratelimit_requests_remaining": "49",
        "anthropic_ratelimit_requests_reset": "2026-11-20T10:00:06Z",
        "anthropic_ratelimit_input_tokens_limit": "50000",
        "anthropic_ratelimit_input_tokens_remaining": "49000",
        "anthropic_ratelimit_tokens_limit": "60000",
        "anthropic_ratelimit_tokens_remaining": "59000",
        "date": "Fri, 20 Nov 2026 10:00:00 GMT",
    }
    assert PROVIDER.adverts(reply(200, {}, **said)) == (
        Advert("requests", 50, 49, 6 * SECOND, 60 * SECOND),
        Advert("input_tokens", 50000, 49000, None, 60 * SECOND),
    )


# In pieces.

START = {
    "type": "message_start",
    "message": message(
        reason=None, usage={"input_tokens": 9, "cache_read_input_tokens": 3, "output_tokens": 1}
    ),
}
TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
STREAM = (
    START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hé"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "llo"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": TOOL},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"input_tokens": None, "output_tokens": 15, "output_tokens_details": {"thinking_tokens": 4}}},
    {"type": "message_stop"},
)  # fmt: skip


def reader(**headers):
    return PROVIDER.reader(reply(200, b"", **headers), request())


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7, 64])
def test_a_stream_makes_the_answer_that_it_would_have_been(size):
    data = events(*STREAM)
    read = reader(request_id="req_1")
    deltas, answer = feed(read, data, size)
    assert read.is_over
    assert "".join(delta.text for delta in deltas) == "Héllo"
    assert "".join(delta.reasoning for delta in deltas) == "hm"
    assert answer == Response(
        text="Héllo",
        finish_reason="tool_calls",
        usage=Usage(12, 15, 3, 0, 4),
        model="claude-x-20260101",
        request_id="req_1",
        tool_calls=({"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},),
        reasoning="hm",
        raw=data,
    )


@pytest.mark.parametrize(
    ("documents", "kind", "words"),
    [
        ((), "bad_reply", "broke off"),
        (STREAM[:1], "bad_reply", "broke off"),
        (STREAM[:-1], "bad_reply", "broke off"),
        (STREAM[-1:], "bad_reply", "holds no message"),
        ((*STREAM[:8], error("overloaded_error", "Overloaded"), *STREAM[8:]), "overloaded", "Overloaded"),
        ((*STREAM[:8], error("api_error", "oops")), "server_error", "oops"),
        ((START, {"type": "message_delta", "delta": {"stop_reason": "refusal"}}, {"type": "message_stop"}), "content_filter", "refused"),
    ],
)  # fmt: skip
def test_a_stream_that_does_not_end_as_it_should_is_a_fault(documents, kind, words):
    _, fault = feed(reader(), events(*documents))
    assert (fault.kind, words in fault.detail) == (kind, True)


def test_an_event_that_cannot_be_read_is_a_fault():
    _, fault = feed(
        reader(), events(*STREAM[:4]) + b"event: content_block_delta\ndata: {oops\n\n" + events(*STREAM[4:])
    )
    assert fault.kind is FaultKind.BAD_REPLY


def test_what_follows_the_end_is_not_looked_at_and_its_blank_line_may_be_missing():
    data = events(*STREAM)
    assert feed(reader(), data + b"data: oops\n\n")[1].text == "Héllo"
    assert feed(reader(), data.removesuffix(b"\n\n"))[1].text == "Héllo"


# Anything at all.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "type", "details", "error_code", "content", "usage", "text", "thinking", "input", "id", "name",
             "stop_reason", "stop_details", "input_tokens", "delta", "index", "content_block", "partial_json"]
        ) | st.text(max_size=3),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip
statuses = st.sampled_from([200, 200, 200, 400, 402, 413, 429, 529]) | st.integers(100, 999)


def check(result):
    if isinstance(result, Fault):
        msgspec.json.encode((result.detail, result.provider_code, result.dimension))
    else:
        shown = (
            result.text,
            result.finish_reason,
            result.model,
            result.request_id,
            result.tool_calls,
            result.reasoning,
        )
        msgspec.json.encode(shown)


@given(statuses, st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body):
    check(PROVIDER.decode(HttpReply(status, CIMultiDict({"request-id": "r\udcff"}), body), request()))


types = st.sampled_from(["text", "thinking", "tool_use", "other"])
blocks = st.fixed_dictionaries(
    {"type": types},
    optional={"text": json_values, "thinking": json_values, "input": json_values, "id": json_values},
)


@examples(60)
@given(st.lists(blocks | json_values, max_size=3), json_values, json_values)
def test_no_content_breaks_the_decoder(content, reason, details):
    check(decode({"content": content, "stop_reason": reason, "stop_details": details}))


@examples(60)
@given(st.lists(st.sampled_from(STREAM) | st.builds(lambda kind, more: {**(more if isinstance(more, dict) else {}), "type": kind}, st.sampled_from([event["type"] for event in STREAM] + ["error"]), json_values), max_size=12), st.integers(1, 40), st.binary(max_size=9))  # fmt: skip
def test_no_stream_breaks_the_reader(documents, size, junk):
    check(feed(reader(), events(*documents) + junk, size)[1])


def test_a_stream_cut_at_any_byte_is_a_fault_until_its_last_event():
    data = events(*STREAM)
    last = data.index(b"event: message_stop") + len(b'event: message_stop\ndata: {"type": "message_stop"}')
    for cut in range(len(data)):
        result = feed(reader(), data[:cut])[1]
        assert isinstance(result, Fault) == (cut < last), cut
