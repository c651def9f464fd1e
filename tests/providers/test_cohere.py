"""Cohere's dialect: what is sent, and what every kind of reply means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.errors import ConfigError
from brimline.providers import StreamingProvider, find_provider
from brimline.providers.cohere import Cohere
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

PROVIDER = Cohere()
HI = ({"role": "user", "content": "Hi"},)
NAMES = (
    "id", "message", "content", "type", "text", "thinking", "tool_plan", "tool_calls", "function", "name", "arguments", "usage",
    "billed_units", "tokens", "input_tokens", "finish_reason", "ERROR", "error", "delta", "message-end", "content-delta",
    "tool-call-start", "tool-call-delta", "message-start", "logprobs", "embeddings", "float", "meta",
)  # fmt: skip
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CALL = {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def request(**more):
    return Request(**{"id": 0, "model": "cohere/command-a-03-2025", "messages": HI, **more})


def sent(responses=(), provider=PROVIDER, **more):
    assert provider.problem(request(**more)) is None
    encoded = provider.encode(request(**more), responses)
    return encoded.path, json.loads(encoded.body)


def decode(body, status=200, operation=Operation.CHAT):
    return PROVIDER.decode(reply(status, body), request(operation=operation))


# What is sent.


def test_a_prompt_is_a_chat():
    body = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "Hi"}]}
    assert sent() == ("/v2/chat", body)
    assert json.loads(PROVIDER.encode_stream(request(), ()).body) == {**body, "stream": True}
    assert isinstance(find_provider("cohere"), StreamingProvider)
    assert PROVIDER.headers(Secret("k"))["Authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"max_tokens": 9, "temperature": 0, "seed": 1}, {"max_tokens": 9, "temperature": 0, "seed": 1}),
        ({"max_completion_tokens": 9, "top_p": 0.5, "top_k": 4}, {"max_tokens": 9, "p": 0.5, "k": 4}),
        ({"p": 0.25, "top_p": 0.5, "k": 3}, {"p": 0.25, "k": 3}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"presence_penalty": 0.5, "frequency_penalty": 0, "logprobs": True}, {"presence_penalty": 0.5, "frequency_penalty": 0, "logprobs": True}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}),
        ({"reasoning_effort": "high", "thinking": {"type": "enabled", "token_budget": 5}}, {"thinking": {"type": "enabled", "token_budget": 5}}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, {"response_format": {"type": "json_object", "json_schema": SCHEMA}}),
        ({"tools": TOOLS, "tool_choice": "required"}, {"tools": TOOLS, "tool_choice": "REQUIRED"}),
        ({"tools": TOOLS, "tool_choice": "none"}, {"tools": TOOLS, "tool_choice": "NONE"}),
        ({"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS}),
        ({"safety_mode": "OFF", "documents": ["d"]}, {"safety_mode": "OFF", "documents": ["d"]}),
        ({"n": 1, "stream": False, "top_logprobs": 0, "stop": None}, {}),
    ],
)  # fmt: skip
def test_parameters_have_their_places(params, said):
    body = sent(params=params)[1]
    assert {name: body[name] for name in body if name not in {"model", "messages"}} == said


def test_a_schema_is_a_form():
    assert sent(schema=SCHEMA)[1]["response_format"] == {"type": "json_object", "json_schema": SCHEMA}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"params": {"n": 2}}, "parameter 'n'"),
        ({"params": {"top_logprobs": 2}}, "parameter 'top_logprobs'"),
        (
            {"params": {"tool_choice": {"type": "function", "function": {"name": "f"}}}},
            "parameter 'tool_choice'",
        ),
        ({"params": {"tool_choice": "any"}}, "parameter 'tool_choice'"),
        ({"params": {"stream": True}}, "parameter 'stream'"),
        ({"operation": Operation.COMPLETION}, "no completions"),
        (
            {"messages": ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},)},
            "type 'input_audio'",
        ),
        ({"messages": ({"role": "tool", "content": "x"},)}, "no tool_call_id"),
        ({"operation": Operation.EMBEDDING, "follow_ups": ("b",)}, "not of a conversation"),
    ],
)
def test_what_cohere_has_no_words_for_is_said_before_anything_is_sent(more, named):
    assert named in PROVIDER.problem(request(**more))
    with pytest.raises(ValueError, match=named):
        PROVIDER.encode(request(**more), ())


def test_messages_are_much_like_openais():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = (
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "What?"}, image], "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "f_1", "content": "rain"},
    )
    assert sent(messages=messages)[1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "f_1", "content": "rain"},
    ]


def test_a_later_turn_is_sent_with_the_whole_history():
    said = sent((Response(text="a!"),), follow_ups=("b?", "c?"))[1]["messages"]
    assert [(m["role"], m["content"]) for m in said] == [("user", "Hi"), ("assistant", "a!"), ("user", "b?")]


def test_texts_are_embedded_for_a_purpose():
    asked = {"operation": Operation.EMBEDDING, "params": {"dimensions": 256}}
    body = {
        "model": "command-a-03-2025",
        "texts": ["Hi"],
        "input_type": "search_document",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    assert sent(**asked) == ("/v2/embed", body)
    search = find_provider("cohere", {"input_type": "search_query"})
    assert sent(provider=search, **asked)[1]["input_type"] == "search_query"
    asked["params"]["input_type"] = "clustering"
    assert sent(provider=search, **asked)[1]["input_type"] == "clustering"
    with pytest.raises(ConfigError, match="takes input_type"):
        find_provider("cohere", {"input": "x"})


def test_whatever_users_write_is_sent_or_is_a_problem():
    check_wrong_requests(PROVIDER, request, ("thinking", "documents", "input_type"))


# What comes back.

USAGE = {
    "billed_units": {"input_tokens": 5.0, "output_tokens": 418.0},
    "tokens": {"input_tokens": 71.0, "output_tokens": 418.0},
    "cached_tokens": 3.0,
}


def chat(*content, reason="COMPLETE", **more):
    message = {"role": "assistant", "content": list(content)}
    return {"id": "c14c80c3", "finish_reason": reason, "message": message, "usage": USAGE, **more}


TEXT = {"type": "text", "text": "Hello"}


def test_an_answer_with_all_that_belongs_to_it():
    logprobs = [{"text": "Hello", "token_ids": [1], "logprobs": [-0.1]}]
    body = chat({"type": "thinking", "thinking": "hm"}, TEXT, logprobs=logprobs)
    body["message"]["citations"] = [{"start": 0, "end": 5, "text": "Hello", "sources": []}]
    assert decode(body) == Response(
        text="Hello",
        finish_reason="stop",
        usage=Usage(5, 418, 3),
        request_id="c14c80c3",
        reasoning="hm",
        logprobs=logprobs,
        raw=json.dumps(body).encode(),
    )


def test_tool_calls_come_with_their_plan():
    message = {"role": "assistant", "tool_plan": "I look it up.", "tool_calls": [CALL, {"id": "x"}]}
    answer = decode({"id": "1", "finish_reason": "TOOL_CALL", "message": message})
    assert (answer.text, answer.finish_reason, answer.reasoning) == ("", "tool_calls", "I look it up.")
    assert answer.tool_calls == (CALL,)


@pytest.mark.parametrize(
    ("reason", "canonical"),
    [("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("of its own", "of its own"), (None, None), (7, None)],
)  # fmt: skip
def test_a_reason_to_stop_is_canonical_and_never_costs_a_text(reason, canonical):
    assert (answer := decode(chat(TEXT, reason=reason))).text == "Hello"
    assert answer.finish_reason == canonical


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        (None, None),
        ({}, None),
        ({"tokens": {"input_tokens": 7, "output_tokens": 2}}, Usage(7, 2)),
        ({"billed_units": {"input_tokens": 7}}, Usage(7)),
        ({"billed_units": {"input_tokens": 7}, "cached_tokens": 60}, Usage(7, 0, 7)),
        ({"billed_units": {"input_tokens": 1.5}}, None),
        ({"billed_units": {"input_tokens": -1}}, None),
        ({"billed_units": []}, None),
        (7, None),
    ],
)
def test_what_was_used_is_what_is_billed_and_never_costs_the_answer(usage, used):
    answer = decode(chat(TEXT, usage=usage))
    assert (answer.text, answer.usage) == ("Hello", used)


def test_vectors_come_back():
    body = {
        "id": "e1",
        "embeddings": {"float": [[0.5, 1]]},
        "texts": ["Hi"],
        "meta": {"billed_units": {"input_tokens": 2}},
    }
    answer = decode(body, operation=Operation.EMBEDDING)
    assert (answer.embeddings, answer.usage, answer.request_id) == (([0.5, 1.0],), Usage(2), "e1")
    for vectors in ([], [[1], [2]], [[]], None, [[None]]):
        assert (
            decode({**body, "embeddings": {"float": vectors}}, operation=Operation.EMBEDDING).kind
            == "bad_reply"
        )
    assert decode({**body, "embeddings": [[1]]}, operation=Operation.EMBEDDING).kind == "bad_reply"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"id": "1", "message": "too many tokens: total number of tokens in the prompt cannot exceed 128000"}, "too_long"),
        (400, {"id": "1", "message": "invalid request: unknown field"}, "invalid_request"),
        (401, {"id": "1", "message": "no api key supplied"}, "auth"),
        (402, {"id": "1", "message": "Please add or update your payment method"}, "quota_exhausted"),
        (403, {"id": "1", "message": "no"}, "auth"),
        (404, {"id": "1", "message": "model 'x' not found"}, "not_found"),
        (422, {"id": "1", "message": "no valid response could be generated"}, "invalid_request"),
        (429, {"id": "1", "message": "You are using a Trial key, which is limited to 20 API calls / minute."}, "rate_limited"),
        (429, {"id": "1", "message": "You are using a Trial key, which is limited to 1000 API calls / month."}, "quota_exhausted"),
        (498, {"id": "1", "message": "invalid api token"}, "auth"),
        (499, {"id": "1", "message": "request cancelled"}, "server_error"),
        (500, {"id": "1", "message": "internal server error"}, "server_error"),
        (501, {"id": "1", "message": "not implemented"}, "server_error"),
        (503, {"id": "1", "message": "no"}, "overloaded"),
        (504, {"id": "1", "message": "timeout"}, "server_error"),
        (200, chat(reason="ERROR"), "server_error"),
        (200, chat(TEXT, reason="ERROR"), "server_error"),
        (200, chat(reason="TIMEOUT"), "server_error"),
        (200, {"id": "1", "message": "no"}, "server_error"),
        (200, {"id": "1"}, "bad_reply"),
        (200, [], "bad_reply"),
        (200, b"", "bad_reply"),
        (200, b"<html>", "bad_reply"),
    ],
)  # fmt: skip
def test_every_failure_is_its_fault(status, body, kind):
    fault = decode(body, status)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (kind, status)


@given(STATUSES, bodies(*NAMES), st.sampled_from(Operation))
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body, operation):
    answer = HttpReply(status, CIMultiDict(), body)
    check(PROVIDER.decode(answer, request(operation=operation)), status)
    PROVIDER.adverts(answer)


def test_no_depth_breaks_it():
    check_depths(decode, reader, b"data: %s\n\n")


# Streams.


def events(*documents):
    return b"".join(
        f"event: {document['type']}\ndata: {json.dumps(document, ensure_ascii=False)}\n\n".encode()
        for document in documents
    )


def event(kind, /, **message):
    return {"type": kind, "index": 0, "delta": {"message": message}}


END = {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}}
STREAM = events(
    {"type": "message-start", "id": "m1", "delta": {"message": {"role": "assistant", "content": []}}},
    event("tool-plan-delta", tool_plan="h"),
    event("content-start", content={"type": "thinking", "thinking": ""}),
    event("content-delta", content={"thinking": "m"}),
    {"type": "content-end", "index": 0},
    event("content-start", content={"type": "text", "text": ""}),
    {**event("content-delta", content={"text": "Grüß"}), "logprobs": {"token_ids": [1]}},
    event("content-delta", content={"text": " \n😀"}),
    event("citation-start", citations={"start": 0, "end": 4}),
    event(
        "tool-call-start",
        tool_calls={"id": "f_1", "type": "function", "function": {"name": "f", "arguments": ""}},
    ),
    event("tool-call-delta", tool_calls={"function": {"arguments": '{"a"'}}),
    event("tool-call-delta", tool_calls={"function": {"arguments": ":1}"}}),
    {"type": "tool-call-end", "index": 0},
    END,
)


def reader():
    return PROVIDER.reader(HEAD, request())


def test_a_stream_is_read_the_same_wherever_it_is_cut():
    text, thoughts, answer = check_cuts(reader, STREAM)
    assert (text, thoughts) == ("Grüß \n😀", "hm")
    assert (answer.text, answer.reasoning, answer.finish_reason) == (text, thoughts, "tool_calls")
    assert (answer.usage, answer.request_id, answer.tool_calls) == (Usage(5, 418, 3), "m1", (CALL,))
    assert (answer.logprobs, answer.raw) == ([{"token_ids": [1]}], STREAM)


@pytest.mark.parametrize("end", range(1, len(STREAM) - 3, 23))
def test_without_its_last_event_it_is_no_answer(end):
    assert read_whole(reader(), STREAM[:end])[2].kind == "bad_reply"


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (events({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "no"}}), "server_error"),
        (b'data: {"message": "too many", "id": "1"}\n\n', "server_error"),
        (b"data: {\n\n", "bad_reply"),
        (b"data: [DONE]\n\n", "bad_reply"),
        (b"", "bad_reply"),
    ],
)
def test_what_goes_wrong_in_a_stream_is_its_fault(stream, kind):
    fault = read_whole(reader(), stream)[2]
    assert (fault.kind, fault.http_status) == (kind, 200)


@given(st.lists(bodies(*NAMES), max_size=4))
def test_reading_never_raises(pieces):
    reading = reader()
    for body in pieces:
        reading.feed(b"data: " + body + b"\n\n")
    check(reading.result())
