"""The official anthropic SDK takes the simulator for Anthropic."""

import base64
import json

import anthropic
import httpx2
import pytest
from tests.sim.sdk.said import CALLED, JPEG, KEY, MOOD, SCHEMA, Mood, fault

pytestmark = pytest.mark.real_time
TOOLS = [{"name": "travel", "description": "", "input_schema": SCHEMA}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(scope="module")
def client(root):
    with anthropic.Anthropic(base_url=root, api_key=KEY, max_retries=0, timeout=5) as client:
        yield client


def ask(client, content="hello", **more):
    return client.messages.create(**asked(content, **more))


def asked(content="hello", **more):
    return {"model": "m", "max_tokens": 2048, "messages": [{"role": "user", "content": content}]} | more


def test_a_message(client):
    message = ask(client, system="be brief", thinking=THINKING)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert (message.content[1].text, message.stop_reason) == ("echo: hello", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (2 + 2, 3 + 6)
    assert message.usage.output_tokens_details.thinking_tokens == 6
    assert message._request_id.startswith("req_")


def test_the_headers(client):
    headers = client.messages.with_raw_response.create(**asked()).headers
    assert headers["request-id"].startswith("req_")
    assert headers["anthropic-ratelimit-requests-limit"] == "60000"
    assert headers["anthropic-ratelimit-input-tokens-reset"].endswith("Z")
    assert not [name for name in headers if name.startswith(("x-ratelimit", "openai"))]


def test_how_a_message_ends(client):
    short = ask(client, max_tokens=2)
    assert (short.content[0].text, short.stop_reason) == ("echo: he", "max_tokens")
    refused = ask(client, fault("filter200"))
    assert (refused.content, refused.stop_reason) == ([], "refusal")
    assert ask(client, fault("null_content")).content == []
    assert ask(client, fault("empty")).content[0].text == ""


def test_a_tool_is_called_and_answered(client):
    message = ask(client, tools=TOOLS, tool_choice={"type": "any"})
    [call] = message.content
    assert (call.name, call.input, message.stop_reason) == ("travel", CALLED, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "done"}
    turns = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    assert ask(client, messages=turns, tools=TOOLS).content[0].text == "echo: hello"
    named = ask(client, tools=TOOLS, tool_choice={"type": "tool", "name": "travel"})
    assert named.stop_reason == "tool_use"


def test_a_message_with_a_form(client):
    assert client.messages.parse(**asked(), output_format=Mood).parsed_output == MOOD
    schema = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert json.loads(ask(client, output_config=schema).content[0].text) == CALLED


def test_images_and_documents(client):
    def source(mime, data):
        return {"type": "base64", "media_type": mime, "data": base64.b64encode(data).decode()}

    parts = [
        {"type": "text", "text": "look"},
        {"type": "image", "source": source("image/jpeg", JPEG)},
        {"type": "document", "source": source("application/pdf", b"%PDF-1.7")},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]
    text = ask(client, parts).content[0].text
    assert (
        text == "echo: look [image/jpeg 24 bytes] [application/pdf 8 bytes] [image https://example.com/a.png]"
    )
    with pytest.raises(anthropic.BadRequestError, match="appears to be a image/jpeg image"):
        ask(client, [{"type": "image", "source": source("image/png", JPEG)}])


def test_a_stream(client):
    with client.messages.stream(**asked("hello to you"), thinking=THINKING) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "echo: hello to you" == final.content[1].text
    assert final.content[0].thinking == "thinking about: hello to you"
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 5 + 7)


def test_a_streamed_tool_call(client):
    with client.messages.stream(**asked(), tools=TOOLS, tool_choice={"type": "any"}) as stream:
        [call] = stream.get_final_message().content
    assert call.input == CALLED


def test_the_events_come_in_order(client):
    events = [event.type for event in ask(client, stream=True)]
    assert [*dict.fromkeys(events)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize(
    ("kind", "error"),
    {
        "400": anthropic.BadRequestError,
        "content_filter": anthropic.BadRequestError,
        "auth": anthropic.AuthenticationError,
        "not_found": anthropic.NotFoundError,
        "429": anthropic.RateLimitError,
        "quota": anthropic.EnforcedSpendLimitReachedError,
        "500": anthropic.InternalServerError,
        "html502": anthropic.InternalServerError,
        "503": anthropic.ServiceUnavailableError,
        "529": anthropic.OverloadedError,
        "reset": anthropic.APIConnectionError,
        "truncate": anthropic.APIConnectionError,
        "malformed": json.JSONDecodeError,
    }.items(),
)
def test_each_error_is_the_sdks_own(client, kind, error):
    with pytest.raises(error) as caught:
        ask(client, fault(kind))
    if kind in {"400", "auth", "429", "500", "529"}:
        assert caught.value.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", httpx2.ReadError),
        ("malformed", json.JSONDecodeError),
    ],
)
def test_each_broken_stream_is_the_sdks_own_error(client, kind, error):
    stream = ask(client, fault(kind), stream=True)
    with pytest.raises(error):
        list(stream)


def test_silence_is_the_sdks_own_error(client):
    hurried = client.with_options(timeout=0.3)
    with pytest.raises(anthropic.APITimeoutError):
        ask(hurried, fault("stall"))
    with pytest.raises(httpx2.ReadTimeout):
        [*ask(hurried, fault("idle"), stream=True)]


def test_an_error_inside_a_stream_has_the_status_200(client):
    texts = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        texts.extend(event for event in ask(client, fault("stream_error"), stream=True))
    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")
    with client.messages.stream(**asked(fault("cut"))) as stream:
        assert "".join(stream.text_stream) == f"echo: {fault('cut')}"
        assert stream.get_final_message().stop_reason is None


def test_an_error_in_a_200(client):
    assert ask(client, fault("error200")).content is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"messages": []}, "messages: at least one message is required"),
        ({"max_tokens": 0}, "max_tokens: "),
        (
            {"messages": [{"role": "user", "content": [{"type": "noise"}]}]},
            "messages.0.content.0: Input tag 'noise'",
        ),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "must be greater than"),
        ({"extra_body": {"temperature": 1.0}}, "temperature: this parameter is not supported"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(client, wrong, message):
    with pytest.raises(anthropic.BadRequestError, match=message):
        ask(client, **wrong)


def test_what_every_request_needs(client, root):
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    old = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    with httpx2.Client(base_url=root) as http:

        def post(headers, **more):
            reply = http.post("/v1/messages", json=body | more, headers=headers)
            return reply.status_code, reply.json()

        status, told = post(old)
        assert (status, told["error"]["message"]) == (400, "max_tokens: Field required")
        assert post(old, max_tokens=9, temperature=1.0)[0] == 200, "an old version still has it"
        assert (
            post({"x-api-key": KEY}, max_tokens=9)[1]["error"]["message"]
            == "anthropic-version: header is required"
        )
        status, told = post(old | {"x-api-key": "sk-bad"}, max_tokens=9)
        assert (status, told["error"]["type"]) == (401, "authentication_error")


def test_a_limit_and_its_wait(client):
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 6 tokens > 5 maximum"):
        ask(client, "abcd" * 6, model="small")
    ask(client, model="limited")
    with pytest.raises(anthropic.RateLimitError, match="rate limit of 60 requests per min") as caught:
        ask(client, model="limited")
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers.get("retry-after-ms")) == ("1", None)
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_the_models(client):
    assert {model.id for model in client.models.list()} >= {"m", "small"}
