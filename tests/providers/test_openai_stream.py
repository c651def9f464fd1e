"""Chunks of a chat completion: whatever way they come, the answer is the one that would have come at once."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.providers.base import StreamingProvider
from brimline.providers.mistral import Mistral
from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Delta, Fault, FaultKind, Operation, Request, Response, Usage
from tests.providers.replies import reply
from tests.thorough import examples

ASK = Request(id=0, model="lab/x", messages=({"role": "user", "content": "Hi"},))
HEAD = reply(x_request_id="req_1")
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 2}}


def chunk(delta=None, *, index=0, reason=None, **more):
    """One event: a chunk with this delta, or without choices if it is None."""
    choices = (
        []
        if delta is None
        else [
            {"index": index, "delta": delta, "finish_reason": reason, "logprobs": more.pop("logprobs", None)}
        ]
    )
    return b"data: %b\n\n" % json.dumps({"id": "c", "model": "x-2026", "choices": choices, **more}).encode()


def text(*pieces, reason="stop"):
    return b"".join((*(chunk({"content": piece}) for piece in pieces), chunk({}, reason=reason)))


def read(*pieces, head=HEAD):
    """The deltas and the result of a stream in these pieces."""
    reader = OpenAIChat().reader(head, ASK)
    deltas = [delta for piece in pieces for delta in reader.feed(piece)]
    return deltas, reader.result()


WHOLE = b"".join((
    chunk(prompt_filter_results=[{"prompt_index": 0}]),
    chunk({"role": "assistant", "content": ""}, obfuscation="aXyz"),
    b": keep-alive\n\n",
    chunk({"reasoning_content": "hm, "}),
    chunk({"reasoning": "so"}),
    chunk({"content": "Grüße "}, logprobs={"content": [{"token": "Grüße"}], "refusal": None}),
    chunk({"content": "🙂"}, usage={"prompt_tokens": 9, "completion_tokens": 1}, logprobs={"content": [{"token": "🙂"}]}),
    chunk({}, reason="stop"),
    chunk(usage=USAGE),
    DONE,
))  # fmt: skip


def test_the_dialect_can_stream():
    assert isinstance(OpenAIChat(), StreamingProvider)
    sent = json.loads(OpenAIChat().encode_stream(ASK, ()).body)
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"stream": False}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_usage": True, "include_obfuscation": False}),
        ({"stream_options": None}, None),
    ],
)  # fmt: skip
def test_what_the_user_says_of_streams_stands(given, sent):
    request = Request(id=0, model="lab/x", messages=(), params=given)
    body = json.loads(OpenAIChat().encode_stream(request, ()).body)
    assert (body["stream"], body.get("stream_options")) == (True, sent)


def test_a_whole_answer():
    deltas, response = read(WHOLE)
    assert deltas == [Delta("", "hm, "), Delta("", "so"), Delta("Grüße "), Delta("🙂")]
    assert (response.text, response.finish_reason, response.model) == ("Grüße 🙂", "stop", "x-2026")
    assert response.usage == Usage(9, 4, reasoning_tokens=2)
    assert response.request_id == "req_1"
    assert response.raw == WHOLE, "the bytes as they came"


def test_every_cut_gives_the_same_deltas_and_the_same_answer():
    expected = read(WHOLE)
    for cut in range(len(WHOLE) + 1):
        assert read(WHOLE[:cut], WHOLE[cut:]) == expected
    assert read(*(WHOLE[n : n + 1] for n in range(len(WHOLE)))) == expected
    carriage = WHOLE.replace(b"\n", b"\r\n")
    for cut in range(len(carriage) + 1):
        assert read(carriage[:cut], carriage[cut:])[0] == expected[0]


def test_a_stream_that_ends_anywhere_else_is_a_fault():
    for cut in range(len(WHOLE) - len(b"\n\n")):
        deltas, fault = read(WHOLE[:cut])
        assert isinstance(fault, Fault)
        assert fault.kind is FaultKind.BAD_REPLY
        assert "".join(delta.text for delta in deltas) in "Grüße 🙂"


@given(st.lists(st.text(max_size=6), max_size=8), st.sampled_from(["stop", "length", "tool_calls"]))
@examples(50)
def test_the_deltas_are_the_text(pieces, reason):
    deltas, response = read(text(*pieces, reason=reason) + DONE)
    assert isinstance(response, Response)
    assert "".join(delta.text for delta in deltas) == response.text == "".join(pieces)
    assert response.finish_reason == reason


def test_several_answers():
    stream = b"".join((
        chunk({"content": "b1"}, index=1), chunk({"content": "a1"}), chunk({"content": "b2"}, index=1), chunk({"content": "a2"}),
        chunk({}, reason="stop"), chunk({}, index=1, reason="length"), DONE,
    ))  # fmt: skip
    deltas, response = read(stream)
    assert response.text == ["a1a2", "b1b2"]
    assert [delta.choice for delta in deltas] == [1, 0, 1, 0]


def test_two_answers_in_one_chunk():
    body = {
        "choices": [{"index": n, "delta": {"content": f"{n}"}, "finish_reason": "stop"} for n in range(2)]
    }
    deltas, response = read(b"data: %b\n\n" % json.dumps(body).encode() + DONE)
    assert (deltas, response.text) == ([Delta("0"), Delta("1", choice=1)], ["0", "1"])


CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
    {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]


@pytest.mark.parametrize("has_index", [True, False])
def test_tool_calls_are_put_together(has_index):
    def fragment(index, **more):
        return chunk({"tool_calls": [{"index": index, **more} if has_index else more]})

    stream = b"".join((
        fragment(0, id="call_a", type="function", function={"name": "f", "arguments": ""}),
        fragment(0, function={"arguments": '{"x"'}),
        fragment(0, function={"arguments": ": 1}"}),
        fragment(1, id="call_b", type="function", function={"name": "g", "arguments": "{}"}),
        chunk({}, reason="tool_calls"),
        DONE,
    ))  # fmt: skip
    deltas, response = read(stream)
    assert (response.text, response.finish_reason) == ("", "tool_calls")
    assert [*response.tool_calls] == CALLS
    assert deltas == [Delta()] * 4, "they show that it goes on"


def test_a_function_call_is_a_tool_call():
    stream = chunk({"function_call": {"name": "f", "arguments": '{"x"'}}) + chunk({
        "function_call": {"arguments": ": 1}"}
    })
    response = read(stream + chunk({}, reason="function_call") + DONE)[1]
    assert ([*response.tool_calls], response.finish_reason) == ([CALLS[0] | {"id": None}], "tool_calls")


def test_a_text_that_goes_on():
    ask = replace(ASK, operation=Operation.COMPLETION)
    assert json.loads(OpenAIChat().encode_stream(ask, ()).body)["stream"] is True
    reader = OpenAIChat().reader(HEAD, ask)
    texts = [
        {"index": 0, "text": "upon ", "finish_reason": None},
        {"index": 0, "text": "a time", "finish_reason": "length"},
    ]
    deltas = [
        delta
        for each in texts
        for delta in reader.feed(b"data: %b\n\n" % json.dumps({"choices": [each]}).encode())
    ]
    reader.feed(DONE)
    response = reader.result()
    assert (deltas, response.text, response.finish_reason) == (
        [Delta("upon "), Delta("a time")],
        "upon a time",
        "length",
    )


def test_mistral_does_not_know_stream_options():
    sent = json.loads(Mistral().encode_stream(ASK, ()).body)
    assert (sent["stream"], "stream_options" in sent) == (True, False)


def test_a_refusal_stands_for_the_text():
    deltas, response = read(
        chunk({"refusal": "I "}) + chunk({"refusal": "won't"}) + chunk({}, reason="stop") + DONE
    )
    assert (response.text, "".join(delta.text for delta in deltas)) == ("I won't", "I won't")


def test_thinking_in_parts_is_no_text():
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "18"},
    ]
    deltas, response = read(chunk({"content": parts}) + chunk({}, reason="stop") + DONE)
    assert (deltas, response.text) == ([Delta("18", "hm")], "18")


@pytest.mark.parametrize(
    "last",
    [
        chunk(usage=USAGE),
        chunk({"content": ""}, usage=USAGE),
        chunk({}, x_groq={"id": "r", "usage": USAGE}),
        chunk(usage=USAGE) + chunk(usage=None),
    ],
)
def test_usage_comes_in_many_places(last):
    assert read(text("a") + last + DONE)[1].usage == Usage(9, 4, reasoning_tokens=2)


def test_without_usage_there_is_none():
    assert read(text("a") + DONE)[1].usage is None


@pytest.mark.parametrize(
    ("event", "kind", "code"),
    [
        ({"error": {"message": "slow down", "code": 429}}, FaultKind.RATE_LIMITED, "429"),
        ({"error": {"message": "busy", "type": "overloaded_error"}, "choices": []}, FaultKind.OVERLOADED, "overloaded_error"),
        ({"error": "it broke"}, FaultKind.SERVER_ERROR, None),
        ({"x_groq": {"error": "it broke"}, "choices": []}, FaultKind.SERVER_ERROR, None),
        ({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}, FaultKind.SERVER_ERROR, "error"),
        ({"choices": 5}, FaultKind.BAD_REPLY, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", [b"", b"event: error\n"])
def test_an_error_in_between_ends_it(event, kind, code, name):
    deltas, fault = read(
        chunk({"content": "a"}),
        name + b"data: %b\n\n" % json.dumps(event).encode() + DONE,
        chunk({"content": "b"}),
    )
    assert (fault.kind, fault.http_status, fault.provider_code) == (kind, 200, code)
    assert deltas == [Delta("a")]


@pytest.mark.parametrize("data", [b"{", b'{"choices": [', b"\xff{", b"[DONE", b"x" * 100, b"[" * 100_000])
def test_what_cannot_be_read_ends_it(data):
    """A piece that is lost would be missing in the text."""
    fault = read(b"data: " + data + b"\n\n" + text("a") + DONE)[1]
    assert fault.kind is FaultKind.BAD_REPLY


@pytest.mark.parametrize(
    "data",
    [b"1", b'"ping"', b"null", b"[]", b"{}", b'{"type": "ping"}', b'{"choices": null}', b'{"choices": [{}]}'],
)
def test_what_is_none_of_ours_is_passed_over(data):
    assert read(text("a") + b"event: ping\ndata: " + data + b"\n\n" + DONE)[1].text == "a"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 5}, {"content": {}}, {"content": [5, None, {"text": 7}]}, {"tool_calls": 5}, {"tool_calls": [5, {}, {"function": 3}]},
        {"reasoning": {}}, {"refusal": []}, {"audio": {"data": ""}}, None,
    ],
)  # fmt: skip
def test_odd_pieces_do_not_end_it(delta):
    body = {"choices": [{"index": "0", "delta": delta, "logprobs": 5}], "model": 5, "usage": "none"}
    response = read(b"data: %b\n\n" % json.dumps(body).encode() + text("a") + DONE)[1]
    assert response.text == "a"


def test_halves_of_characters_are_repaired():
    stream = chunk({"content": "x"}).replace(b'"x"', b'"\\ud83d"') + chunk({"content": "x"}).replace(
        b'"x"', b'"\xe2\x82"'
    )
    deltas, response = read(stream + text() + DONE)
    assert response.text == "".join(delta.text for delta in deltas) == "\ufffd\ufffd"


@pytest.mark.parametrize("reason", ["content_filter", "insufficient_system_resource"])
def test_reasons_mean_what_they_mean_in_a_plain_reply(reason):
    assert isinstance(read(text(reason=reason) + DONE)[1], Fault)
    half = read(text("a", reason=reason) + DONE)[1]
    assert half.text == "a" if reason == "content_filter" else half.kind == "overloaded"


def test_what_follows_the_end_is_not_looked_at():
    assert read(text("a") + DONE + chunk({"content": "b"}) + b"data: {\n\n")[1].text == "a"
    reader = OpenAIChat().reader(HEAD, ASK)
    reader.feed(text("a") + DONE)
    assert reader.is_over
    assert reader.feed(chunk({"content": "b"})) == []
    assert reader.result().raw == text("a") + DONE


def test_an_empty_stream_is_a_fault():
    assert read()[1].kind is FaultKind.BAD_REPLY
    assert read(DONE)[1].kind is FaultKind.BAD_REPLY


@given(st.lists(st.binary(max_size=30)))
def test_it_never_raises(pieces):
    read(*(b"data: " + piece + b"\n\n" for piece in pieces))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["choices", "delta", "content", "index", "error", "usage", "tool_calls", "function", "arguments", "logprobs", "x_groq", "finish_reason", "model"]),
    inner, max_size=4), max_leaves=12)  # fmt: skip


@given(st.lists(JSON, max_size=3))
def test_no_document_makes_it_raise(documents):
    read(*(b"data: %b\n\n" % json.dumps(document).encode() for document in documents), DONE)
