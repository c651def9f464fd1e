"""Replies that no server should send, and streams cut everywhere; nothing of it may raise."""

import json

import msgspec
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.types import Delta, Fault, FaultKind, HttpReply, Response

STATUSES = st.sampled_from([200, 200, 200, 201, 301, 400, 403, 422, 429, 500, 503]) | st.integers(100, 999)
HEAD = HttpReply(200, CIMultiDict(), b"")


def json_values(*names):
    """Values of any shape, whose objects often have members of these names."""
    leaves = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(names)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(names) | st.text(max_size=3), inner, max_size=5)
        ),
        max_leaves=20,
    )


def bodies(*names):
    return st.binary(max_size=40) | json_values(*names).map(lambda value: json.dumps(value).encode())


def check(result, status=200):
    """See that a result is one, and that all of it can be written down."""
    if isinstance(result, Fault):
        assert isinstance(result.kind, FaultKind)
        assert result.http_status == status
        assert result.retry_after is None or result.retry_after > 0
        msgspec.json.encode((result.detail, result.provider_code, result.dimension))
        return
    assert isinstance(result, Response)
    assert 200 <= status < 300
    assert isinstance(result.text, str)
    assert isinstance(result.finish_reason, str | None)
    for call in result.tool_calls:
        assert call["type"] == "function"
        assert isinstance(call["function"]["arguments"], str)
        assert isinstance(call["function"]["name"], str)
    written = (result.text, result.finish_reason, result.model, result.request_id, result.tool_calls)
    msgspec.json.encode((*written, result.reasoning, result.logprobs))


def check_depths(decode, make_reader=None, framed=b""):
    """See that no depth of nesting breaks a decoder, also where it ends in the middle of what is looked at.

    Args:
        decode: Decodes a body with a status.
        make_reader: Makes a reader, if the dialect has streams.
        framed: A piece of a stream around what it holds.
    """
    for depth in [*range(100, 1200, 97), 200_000]:
        nested = b"[" * depth + b"]" * depth
        named = [b'{"%s":%s}' % (name, nested) for name in (b"error", b"message", b"output", b"embeddings")]
        calls = b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":%s}}]},"done":true}' % nested
        for body in (nested, *named, calls, b'{"error":{"message":%s}}' % nested):
            check(decode(body, 200))
            check(decode(body, 400), 400)
            if make_reader is not None:
                check(read_whole(make_reader(), framed % body)[2])


def read_whole(reader, *pieces):
    """Feed pieces; return the text and reasoning of all deltas, and the result."""
    deltas = [delta for piece in pieces for delta in reader.feed(piece)]
    assert all(isinstance(delta, Delta) and (delta.text or delta.reasoning) for delta in deltas)
    return "".join(d.text for d in deltas), "".join(d.reasoning for d in deltas), reader.result()


def check_cuts(make_reader, stream):
    """See that a stream reads the same wherever it is cut in two, and byte by byte."""
    whole = read_whole(make_reader(), stream)
    for place in range(len(stream)):
        assert read_whole(make_reader(), stream[:place], stream[place:]) == whole
    assert read_whole(make_reader(), *(stream[place : place + 1] for place in range(len(stream)))) == whole
    return whole


WEIRD = (None, 0, -1, True, 1.5, "", "x", [], [1], {}, {"a": 1}, [{}], [None], {"type": []}, {"function": 7})
"""Values that a parameter may have in a row that somebody got wrong."""

COMMON = (
    "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "seed", "n", "tools", "tool_choice",
    "response_format", "logprobs", "top_logprobs", "reasoning_effort", "presence_penalty", "frequency_penalty", "stream",
    "verbosity",
)  # fmt: skip

WRONG_MESSAGES = [
    message
    for wrong in WEIRD
    for message in (
        {"role": "user", "content": wrong},
        *(
            {"role": "user", "content": [{"type": kind, kind: wrong, "text": wrong}]}
            for kind in ("text", "image_url", "file", "input_audio")
        ),
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": wrong}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": wrong, "filename": wrong}}]},
        {"role": "assistant", "content": "a", "tool_calls": wrong},
        {"role": "assistant", "tool_calls": [{"id": wrong, "function": {"name": "f", "arguments": wrong}}]},
        {"role": "tool", "tool_call_id": wrong, "content": "x"},
        {"role": wrong, "content": "x"},
    )
]


def check_wrong_requests(provider, request, names):
    """See that whatever users write is sent or is a problem with words, and never raises.

    Args:
        provider: The provider.
        request: Makes a request.
        names: Parameters of the dialect's own that it looks at.
    """
    asked = [request(params={name: wrong, "tools": [{}]}) for name in (*COMMON, *names) for wrong in WEIRD]
    asked += [request(params={name: wrong}) for name in (*COMMON, *names) for wrong in WEIRD]
    asked += [request(messages=(message, {"role": "user", "content": "x"})) for message in WRONG_MESSAGES]
    for each in asked:
        problem = provider.problem(each)
        assert problem is None or len(problem) > 9
        if problem is None:
            json.loads(provider.encode(each, ()).body)
