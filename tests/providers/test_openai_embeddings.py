"""OpenAI's embeddings: texts in, vectors out, in any order and either form."""

import json
import struct
from array import array
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from multidict import CIMultiDict

from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Fault, HttpReply, Operation, Request, Usage
from tests.providers.anything import STATUSES, bodies, check, check_depths
from tests.providers.replies import reply

PROVIDER = OpenAIChat()
NAMES = ("data", "embedding", "index", "usage", "prompt_tokens", "model", "error", "message", "code")


def request(text="Hi", **more):
    messages = ({"role": "user", "content": text},)
    model = "openai/text-embedding-4"
    return Request(**{
        "id": 0,
        "model": model,
        "messages": messages,
        "operation": Operation.EMBEDDING,
        **more,
    })


def vector(*numbers, index=0, packed=True):
    form = b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode() if packed else list(numbers)
    return {"object": "embedding", "index": index, "embedding": form}


def vectors(*data, **more):
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return {"object": "list", "data": list(data), "model": "text-embedding-4", "usage": usage, **more}


def decode(body, status=200, **headers):
    return PROVIDER.decode(reply(status, body, **headers), request())


def decode_three(body):
    """A reply to three texts at once."""
    asked = replace(request(), messages=(), parts=tuple(request(text) for text in "abc"))
    return PROVIDER.decode(reply(200, body), asked)


def test_a_text_is_sent_and_packed_vectors_are_asked_for():
    asked = request("Hällo", params={"dimensions": 256, "user": "u"})
    assert PROVIDER.problem(asked) is None
    sent = PROVIDER.encode(asked, ())
    assert sent.path == "/embeddings"
    assert json.loads(sent.body) == {
        "model": "text-embedding-4",
        "input": ["Hällo"],
        "encoding_format": "base64",
        "dimensions": 256,
        "user": "u",
    }
    plain = PROVIDER.encode(request(params={"encoding_format": "float"}), ())
    assert json.loads(plain.body)["encoding_format"] == "float"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"params": {"input": "x"}}, "parameter 'input'"),
        ({"text": [{"type": "image_url", "image_url": {"url": "x"}}]}, "what is no text"),
        ({"follow_ups": ("b",)}, "not of a conversation"),
    ],
)
def test_what_cannot_be_embedded_is_said_before_anything_is_sent(more, named):
    assert named in PROVIDER.problem(request(**more))


def test_vectors_come_back_with_all_that_belongs_to_them():
    answer = decode(vectors(vector(0.5, -1.25, 3e-5)), x_request_id="req_1")
    assert answer.embeddings == (array("f", [0.5, -1.25, 3e-5]),)
    assert (answer.text, answer.usage, answer.model) == ("", Usage(8, 0), "text-embedding-4")
    assert (answer.request_id, answer.finish_reason) == ("req_1", None)
    numbers = decode(vectors(vector(0.5, 1, packed=False))).embeddings
    assert numbers == ([0.5, 1.0],)


def test_vectors_are_in_the_order_of_the_texts():
    given = [vector(3, index=2), vector(1, index=0), vector(2, index=1)]
    assert [list(each) for each in decode_three(vectors(*given)).embeddings] == [[1], [2], [3]]
    nameless = [{"embedding": [number]} for number in (1, 2, 3)]
    assert decode_three(vectors(*nameless)).embeddings == ([1], [2], [3])


@pytest.mark.parametrize("places", [(0, 1), (0, 1, 2, 3), (0, 1, 1), (1, 2, 3), (-1, 0, 1), (0, 2, 2**60)])
def test_another_number_of_vectors_or_no_order_is_a_bad_reply(places):
    fault = decode_three(vectors(*(vector(1, index=place) for place in places)))
    assert fault.kind == "bad_reply"


@pytest.mark.parametrize(
    ("usage", "used"),
    [(None, None), ({}, None), ({"prompt_tokens": -1}, None), ({"prompt_tokens": "x"}, None), (7, None), ({"prompt_tokens": 3}, Usage(3))],
)  # fmt: skip
def test_what_was_used_never_costs_the_answer(usage, used):
    answer = decode(vectors(vector(1), usage=usage))
    assert (len(answer.embeddings), answer.usage) == (1, used)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, vectors(), "bad_reply"),
        (200, vectors({"index": 0, "embedding": "AAA"}), "bad_reply"),
        (200, vectors({"index": 0, "embedding": "AAAA"}), "bad_reply"),
        (200, vectors({"index": 0, "embedding": "????"}), "bad_reply"),
        (200, vectors({"index": 0, "embedding": ""}), "bad_reply"),
        (200, vectors({"index": 0, "embedding": []}), "bad_reply"),
        (200, vectors({"index": 0, "embedding": None}), "bad_reply"),
        (200, vectors({"index": 0, "embedding": [None]}), "bad_reply"),
        (200, vectors({"index": "0", "embedding": [1]}), "bad_reply"),
        (200, vectors({"index": 0}), "bad_reply"),
        (200, b"{}", "bad_reply"),
        (200, b"", "bad_reply"),
        (200, [], "bad_reply"),
        (200, {"error": {"message": "no", "code": "rate_limit_exceeded"}}, "rate_limited"),
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens"}}, "too_long"),
        (400, {"error": {"message": "Invalid 'input'"}}, "invalid_request"),
        (401, {"error": {"message": "no"}}, "auth"),
        (404, {"error": {"message": "no"}}, "not_found"),
        (429, {"error": {"message": "no", "code": "insufficient_quota"}}, "quota_exhausted"),
        (500, b"", "server_error"),
    ],
)
def test_every_failure_is_its_fault(status, body, kind):
    fault = decode(body, status)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (kind, status)


@given(STATUSES, bodies(*NAMES))
def test_decoding_never_raises(status, body):
    check(PROVIDER.decode(HttpReply(status, CIMultiDict(), body), request()), status)


def test_no_depth_breaks_it():
    check_depths(decode)
