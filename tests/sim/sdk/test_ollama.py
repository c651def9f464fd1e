"""The official ollama client takes the simulator for a server of its own."""

import json
from contextlib import contextmanager

import httpx
import ollama
import pytest
from tests.sim.sdk.said import CALLED, JPEG, KEY, MOOD, SCHEMA, Mood, fault

pytestmark = pytest.mark.real_time
ARGUMENTS = CALLED | {"days": 1}  # the client knows no bounds, and drops them
TOOL = {"type": "function", "function": {"name": "travel", "parameters": SCHEMA}}


@contextmanager
def connect(root, timeout=5):
    client = ollama.Client(host=root, timeout=timeout, headers={"Authorization": f"Bearer {KEY}"})
    yield client
    client._client.close()


@pytest.fixture(scope="module")
def client(root):
    with connect(root) as client:
        yield client


@pytest.fixture(scope="module")
def hurried(root):
    with connect(root, 0.3) as client:
        yield client


def ask(client, content="hello", **more):
    return client.chat(model="m", messages=[{"role": "user", "content": content}], **more)


def test_a_chat(client):
    reply = ask(client, think=True)
    assert (reply.message.content, reply.message.thinking) == ("echo: hello", "thinking about: hello")
    assert (reply.done, reply.done_reason, reply.prompt_eval_count, reply.eval_count) == (True, "stop", 2, 9)
    short = ask(client, options={"num_predict": 2})
    assert (short.message.content, short.done_reason) == ("echo: he", "length")
    assert ask(client, fault("null_content")).message.content == ""


def test_a_stream_of_lines(client):
    lines = [*ask(client, "hello to you", stream=True)]
    assert "".join(line.message.content for line in lines) == "echo: hello to you"
    assert [line.done for line in lines] == [False] * 4 + [True]
    assert (lines[-1].done_reason, lines[-1].eval_count) == ("stop", 5)


def test_it_streams_unless_told_not_to(client):
    reply = client._client.post(
        "/api/chat", json={"model": "m", "messages": [{"role": "user", "content": "a b"}]}
    )
    assert reply.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [line["done"] for line in lines] == [False, False, False, True]


def test_a_tool_is_called_whenever_it_is_the_models_turn(client):
    reply = ask(client, tools=[TOOL])
    [call] = reply.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("travel", ARGUMENTS)
    turns = [
        {"role": "user", "content": "hello"},
        reply.message,
        {"role": "tool", "content": "done", "tool_name": "travel"},
    ]
    assert client.chat(model="m", messages=turns, tools=[TOOL]).message.content == "echo: hello"
    streamed = [*ask(client, tools=[TOOL], stream=True)]
    assert streamed[0].message.tool_calls[0].function.arguments == ARGUMENTS


def test_an_answer_with_a_form(client):
    assert Mood.model_validate_json(ask(client, format=Mood.model_json_schema()).message.content) == MOOD
    assert json.loads(ask(client, format="json").message.content) == {"text": "echo: hello"}


def test_generate_with_an_image(client):
    reply = client.generate(model="m", prompt="look", images=[JPEG])
    assert reply.response == "echo: look [image/jpeg 24 bytes]"
    lines = client.generate(model="m", prompt="one two", stream=True)
    assert "".join(line.response for line in lines) == "echo: one two"


def test_embeddings(client):
    both = client.embed(model="m", input=["a", "b"])
    one = client.embed(model="m", input="b")
    assert both.embeddings[1] == one.embeddings[0] != both.embeddings[0]
    assert (both.prompt_eval_count, sum(x * x for x in one.embeddings[0])) == (2, pytest.approx(1))
    assert client.embeddings(model="m", prompt="b").embedding == one.embeddings[0]
    assert len(client.embed(model="m", input="a", dimensions=7).embeddings[0]) == 7


STATUSES = {
    "400": 400,
    "content_filter": 400,
    "auth": 401,
    "not_found": 404,
    "429": 429,
    "quota": 429,
    "500": 500,
    "html502": 502,
    "503": 503,
    "529": 503,
}


@pytest.mark.parametrize(("kind", "status"), STATUSES.items())
def test_each_error_is_the_clients_own(client, kind, status):
    for send in (ask, lambda client, text: client.embed(model="m", input=text)):
        with pytest.raises(ollama.ResponseError) as caught:
            send(client, fault(kind))
        assert caught.value.status_code == status
    with pytest.raises(ollama.ResponseError):
        [*ask(client, fault(kind), stream=True)]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", httpx.ReadError),
        ("truncate", httpx.RemoteProtocolError),
        ("malformed", ValueError),
    ],
)
def test_each_broken_reply_is_the_clients_own_error(client, kind, error):
    with pytest.raises(error):
        ask(client, fault(kind))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", httpx.ReadError),
        ("malformed", ValueError),
        ("stream_error", ollama.ResponseError),
    ],
)
def test_each_broken_stream_is_the_clients_own_error(client, kind, error):
    with pytest.raises(error):
        [*ask(client, fault(kind), stream=True)]


def test_silence_is_the_clients_own_error(hurried):
    with pytest.raises(httpx.ReadTimeout):
        ask(hurried, fault("stall"))
    with pytest.raises(httpx.ReadTimeout):
        [*ask(hurried, fault("idle"), stream=True)]


def test_a_stream_that_is_cut_has_no_last_line(client):
    lines = [*ask(client, fault("cut"), stream=True)]
    assert "".join(line.message.content for line in lines) == f"echo: {fault('cut')}"
    assert {line.done for line in lines} == {False}


def test_an_unknown_model_and_the_known_ones(client):
    with pytest.raises(ollama.ResponseError, match="model 'x' not found") as caught:
        client.chat(model="x", messages=[])
    assert caught.value.status_code == 404
    assert {model.model for model in client.list().models} >= {"m", "small"}
