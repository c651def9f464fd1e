"""Ollama's dialect: what is sent, and what every kind of reply means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.providers import StreamingProvider, find_provider
from brimline.providers.ollama import Ollama
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

PROVIDER = Ollama()
HI = ({"role": "user", "content": "Hi"},)
PIXEL = "data:image/png;base64,iVBORw0KGgo="
NAMES = (
    "error", "message", "content", "thinking", "tool_calls", "function", "name", "arguments", "done", "done_reason", "model",
    "response", "embeddings", "logprobs", "prompt_eval_count", "eval_count", "id",
)  # fmt: skip


def request(**more):
    return Request(**{"id": 0, "model": "ollama/llama3:8b", "messages": HI, **more})


def sent(responses=(), **more):
    assert PROVIDER.problem(request(**more)) is None
    encoded = PROVIDER.encode(request(**more), responses)
    return encoded.path, json.loads(encoded.body)


def decode(body, status=200, operation=Operation.CHAT, **headers):
    return PROVIDER.decode(reply(status, body, **headers), request(operation=operation))


# What is sent.


def test_a_prompt_is_a_chat_that_says_it_is_no_stream():
    assert sent() == (
        "/api/chat",
        {"model": "llama3:8b", "stream": False, "messages": [{"role": "user", "content": "Hi"}]},
    )
    streamed = PROVIDER.encode_stream(request(), ())
    assert (streamed.path, json.loads(streamed.body)["stream"]) == ("/api/chat", True)
    assert isinstance(find_provider("ollama"), StreamingProvider)


def test_a_key_is_for_the_cloud():
    assert PROVIDER.headers(None) == {"Content-Type": "application/json"}
    assert PROVIDER.headers(Secret("k"))["Authorization"] == "Bearer k"


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"temperature": 0.5, "num_predict": 50, "seed": 0}, {"options": {"temperature": 0.5, "num_predict": 50, "seed": 0}}),
        ({"max_tokens": 50}, {"options": {"num_predict": 50}}),
        ({"max_completion_tokens": 50, "num_predict": 9}, {"options": {"num_predict": 9}}),
        ({"options": {"num_ctx": 8192, "seed": 1}, "seed": 2}, {"options": {"seed": 1, "num_ctx": 8192}}),
        ({"top_p": 0.9, "top_k": 4, "stop": "x", "mirostat": 1}, {"options": {"top_p": 0.9, "top_k": 4, "stop": ["x"], "mirostat": 1}}),
        ({"stop": ["x", "y"], "presence_penalty": 1, "frequency_penalty": 0}, {"options": {"presence_penalty": 1, "frequency_penalty": 0, "stop": ["x", "y"]}}),
        ({"format": "json", "keep_alive": "5m", "think": False}, {"format": "json", "keep_alive": "5m", "think": False}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"reasoning_effort": "medium"}, {"think": "medium"}),
        ({"reasoning_effort": "xhigh"}, {"think": "high"}),
        ({"reasoning_effort": "low", "think": True}, {"think": True}),
        ({"response_format": {"type": "json_object"}}, {"format": "json"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, {"format": SCHEMA}),
        ({"response_format": {"type": "text"}}, {}),
        ({"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS}),
        ({"tools": TOOLS, "tool_choice": "none"}, {}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"n": 1, "stream": False, "logit_bias": {}, "stop": None, "max_tokens": None}, {}),
    ],
)  # fmt: skip
def test_parameters_have_their_places(params, said):
    body = sent(params=params)[1]
    assert {name: body[name] for name in body if name not in {"model", "messages", "stream"}} == said


def test_a_schema_is_a_format():
    assert sent(schema=SCHEMA)[1]["format"] == SCHEMA


AUDIO = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
FAR = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}


def called(**function):
    return {"messages": ({"role": "assistant", "tool_calls": [{"id": "c", "function": function}]},)}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"params": {"n": 2}}, "parameter 'n'"),
        ({"params": {"logit_bias": {"5": 1}}}, "parameter 'logit_bias'"),
        ({"params": {"tool_choice": "required"}}, "parameter 'tool_choice'"),
        ({"params": {"tool_choice": {"type": "function"}}}, "parameter 'tool_choice'"),
        ({"params": {"stream": True}}, "parameter 'stream'"),
        ({"params": {"model": "x"}}, "parameter 'model'"),
        ({"params": {"options": [1]}}, "parameter 'options'"),
        ({"params": {"response_format": {"type": "xml"}}}, "parameter 'response_format'"),
        ({"params": {"response_format": {"type": "json_object"}}, "schema": SCHEMA}, "beside a schema"),
        ({"messages": ({"role": "user", "content": [FAR]},)}, "an image by URL"),
        ({"messages": ({"role": "user", "content": [AUDIO]},)}, "a part of type 'input_audio'"),
        (called(name="f", arguments="[1]"), "arguments of a call to 'f'"),
        (called(), "names no function"),
        (
            {"operation": Operation.COMPLETION, "follow_ups": ("b",)},
            "goes on from one text",
        ),
        ({"operation": Operation.EMBEDDING, "follow_ups": ("b",)}, "not of a conversation"),
    ],
)
def test_what_ollama_has_no_words_for_is_said_before_anything_is_sent(more, named):
    assert named in PROVIDER.problem(request(**more))
    with pytest.raises(ValueError, match=named):
        PROVIDER.encode(request(**more), ())


def test_messages_are_translated():
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages = (
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What"}, "is it?", {"type": "image_url", "image_url": {"url": PIXEL}}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    )  # fmt: skip
    assert sent(messages=messages)[1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What\nis it?", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]},
        {"role": "tool", "content": "rain", "tool_call_id": "c1", "tool_name": "weather"},
    ]  # fmt: skip


def test_a_local_file_that_is_not_put_in_yet_is_no_problem():
    image = {"type": "image_url", "image_url": {"url": "media:00ff"}}
    assert PROVIDER.problem(request(messages=({"role": "user", "content": [image]},))) is None


def test_a_later_turn_is_sent_with_the_whole_history():
    said = sent((Response(text="a!"),), follow_ups=("b?", "c?"))[1]["messages"]
    assert [(m["role"], m["content"]) for m in said] == [("user", "Hi"), ("assistant", "a!"), ("user", "b?")]


def test_a_text_goes_on_and_a_text_is_embedded():
    assert sent(operation=Operation.COMPLETION, params={"raw": True, "max_tokens": 5}) == (
        "/api/generate",
        {"model": "llama3:8b", "stream": False, "prompt": "Hi", "raw": True, "options": {"num_predict": 5}},
    )
    assert sent(operation=Operation.EMBEDDING, params={"dimensions": 64, "encoding_format": "float"}) == (
        "/api/embed",
        {"model": "llama3:8b", "input": ["Hi"], "dimensions": 64},
    )


def test_whatever_users_write_is_sent_or_is_a_problem():
    check_wrong_requests(PROVIDER, request, ("options", "think", "format", "keep_alive"))


# What comes back.

STATS = {
    "model": "llama3:8b",
    "created_at": "2026-11-20T10:00:00.0Z",
    "done": True,
    "done_reason": "stop",
    "total_duration": 174560334,
    "load_duration": 101397084,
    "prompt_eval_count": 11,
    "prompt_eval_duration": 13074791,
    "eval_count": 18,
    "eval_duration": 52479709,
}
CALLED = {"function": {"index": 0, "name": "f", "arguments": {"a": 1}}}


def test_an_answer_with_all_that_belongs_to_it():
    message = {"role": "assistant", "content": "Hello", "thinking": "hm"}
    logprobs = [{"token": "Hello", "logprob": -0.1, "top_logprobs": []}]
    body = {**STATS, "message": message, "logprobs": logprobs}
    assert decode(body) == Response(
        text="Hello",
        finish_reason="stop",
        usage=Usage(11, 18),
        model="llama3:8b",
        reasoning="hm",
        logprobs=logprobs,
        raw=json.dumps(body).encode(),
    )


def test_a_completion_and_vectors():
    done = decode(
        {**STATS, "response": "on", "thinking": "", "context": [1, 2]}, operation=Operation.COMPLETION
    )
    assert (done.text, done.reasoning, done.usage) == ("on", None, Usage(11, 18))
    body = {"model": "m", "embeddings": [[0.5, 1, -1e-3]], "total_duration": 1, "prompt_eval_count": 2}
    embedded = decode(body, operation=Operation.EMBEDDING)
    assert embedded.embeddings == ([0.5, 1.0, -0.001],)
    assert (embedded.text, embedded.usage, embedded.model) == ("", Usage(2), "m")
    for vectors in ([], [[1], [2]], None, [[None]], [1], "x"):
        fault = decode({**body, "embeddings": vectors}, operation=Operation.EMBEDDING)
        assert fault.kind == "bad_reply"


def test_tool_calls_are_in_the_canonical_form():
    answer = decode({
        **STATS,
        "message": {"content": "", "tool_calls": [CALLED, {"id": "x", "function": {"name": "g"}}, 7]},
    })
    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls == (
        {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "x", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    )


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": None, "eval_count": 3}, Usage(0, 3)),
        ({"prompt_eval_count": 3.0, "eval_count": "4"}, Usage(3, 4)),
        ({"prompt_eval_count": None, "eval_count": None}, None),
        ({"prompt_eval_count": -1}, None),
        ({"eval_count": 2**60}, None),
        ({"eval_count": 1.5}, None),
        ({"eval_count": []}, None),
        ({"eval_count": "many"}, None),
    ],
)
def test_what_was_used_never_costs_the_answer(counts, usage):
    answer = decode({**STATS, **counts, "message": {"content": "a"}})
    assert (answer.text, answer.usage) == ("a", usage)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": {"role": "assistant", "content": "a"}}, "a"),
        ({**STATS, "message": {}}, ""),
        ({**STATS, "message": {"content": None}}, ""),
        ({**STATS, "message": {"content": "a", "tool_calls": None}, "logprobs": None, "model": 7}, "a"),
        (b'{"message":{"content":"cut \\ud83d"},"done":true}', "cut \ufffd"),
        (b'\n {"message":{"content":"a\tb"},"done":true,"logprobs":[NaN]}\n', "a\tb"),
    ],
)
def test_an_answer_is_read_however_it_is_written(body, text):
    assert decode(body).text == text


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid think value"}, "invalid_request"),
        (400, {"error": '"gemma" does not support tools'}, "invalid_request"),
        (400, {"error": "the input length exceeds the context length"}, "too_long"),
        (401, {"error": "unauthorized"}, "auth"),
        (403, b"Forbidden", "auth"),
        (404, {"error": "model 'x' not found"}, "not_found"),
        (404, b"404 page not found", "not_found"),
        (429, {"error": "you've reached your hourly usage limit"}, "rate_limited"),
        (
            429,
            {"error": "you have reached your weekly usage limit, upgrade for higher limits"},
            "quota_exhausted",
        ),
        (500, {"error": "model runner has unexpectedly stopped"}, "server_error"),
        (502, {"error": "upstream"}, "server_error"),
        (503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, "overloaded"),
        (200, {"error": "an error was encountered while running the model"}, "server_error"),
        (200, b"", "bad_reply"),
        (200, b"Ollama is running", "bad_reply"),
        (200, [], "bad_reply"),
        (200, {"message": "Hi"}, "bad_reply"),
        (200, {"message": {"content": ["Hi"]}}, "bad_reply"),
        (200, {"message": {"content": "half"}, "done": False}, "bad_reply"),
        (200, b'{"message":{"content":"a"},"done":false}\n{"done":true}\n', "bad_reply"),
    ],
)
def test_every_failure_is_its_fault(status, body, kind):
    fault = decode(body, status)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (kind, status)


def test_the_servers_words_are_kept():
    assert decode({"error": "model 'x' not found"}, 404).detail == "model 'x' not found"


@given(STATUSES, bodies(*NAMES), st.sampled_from(Operation))
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body, operation):
    asked = request(operation=operation)
    answer = HttpReply(status, CIMultiDict(), body)
    check(PROVIDER.decode(answer, asked), status)
    PROVIDER.adverts(answer)


def test_no_depth_breaks_it():
    check_depths(decode, reader, b"%s\n")


# Streams.


def lines(*documents):
    return b"".join(json.dumps(document, ensure_ascii=False).encode() + b"\n" for document in documents)


def piece(**message):
    return {"model": "llama3:8b", "message": {"role": "assistant", "content": "", **message}, "done": False}


STREAM = lines(
    piece(thinking="h"),
    piece(thinking="m"),
    {**piece(content="Grüß"), "logprobs": [{"token": "Grüß"}]},
    piece(content=" \n😀"),
    piece(tool_calls=[CALLED]),
    {**STATS, "message": {"role": "assistant", "content": ""}},
)


def reader(operation=Operation.CHAT):
    return PROVIDER.reader(HEAD, request(operation=operation))


def test_a_stream_is_read_the_same_wherever_it_is_cut():
    text, thoughts, answer = check_cuts(reader, STREAM)
    assert (text, thoughts) == ("Grüß \n😀", "hm")
    assert (answer.text, answer.reasoning, answer.finish_reason) == (text, thoughts, "tool_calls")
    assert (answer.usage, answer.model, answer.logprobs) == (Usage(11, 18), "llama3:8b", [{"token": "Grüß"}])
    assert answer.tool_calls[0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert answer.raw == STREAM


def test_a_stream_of_a_completion_may_lack_its_last_line_feed():
    stream = lines({"response": "a", "done": False}, {"response": "b", **STATS}).strip()
    assert read_whole(reader(), stream)[2].text == "ab"
    after = reader()
    after.feed(stream + b"\n")
    assert after.is_over
    assert after.feed(b"more\n") == []


@pytest.mark.parametrize("end", range(1, len(STREAM) - 2, 7))
def test_without_its_last_line_it_is_no_answer(end):
    assert read_whole(reader(), STREAM[:end])[2].kind == "bad_reply"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"error":"model runner has unexpectedly stopped"}', "server_error"),
        (b'{"error":"server busy","status":503}', "server_error"),
        (b"<html>", "bad_reply"),
        (b"[]", "bad_reply"),
        (b"", "bad_reply"),
    ],
)
def test_what_goes_wrong_in_a_stream_is_its_fault(line, kind):
    _, _, fault = read_whole(reader(), lines(piece(content="a")) + line + b"\n")
    assert (fault.kind, fault.http_status) == (kind, 200)


@given(st.lists(bodies(*NAMES), max_size=4))
def test_reading_never_raises(pieces):
    reading = reader()
    for body in pieces:
        reading.feed(body + b"\n")
    check(reading.result())
