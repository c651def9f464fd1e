"""Two servers of one's own with the same path: prompto's and Hugging Face's TGI."""

import json

import httpx2
import pytest
from tests.sim.sdk.said import CALLED, KEY, SCHEMA, fault

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def http(root):
    with httpx2.Client(base_url=root, headers={"Authorization": f"Bearer {KEY}"}) as client:
        yield client


def test_promptos_server(http):
    reply = http.post("/generate", json={"text": "hello", "model": "m", "options": {}})
    assert reply.json() == {"response": [{"generated_text": "echo: hello"}], "model": "m"}


def generate(http, text, path="/generate", **parameters):
    return http.post(path, json={"inputs": text, "parameters": parameters, "model": "m"})


def test_tgi(http):
    reply = generate(http, "hello", max_new_tokens=2, details=True).json()
    assert (reply["generated_text"], reply["details"]["finish_reason"]) == ("echo: he", "length")
    form = generate(http, "hello", grammar={"type": "json", "value": SCHEMA}).json()
    assert json.loads(form["generated_text"]) == CALLED
    lines = generate(http, "hello to you", path="/generate_stream").text.split("\n\n")
    events = [json.loads(line.removeprefix("data:")) for line in lines if line]
    assert "".join(event["token"]["text"] for event in events[:-1]) == "echo: hello to you"
    assert events[-1]["generated_text"] == "echo: hello to you"


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("400", 422, "validation"),
        ("429", 429, "overloaded"),
        ("529", 429, "overloaded"),
        ("500", 500, "incomplete_generation"),
    ],
)
def test_errors_have_a_type(http, kind, status, said):
    reply = generate(http, fault(kind))
    assert (reply.status_code, reply.json()["error_type"]) == (status, said)
