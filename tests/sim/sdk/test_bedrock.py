"""AWS's own client takes the simulator for Bedrock."""

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EventStreamError, ReadTimeoutError
from tests.sim.sdk.said import CALLED, JPEG, KEY, SCHEMA, fault

pytestmark = pytest.mark.real_time
TOOL = {"toolSpec": {"name": "travel", "inputSchema": {"json": SCHEMA}}}


def connect(root, key=KEY, timeout=5):
    config = Config(retries={"total_max_attempts": 1}, read_timeout=timeout)
    return botocore.session.get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=root,
        aws_access_key_id=key,
        aws_secret_access_key="secret",
        config=config,
    )


@pytest.fixture(scope="module")
def client(root):
    client = connect(root)
    yield client
    client.close()


def asked(content="hello", **more):
    blocks = [{"text": content}] if isinstance(content, str) else content
    return {"modelId": "m", "messages": [{"role": "user", "content": blocks}]} | more


def ask(client, content="hello", **more):
    return client.converse(**asked(content, **more))


def test_a_conversation(client):
    reply = ask(client, system=[{"text": "be brief"}])
    assert reply["output"]["message"]["content"] == [{"text": "echo: hello"}]
    assert (reply["stopReason"], reply["usage"]["inputTokens"], reply["usage"]["outputTokens"]) == (
        "end_turn",
        4,
        3,
    )
    assert reply["ResponseMetadata"]["RequestId"].startswith("00000000-")
    short = ask(client, inferenceConfig={"maxTokens": 2})
    assert (short["output"]["message"]["content"][0]["text"], short["stopReason"]) == (
        "echo: he",
        "max_tokens",
    )


def test_a_tool_is_called_and_answered(client):
    config = {"tools": [TOOL], "toolChoice": {"any": {}}}
    reply = ask(client, toolConfig=config)
    [block] = reply["output"]["message"]["content"]
    assert (block["toolUse"]["input"], reply["stopReason"]) == (CALLED, "tool_use")
    result = {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": "done"}]}}
    turns = [*asked()["messages"], reply["output"]["message"], {"role": "user", "content": [result]}]
    again = ask(client, messages=turns, toolConfig={"tools": [TOOL]})
    assert again["output"]["message"]["content"] == [{"text": "echo: hello"}]


def test_an_image(client):
    image = {"image": {"format": "png", "source": {"bytes": JPEG}}}
    reply = ask(client, [{"text": "look"}, image])
    assert (
        reply["output"]["message"]["content"][0]["text"]
        == "echo: look [image/jpeg 24 bytes, sent as image/png]"
    )


def test_a_stream(client):
    events = [*client.converse_stream(**asked("hello to you"))["stream"]]
    names = [name for event in events for name in event]
    assert [*dict.fromkeys(names)] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(texts) == "echo: hello to you"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 5
    broken = client.converse_stream(**asked(fault("stream_error")))["stream"]
    with pytest.raises(EventStreamError, match="overloaded"):
        list(broken)
    broken.close()


@pytest.mark.parametrize(
    ("kind", "code"),
    {
        "400": "ValidationException",
        "auth": "AccessDeniedException",
        "not_found": "ResourceNotFoundException",
        "429": "ThrottlingException",
        "quota": "ServiceQuotaExceededException",
        "500": "InternalServerException",
        "503": "ServiceUnavailableException",
        "529": "ServiceUnavailableException",
        "html502": "502",
    }.items(),
)
def test_each_error_has_its_code(client, kind, code):
    with pytest.raises(ClientError) as caught:
        ask(client, fault(kind))
    assert caught.value.response["Error"]["Code"] == code


def test_a_connection_that_breaks_and_one_that_says_nothing(client, root):
    with pytest.raises(ConnectionClosedError):
        ask(client, fault("reset"))
    hurried = connect(root, timeout=0.3)
    with pytest.raises(ReadTimeoutError):
        ask(hurried, fault("stall"))
    hurried.close()


def test_a_wrong_key(root):
    stranger = connect(root, key="AKIA-BAD")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        ask(stranger)
    stranger.close()
