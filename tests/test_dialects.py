"""Runs in the dialects that are not OpenAI's chat, against the simulator that the vendors' own clients take for real."""

import json
import urllib.request
from dataclasses import replace

import pytest

import brimline as bl
from brimline.providers import StreamingProvider, find_provider
from brimline.types import HttpReply, Operation, Request, Response, Secret

SCENARIO = """
[models."*"]
latency = "1ms"

[[models."*".faults]]
kind = "429"
times = 1
when = "a"
retry_after = "1ms"

[[models."*".faults]]
kind = "content_filter"
when = "forbidden"
"""
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ROWS = [
    {"prompt": "Hello"},
    {"prompt": ["a", "b"]},
    {"prompt": "this is forbidden"},
    {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [
        {"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": PIXEL}}]}]},
]  # fmt: skip
PARAMS = {"temperature": 0.5, "max_tokens": 50, "top_p": 0.9}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}]
FORM = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}

PLACES = {
    "ollama": ("ollama", "", {}),
    "responses": ("openai-responses", "/v1", {}),
    "cohere": ("cohere", "", {}),
    "bedrock": ("bedrock", "", {"region": "eu-west-1"}),
}

THINKING = {"bedrock": {"thinking": {"type": "enabled", "budget_tokens": 2000}}}
"""How a model is made to think, where it is the model's own business."""


@pytest.fixture
def endpoint(simulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = simulator(SCENARIO).url.removesuffix("/v1")

    def make(name, key="none"):
        provider, path, options = PLACES[name]
        return bl.Endpoint(provider=provider, base_url=url + path, key=key, options=options)

    return make


def run(endpoint, tmp_path):
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    bl.run("in.jsonl", model="lab/m", output="out.jsonl", endpoints={"lab": endpoint}, params=PARAMS)
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", PLACES)
def test_a_run_in_another_dialect_is_a_run_like_any_other(name, endpoint, tmp_path, monkeypatch):
    lab = endpoint(name, Secret("sk-x"))
    lines = run(lab, tmp_path)
    assert [line["response"] for line in lines] == [
        "echo: Hello",
        ["echo: a", "echo: b"],
        None,
        "echo: look [image/png 70 bytes]",
    ]
    assert [line["error"] and line["error"]["kind"] for line in lines] == [None, None, "content_filter", None]
    assert [line["finish_reason"] for line in lines] == ["stop", "stop", None, "stop"]
    assert sum(line["attempts"] for line in lines) == 6, "five exchanges and one that was refused"
    assert lines[0]["usage"]["output_tokens"] > 0

    choice = {} if name == "ollama" else {"tool_choice": "required"}
    params = [{"tools": TOOLS, **choice}, {"response_format": FORM}]
    called, formed = (
        bl.map(["Hi"], model="lab/m", endpoints={"lab": lab}, params=each)[0].response for each in params
    )
    ((function, reason),) = [(call["function"], called.finish_reason) for call in called.tool_calls]
    assert (function["name"], json.loads(function["arguments"])) == ("look_up", {"a": "echo: Hi"})
    assert (reason, json.loads(formed.text)) == ("tool_calls", {"a": "echo: Hi"})


def test_a_run_that_is_signed(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    lines = run(endpoint("bedrock"), tmp_path)
    assert [line["status"] for line in lines] == ["ok", "ok", "failed", "ok"]


def test_a_run_without_what_signs_says_so(endpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("brimline.transport.sigv4.find_spec", lambda name: None)
    with pytest.raises(bl.ConfigError, match=r"pip install 'brimline\[bedrock\]'"):
        run(endpoint("bedrock"), tmp_path)


def test_a_region_that_nobody_names_is_found_before_anything_is_sent(endpoint, tmp_path):
    lab = replace(endpoint("bedrock"), options={})
    with pytest.raises(bl.InputError, match="needs a region"):
        run(lab, tmp_path)
    assert not (tmp_path / "out.jsonl").exists()


def post(url, sent):
    """Send what a provider has encoded, and return the reply in the pieces that came."""
    request = urllib.request.Request(url + sent.path, sent.body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        pieces = [*iter(lambda: reply.read1(7), b"")]
        return HttpReply(reply.status, headers, b"".join(pieces)), pieces


@pytest.mark.parametrize("name", PLACES)
def test_streams_and_vectors_are_read_as_the_simulator_sends_them(name, simulator):
    provider_name, path, options = PLACES[name]
    url = simulator().url.removesuffix("/v1") + path
    provider = find_provider(provider_name, options, url)
    message = {"role": "user", "content": "Grüße und mehr"}
    request = Request(
        id=0, model="lab/m", messages=(message,), params=THINKING.get(name, {"reasoning_effort": "high"})
    )
    if isinstance(provider, StreamingProvider):
        head, pieces = post(url, provider.encode_stream(request, ()))
        reader = provider.reader(head, request)
        deltas = [delta for piece in pieces for delta in reader.feed(piece)]
        whole = provider.decode(post(url, provider.encode(request, ()))[0], request)
        answer = reader.result()
        assert isinstance(answer, Response)
        assert "".join(delta.text for delta in deltas) == answer.text == whole.text == "echo: Grüße und mehr"
        thoughts = "".join(delta.reasoning for delta in deltas)
        assert answer.reasoning == whole.reasoning == "thinking about: Grüße und mehr"
        assert thoughts == ("" if name == "responses" else answer.reasoning)  # it sends them whole there
        assert (answer.usage, answer.finish_reason) == (whole.usage, whole.finish_reason)
    embedding = Request(id=0, model="lab/m", messages=(message,), operation=Operation.EMBEDDING)
    if provider.problem(embedding) is None:
        (vector,) = provider.decode(post(url, provider.encode(embedding, ()))[0], embedding).embeddings
        assert len(vector) > 1


def test_openais_vectors_are_the_same_packed_and_as_numbers(simulator):
    url = simulator().url
    provider = find_provider("openai", {}, url)
    message = {"role": "user", "content": "Hi"}
    vectors = []
    for form in ("base64", "float"):
        request = Request(
            id=0,
            model="lab/m",
            messages=(message,),
            operation=Operation.EMBEDDING,
            params={"encoding_format": form},
        )
        (vector,) = provider.decode(post(url, provider.encode(request, ()))[0], request).embeddings
        vectors.append([*vector])
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)
