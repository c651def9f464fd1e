"""Cohere, without an SDK of its own here: the wire as its documentation has it."""

import json

import httpx2
import pytest
from tests.sim.sdk.said import CALLED, KEY, SCHEMA, fault

pytestmark = pytest.mark.real_time
TOOL = {"type": "function", "function": {"name": "travel", "parameters": SCHEMA}}


@pytest.fixture(scope="module")
def http(root):
    with httpx2.Client(base_url=root, headers={"Authorization": f"Bearer {KEY}"}) as client:
        yield client


def post(http, content="hello", **more):
    return http.post(
        "/v2/chat", json={"model": "m", "messages": [{"role": "user", "content": content}]} | more
    )


def test_a_chat(http):
    reply = post(http, thinking={"type": "enabled"}).json()
    thought, said = reply["message"]["content"]
    assert (thought["thinking"], said["text"]) == ("thinking about: hello", "echo: hello")
    assert (reply["finish_reason"], reply["usage"]["billed_units"]) == (
        "COMPLETE",
        {"input_tokens": 2, "output_tokens": 9},
    )
    assert post(http, max_tokens=2).json()["finish_reason"] == "MAX_TOKENS"
    form = {"type": "json_object", "json_schema": SCHEMA}
    assert json.loads(post(http, response_format=form).json()["message"]["content"][0]["text"]) == CALLED
    called = post(http, tools=[TOOL], tool_choice="REQUIRED").json()
    assert json.loads(called["message"]["tool_calls"][0]["function"]["arguments"]) == CALLED
    assert called["finish_reason"] == "TOOL_CALL"


def test_a_stream(http):
    lines = post(http, "hello to you", stream=True).text.splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [
        event["type"] for event in events
    ]
    texts = [e["delta"]["message"]["content"]["text"] for e in events if e["type"] == "content-delta"]
    assert "".join(texts) == "echo: hello to you"
    assert events[-1]["delta"]["finish_reason"] == "COMPLETE"


def test_embeddings(http):
    body = {
        "model": "m",
        "texts": ["a", "b"],
        "input_type": "classification",
        "embedding_types": ["float", "base64"],
    }
    reply = http.post("/v2/embed", json=body).json()
    assert [len(vector) for vector in reply["embeddings"]["float"]] == [64, 64]
    assert len(reply["embeddings"]["base64"]) == 2
    assert reply["texts"] == ["a", "b"]
    assert http.post("/v2/embed", json=body | {"texts": []}).status_code == 400


@pytest.mark.parametrize(
    ("kind", "status"),
    [("400", 400), ("auth", 401), ("not_found", 404), ("429", 429), ("quota", 402), ("503", 503)],
)
def test_errors_are_an_id_and_a_message(http, kind, status):
    reply = post(http, fault(kind))
    assert (reply.status_code, set(reply.json())) == (status, {"id", "message"})
