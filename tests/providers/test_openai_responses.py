"""OpenAI's Responses: what is sent, and what every kind of reply means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.providers import StreamingProvider, find_provider
from brimline.providers.openai_responses import OpenAIResponses
from brimline.types import Fault, HttpReply, Operation, Request, Response, Secret, Usage
from tests.providers.anything import (
    HEAD,
    STATUSES,
    bodies,
    check,
    check_cuts,
    check_depths,
    check_wrong_requests,
    read_whole,
)
from tests.providers.replies import reply

PROVIDER = OpenAIResponses()
HI = ({"role": "user", "content": "Hi"},)
NAMES = (
    "error", "code", "message", "status", "output", "type", "content", "text", "refusal", "summary", "call_id", "name",
    "arguments", "usage", "input_tokens", "input_tokens_details", "cached_tokens", "incomplete_details", "reason", "model",
    "logprobs", "phase", "delta", "response", "function_call", "reasoning", "completed", "failed", "incomplete", "output_text",
    "response.completed", "response.failed", "response.output_text.delta",
)  # fmt: skip


def request(**more):
    return Request(**{"id": 0, "model": "openai/gpt-6-astra", "messages": HI, **more})


def sent(responses=(), **more):
    assert PROVIDER.problem(request(**more)) is None
    encoded = PROVIDER.encode(request(**more), responses)
    assert encoded.path == "/responses"
    return json.loads(encoded.body)


def decode(body, status=200, **headers):
    return PROVIDER.decode(reply(status, body, **headers), request())


# What is sent.


def test_a_prompt_is_one_item():
    assert sent() == {"model": "gpt-6-astra", "input": [{"role": "user", "content": "Hi"}]}
    streamed = json.loads(PROVIDER.encode_stream(request(), ()).body)
    assert streamed == {**sent(), "stream": True}
    assert isinstance(find_provider("openai-responses"), StreamingProvider)
    assert OpenAIResponses({"project": "p"}).headers(Secret("k"))["OpenAI-Project"] == "p"


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
GIVEN_FORM = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": SCHEMA, "strict": True, "description": "d"},
}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"temperature": 0, "top_p": 0.5, "metadata": {"a": "b"}, "store": False}, {"temperature": 0, "top_p": 0.5, "metadata": {"a": "b"}, "store": False}),
        ({"max_tokens": 9}, {"max_output_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_output_tokens": 9}),
        ({"max_tokens": 9, "max_output_tokens": 5}, {"max_output_tokens": 5}),
        ({"reasoning_effort": "high", "reasoning": {"summary": "auto"}}, {"reasoning": {"summary": "auto", "effort": "high"}}),
        ({"reasoning_effort": "high", "reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
        ({"verbosity": "low", "response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}, "verbosity": "low"}}),
        ({"response_format": GIVEN_FORM}, {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True, "description": "d"}}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"tools": [{"type": "function", "function": FUNCTION}]}, {"tools": [{"type": "function", **FUNCTION}]}),
        ({"tools": [{"type": "web_search"}, {"type": "function", **FUNCTION}]}, {"tools": [{"type": "web_search"}, {"type": "function", **FUNCTION}]}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": {"type": "function", "name": "f"}}),
        ({"logprobs": True, "top_logprobs": 3}, {"include": ["message.output_text.logprobs"], "top_logprobs": 3}),
        ({"include": ["reasoning.encrypted_content"], "logprobs": True}, {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]}),
        ({"logprobs": False}, {}),
        ({"n": 1, "stream": False, "logit_bias": {}, "stop": [], "tools": [], "presence_penalty": 0, "seed": None}, {}),
    ],
)  # fmt: skip
def test_parameters_have_their_places(params, said):
    body = sent(params=params)
    assert {name: body[name] for name in body if name not in {"model", "input"}} == said


def test_a_schema_is_a_format():
    assert sent(schema=SCHEMA)["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}
    }


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"params": {"n": 2}}, "parameter 'n'"),
        ({"params": {"seed": 0}}, "parameter 'seed'"),
        ({"params": {"stop": ["x"]}}, "parameter 'stop'"),
        ({"params": {"top_k": 5}}, "parameter 'top_k'"),
        ({"params": {"presence_penalty": 0.5}}, "parameter 'presence_penalty'"),
        ({"params": {"frequency_penalty": 0.5}}, "parameter 'frequency_penalty'"),
        ({"params": {"background": True}}, "parameter 'background'"),
        ({"params": {"input": "x"}}, "parameter 'input'"),
        ({"params": {"tools": "x"}}, "parameter 'tools'"),
        ({"params": {"text": "x"}}, "parameter 'text'"),
        ({"params": {"reasoning": "high"}}, "parameter 'reasoning'"),
        ({"params": {"response_format": {"type": "json_object"}}, "schema": SCHEMA}, "beside a schema"),
        ({"operation": Operation.EMBEDDING}, "there is no embedding among them"),
        ({"messages": ({"role": "tool", "content": "x"},)}, "no tool_call_id"),
        (
            {"messages": ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]},)},
            "an image has no URL",
        ),
        ({"messages": ({"role": "user", "content": [{"type": "video"}]},)}, "a part of type 'video'"),
    ],
)
def test_what_responses_have_no_words_for_is_said_before_anything_is_sent(more, named):
    assert named in PROVIDER.problem(request(**more))
    with pytest.raises(ValueError, match=named):
        PROVIDER.encode(request(**more), ())


def test_messages_are_items():
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    body = sent(
        messages=(
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": [{"type": "text", "text": "Wait."}], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "system", "content": "Now rhyme."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        )
    )
    assert body["instructions"] == "Be brief.\n\nBe kind."
    asked = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'}
    assert body["input"] == [
        {"role": "user", "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
        asked,
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"role": "system", "content": "Now rhyme."},
        asked,
    ]  # fmt: skip


def test_instructions_of_the_users_own_leave_system_messages_where_they_are():
    body = sent(messages=({"role": "system", "content": "a"}, *HI), params={"instructions": "b"})
    assert (body["instructions"], body["input"][0]) == ("b", {"role": "system", "content": "a"})


def test_a_later_turn_is_sent_with_the_whole_history():
    said = sent((Response(text="a!"),), follow_ups=("b?", "c?"))["input"]
    assert [(m["role"], m["content"]) for m in said] == [("user", "Hi"), ("assistant", "a!"), ("user", "b?")]


def test_whatever_users_write_is_sent_or_is_a_problem():
    check_wrong_requests(PROVIDER, request, ("text", "reasoning", "include", "instructions"))


# What comes back.


def message(*parts, **more):
    parts = [
        {"type": "output_text", "text": part, "annotations": []} if isinstance(part, str) else part
        for part in parts
    ]
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": parts,
        **more,
    }


def response(*output, **more):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-6-astra-2026-08-01",
        "output": list(output),
        **more,
    }


USAGE = {
    "input_tokens": 90,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 110,
}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": '{"a":1}',
    "status": "completed",
}


def test_an_answer_with_all_that_belongs_to_it():
    logprobs = [{"token": "Hello", "logprob": -0.1, "bytes": [], "top_logprobs": []}]
    text = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": logprobs}
    body = response(THOUGHT, message(text), usage=USAGE)
    assert decode(body, x_request_id="req_1") == Response(
        text="Hello",
        finish_reason="stop",
        usage=Usage(90, 20, 40, 5, 8),
        model="gpt-6-astra-2026-08-01",
        request_id="req_1",
        reasoning="hm\n\nso",
        logprobs=logprobs,
        raw=json.dumps(body).encode(),
    )


REFUSAL = {"type": "refusal", "refusal": "I cannot."}


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ([message("a", "b")], "ab"),
        ([message("a"), message("b")], "ab"),
        ([message("I look it up.", phase="commentary"), message("a", phase="final_answer")], "a"),
        ([message("I look it up.", phase="commentary")], "I look it up."),
        ([message(REFUSAL)], "I cannot."),
        ([message(REFUSAL, "a")], "a"),
        ([message()], ""),
        ([], ""),
        ([None, 7, {}, {"type": "web_search_call"}, {"type": "message", "content": "x"}, message("a", {"type": "output_text", "text": 7})], "a"),
    ],
)  # fmt: skip
def test_every_form_of_output_has_a_text(output, text):
    assert decode(response(*output)).text == text


def test_tool_calls_and_open_reasoning_are_in_the_canonical_form():
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}], "summary": []}
    answer = decode(response(thought, CALL, {"type": "function_call"}))
    assert (answer.finish_reason, answer.reasoning) == ("tool_calls", "hm")
    assert answer.tool_calls == (
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": None, "type": "function", "function": {"name": "", "arguments": "{}"}},
    )


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "steered"}, "steered"),
        (None, "incomplete"),
    ],
)
def test_what_is_incomplete_says_why(details, reason):
    body = response(message("half"), status="incomplete", incomplete_details=details)
    assert (decode(body).text, decode(body).finish_reason) == ("half", reason)


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        (None, None),
        ({}, None),
        ({"input_tokens": 9, "output_tokens": 2}, Usage(9, 2)),
        ({"input_tokens": 9, "output_tokens": 2, "input_tokens_details": None}, Usage(9, 2)),
        ({"input_tokens": -9, "output_tokens": 2}, None),
        ({"input_tokens": "x", "output_tokens": 2}, None),
        ([], None),
        (7, None),
    ],
)
def test_what_was_used_never_costs_the_answer(usage, used):
    answer = decode(response(message("a"), usage=usage))
    assert (answer.text, answer.usage) == ("a", used)


def failed(code, words="no"):
    return response(status="failed", error={"code": code, "message": words})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, failed("server_error"), "server_error"),
        (200, failed("rate_limit_exceeded"), "rate_limited"),
        (200, failed("insufficient_quota"), "quota_exhausted"),
        (200, failed("invalid_prompt"), "content_filter"),
        (200, failed("bio_policy"), "content_filter"),
        (200, failed("misalignment_policy_violation"), "content_filter"),
        (200, failed("image_content_policy_violation"), "content_filter"),
        (200, failed("image_too_large"), "invalid_request"),
        (200, failed("failed_to_download_image"), "invalid_request"),
        (200, failed("vector_store_timeout"), "server_error"),
        (200, failed("context_length_exceeded"), "too_long"),
        (200, failed("of its own"), "server_error"),
        (200, response(status="failed"), "server_error"),
        (200, {"error": {"message": "no", "code": "rate_limit_exceeded"}}, "rate_limited"),
        (200, response(status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
        (200, response(status="in_progress"), "bad_reply"),
        (200, response(status="queued"), "bad_reply"),
        (200, response(status=[]), "bad_reply"),
        (200, response(status="cancelled"), "bad_reply"),
        (200, {"status": "completed"}, "bad_reply"),
        (200, {"choices": []}, "bad_reply"),
        (200, [], "bad_reply"),
        (200, b"", "bad_reply"),
        (200, b"<html>", "bad_reply"),
        (400, {"error": {"message": "no", "code": "context_length_exceeded"}}, "too_long"),
        (400, {"error": {"message": "Unsupported parameter", "type": "invalid_request_error"}}, "invalid_request"),
        (401, {"error": {"message": "no", "code": "invalid_api_key"}}, "auth"),
        (404, {"error": {"message": "no", "code": "model_not_found"}}, "not_found"),
        (429, {"error": {"message": "no", "code": "rate_limit_exceeded"}}, "rate_limited"),
        (429, {"error": {"message": "no", "code": "insufficient_quota"}}, "quota_exhausted"),
        (500, {"error": {"message": "no", "code": "server_error"}}, "server_error"),
        (503, b"", "overloaded"),
    ],
)  # fmt: skip
def test_every_failure_is_its_fault(status, body, kind):
    fault = decode(body, status)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (kind, status)


def test_a_failed_response_keeps_its_code_and_words():
    fault = decode(failed("rate_limit_exceeded", "Please try again in 3s."))
    assert (fault.provider_code, fault.detail, fault.retry_after) == (
        "rate_limit_exceeded",
        "Please try again in 3s.",
        3_000_000_000,
    )


@given(STATUSES, bodies(*NAMES))
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body):
    answer = HttpReply(status, CIMultiDict(), body)
    check(PROVIDER.decode(answer, request()), status)
    PROVIDER.adverts(answer)


def test_no_depth_breaks_it():
    check_depths(decode, reader, b"data: %s\n\n")


# Streams.


def events(*documents):
    """Named events, numbered as OpenAI does it."""
    numbered = ({**document, "sequence_number": number} for number, document in enumerate(documents))
    return b"".join(
        f"event: {document['type']}\ndata: {json.dumps(document, ensure_ascii=False)}\n\n".encode()
        for document in numbered
    )


def delta(kind, text):
    return {
        "type": f"response.{kind}.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }


DONE = response(THOUGHT, message("Grüß \n😀"), CALL, usage=USAGE)
STREAM = events(
    {"type": "response.created", "response": response(status="in_progress")},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning"}},
    delta("reasoning_summary_text", "h"),
    delta("reasoning_summary_text", "m"),
    delta("output_text", "Grüß"),
    delta("output_text", " \n😀"),
    {"type": "response.output_text.done", "text": "Grüß \n😀"},
    delta("function_call_arguments", '{"a"'),
    {"type": "response.completed", "response": DONE},
)


def reader():
    return PROVIDER.reader(HEAD, request())


def test_a_stream_is_read_the_same_wherever_it_is_cut():
    text, thoughts, answer = check_cuts(reader, STREAM)
    assert (text, thoughts) == ("Grüß \n😀", "hm")
    assert (answer.text, answer.finish_reason, answer.usage) == (text, "tool_calls", Usage(90, 20, 40, 5, 8))
    assert (len(answer.tool_calls), answer.reasoning, answer.raw) == (1, "hm\n\nso", STREAM)


def test_text_that_the_last_event_leaves_out_is_not_lost():
    stream = events(delta("output_text", "a"), {"type": "response.completed", "response": response()})
    assert read_whole(reader(), stream)[2].text == "a"
    filtered = response(status="incomplete", incomplete_details={"reason": "content_filter"})
    stream = events(delta("output_text", "a"), {"type": "response.incomplete", "response": filtered})
    assert (answer := read_whole(reader(), stream)[2]).text == "a"
    assert answer.finish_reason == "content_filter"


@pytest.mark.parametrize("end", range(1, len(STREAM) - 3, 23))
def test_without_its_last_event_it_is_no_answer(end):
    assert read_whole(reader(), STREAM[:end])[2].kind == "bad_reply"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "response.failed", "response": failed("rate_limit_exceeded")}, "rate_limited"),
        ({"type": "response.failed", "response": failed("server_error")}, "server_error"),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "no", "param": None}, "rate_limited"),
        ({"type": "error", "code": None, "message": "no", "param": None}, "server_error"),
        ({"type": "error", "error": {"type": "server_error", "code": "invalid_prompt", "message": "no"}}, "content_filter"),
        ({"type": "response.completed", "response": None}, "bad_reply"),
        ({"type": "response.output_text.done"}, "bad_reply"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_a_stream_is_its_fault(event, kind):
    result = read_whole(reader(), events(delta("output_text", "a"), event))[2]
    assert (result.kind, result.http_status) == (kind, 200)


def test_what_is_no_json_ends_a_stream_and_what_comes_after_its_end_does_not():
    assert read_whole(reader(), b"data: {\n\n")[2].kind == "bad_reply"
    assert read_whole(reader(), STREAM + b"data: [DONE]\n\ndata: {\n\n")[2].finish_reason == "tool_calls"
    assert read_whole(reader(), b"data: [DONE]\n\n" + STREAM)[2].finish_reason == "tool_calls"


@given(st.lists(bodies(*NAMES), max_size=4))
def test_reading_never_raises(pieces):
    reading = reader()
    for body in pieces:
        reading.feed(b"data: " + body + b"\n\n")
    check(reading.result())
