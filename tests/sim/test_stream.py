"""Streams: OpenAI's chunks in their order, their pace, and how they break."""

import msgspec
import pytest

from .harness import Provider, chat, read

USAGE = {"include_usage": True}


def stream(text="one two three", toml="", **parameters):
    return Provider(toml).arrive(chat(text, stream=True, **parameters)).script


def chunks(script):
    return [msgspec.json.decode(event) for event in read(script).events if event != b"[DONE]"]


def test_the_chunks_come_in_openais_order():
    reply = read(stream())
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.events[-1] == b"[DONE]"
    deltas = [chunk["choices"][0] for chunk in chunks(stream())]
    assert deltas[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(each["delta"]["content"] for each in deltas[1:-1]) == "echo: one two three"
    assert (deltas[-1]["delta"], deltas[-1]["finish_reason"]) == ({}, "stop")
    assert {each["finish_reason"] for each in deltas[:-1]} == {None}


def test_usage_comes_last_without_choices():
    *others, last = chunks(stream(stream_options=USAGE))
    assert {chunk["usage"] for chunk in others} == {None}
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 5)
    assert all("usage" not in chunk for chunk in chunks(stream()))


def test_several_choices_take_turns():
    indexes = [chunk["choices"][0]["index"] for chunk in chunks(stream("a", n=2))]
    assert indexes[:4] == [0, 1, 0, 1]


def test_a_tool_call_comes_in_fragments():
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"properties": {"q": {"type": "string"}}}},
    }
    deltas = [c["choices"][0]["delta"] for c in chunks(stream(tools=[tool], tool_choice="required"))]
    first = deltas[0]["tool_calls"][0]
    assert (first["index"], first["function"]) == (0, {"name": "f", "arguments": ""})
    fragments = [each["tool_calls"][0]["function"]["arguments"] for each in deltas[1:-1]]
    assert len(fragments) > 1
    assert msgspec.json.decode("".join(fragments)) == {"q": "echo: one two three"}


def test_the_pace_is_tokens_per_second_after_the_latency():
    script = stream(toml='[models."*"]\nlatency = "2s"\ntokens_per_s = 2')
    moments = [at for at, _ in script.pieces]
    assert moments == sorted(moments)
    assert moments[0] == 2 * 10**9
    assert script.lasts == (2 + len("echo: one two three") / 4 / 2) * 10**9


def test_without_a_pace_it_is_one_write():
    assert len(stream().pieces) == 1


@pytest.mark.parametrize(
    ("kind", "ending", "last"),
    [
        ("stall", "stall", None),
        ("reset", "reset", None),
        ("truncate", "keep", None),
        ("malformed", "keep", b'{"id":"chatcmpl-'),
        ("error200", "keep", b'{"error"'),
    ],
)
def test_a_fault_breaks_it_half_way(kind, ending, last):
    script = stream(toml=f'[[models."*".faults]]\nkind = "{kind}"')
    events = read(script).events
    assert script.ending == ending
    assert 1 < len(events) < len(read(stream()).events)
    assert b"[DONE]" not in events
    assert b'"finish_reason":"stop"' not in b"".join(events)
    assert last is None or events[-1].startswith(last)
    whole = script.pieces[-1][1].endswith(b"0\r\n\r\n")
    assert whole == (ending == "keep")


def test_a_fault_of_the_reply_is_streamed_too():
    last = chunks(stream(toml='[[models."*".faults]]\nkind = "length"'))[-1]
    assert last["choices"][0]["finish_reason"] == "length"


def test_a_refusal_is_not_a_stream():
    reply = read(stream(toml='[[models."*".faults]]\nkind = "429"'))
    assert (reply.status, reply.headers["content-type"]) == (429, "application/json")
