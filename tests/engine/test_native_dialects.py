"""Whole runs over the wire of Anthropic, Gemini and Vertex AI: every kind of row, and errors that mean what they should."""

import json

import pytest

import brimline as bl
from brimline import Endpoint
from brimline.providers import find_provider
from brimline.transport import HttpTransport
from tests.servers import SimServer

SCENARIO = """
keys = ["sk-good"]
[models."*"]
requests = { rate = "6000/min", bucket = 3 }
headers = true
[[models."*".faults]]
kind = "429"
when = "once too often"
times = 1
retry_after = "200ms"
[[models."*".faults]]
kind = "filter200"
when = "forbidden"
[[models."*".faults]]
kind = "quota"
when = "penniless"
"""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 40
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    },
}
SHAPE = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
CALL = {"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"q":"x"}'}}
ROWS = [
    {"id": "text", "prompt": "How are you?", "parameters": {"max_tokens": 40, "temperature": 0.5, "top_p": 0.9, "stop": ["END"]}},
    {"id": "turns", "prompt": ["One", "Two"]},
    {"id": "system", "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    {"id": "late", "prompt": [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."}]},
    {"id": "image", "prompt": [{"role": "user", "content": ["See", {"type": "image_url", "image_url": "dot.png"}]}]},
    {"id": "anthropics", "prompt": [{"role": "user", "content": [{"type": "image", "source": {"media": "dot.png"}}, "See"]}]},
    {"id": "googles", "prompt": [{"role": "user", "parts": "Hi"}, {"role": "model", "parts": ["Yes?"]}, {"role": "user", "parts": [{"type": "image", "media": "dot.png"}, "See"]}]},
    {"id": "tool", "prompt": "Look", "parameters": {"tools": [TOOL], "tool_choice": "required"}},
    {"id": "result", "prompt": [{"role": "user", "content": "Look"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_a", "content": "42"}], "parameters": {"tools": [TOOL]}},
    {"id": "schema", "prompt": "Give a", "parameters": {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SHAPE}}}},
    {"id": "short", "prompt": "Count to a hundred please", "parameters": {"max_tokens": 1}},
    {"id": "patient", "prompt": "once too often"},
    {"id": "blocked", "prompt": "forbidden"},
]  # fmt: skip


@pytest.fixture(scope="module")
def server():
    server = SimServer(SCENARIO)
    yield server
    server.stop()


DIALECTS = {
    "anthropic": ("anthropic", {}),
    "gemini": ("gemini", {}),
    "vertexai": ("vertex", {"project": "p", "location": "l"}),
}


def endpoint(name, server, key="sk-good"):
    provider, options = DIALECTS[name]
    return {
        name: Endpoint(
            provider=provider, base_url=server.url.removesuffix("/v1"), key=bl.Secret(key), options=options
        )
    }


def run(name, rows, server, folder, **more):
    (folder / "media").mkdir(exist_ok=True)
    (folder / "media" / "dot.png").write_bytes(PNG)
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = folder / "out.jsonl"
    config = bl.Config(endpoints=endpoint(name, server, **more))
    report = bl.run(source, model=f"{name}/model-{name}", output=output, config=config)
    return report, {row["id"]: row for row in map(json.loads, output.read_text().splitlines())}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_kind_of_row_is_answered_over_the_dialects_own_wire(name, server, tmp_path):
    report, done = run(name, ROWS, server, tmp_path)
    failed = {
        each: (row["error"]["kind"], row["error"]["message"])
        for each, row in done.items()
        if row["status"] != "ok"
    }
    assert failed.keys() == {"late", "blocked"}
    assert failed["late"][0] == "invalid_request"
    assert "a system message comes after another one" in failed["late"][1]
    assert failed["blocked"][0] == "content_filter"
    assert (report.ok, report.pending) == (len(ROWS) - 2, 0)
    assert done["text"]["response"] == "echo: How are you?"
    assert done["text"]["usage"]["input_tokens"] > 0 < done["text"]["usage"]["output_tokens"]
    assert done["text"]["served_model"].startswith(f"model-{name}")
    assert done["text"]["request_id"]
    assert done["turns"]["response"] == ["echo: One", "echo: Two"]
    assert all("image/png" in done[each]["response"] for each in ("image", "anthropics", "googles"))
    assert done["tool"]["finish_reason"] == "tool_calls"
    assert isinstance(json.loads(done["schema"]["response"])["a"], int)
    assert done["short"]["finish_reason"] == "length"
    assert done["patient"]["attempts"] == 2


@pytest.mark.parametrize(
    ("name", "prompt", "key", "stop"),
    [(name, "Hi", "sk-bad", "auth") for name in DIALECTS]
    + [(name, "penniless", "sk-good", "quota_exhausted") for name in ("anthropic", "gemini")],
)
def test_what_stops_an_endpoint_stops_it(name, prompt, key, stop, server, tmp_path):
    report, done = run(name, [{"id": 0, "prompt": prompt}], server, tmp_path, key=key)
    assert (report.ok, report.failed, report.pending, done) == (0, 0, 1, {})
    assert stop in str(report.stops) + str(report.stopped)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("params", [{}, {"tools": [TOOL], "tool_choice": "required"}, {"max_tokens": 1}])
async def test_an_answer_in_pieces_is_the_one_that_it_would_have_been(name, params, server):
    place = endpoint(name, server)[name]
    provider = find_provider(place.provider, place.options)
    asked = bl.Request(
        id=0,
        model=f"{name}/{name}-{len(params)}",
        messages=({"role": "user", "content": "A few words"},),
        params=params,
    )
    transport = HttpTransport(place.base_url, provider.headers(place.key))
    try:
        whole = await transport.send(provider.encode(asked, ()), lambda: None)
        stream = await transport.send(provider.encode_stream(asked, ()), lambda: None)
    finally:
        await transport.close()
    reader = provider.reader(stream, asked)
    deltas = [
        delta for at in range(0, len(stream.body), 50) for delta in reader.feed(stream.body[at : at + 50])
    ]
    pieces, answer = reader.result(), provider.decode(whole, asked)
    assert reader.is_over
    assert "".join(delta.text for delta in deltas) == pieces.text
    assert pieces.usage is not None
    calls = [[each["function"] for each in found.tool_calls] for found in (pieces, answer)]
    assert calls[0] == calls[1]
    for member in ("text", "finish_reason", "usage", "model", "reasoning"):
        assert getattr(pieces, member) == getattr(answer, member), member
