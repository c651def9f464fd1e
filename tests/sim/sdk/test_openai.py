"""The official openai SDK on everything but chat, which is in test_openai_sdk, and on Azure's paths."""

import base64
import json

import openai
import pytest
from tests.sim.sdk.said import CALLED, JPEG, KEY, MOOD, SCHEMA, Mood, fault

pytestmark = pytest.mark.real_time
TOOL = {"type": "function", "name": "travel", "parameters": SCHEMA, "strict": True}


@pytest.fixture(scope="module")
def client(root):
    with openai.OpenAI(base_url=f"{root}/v1", api_key=KEY, max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture(scope="module")
def azure(root):
    with openai.AzureOpenAI(
        azure_endpoint=root, api_key=KEY, api_version="2024-10-21", max_retries=0, timeout=5
    ) as client:
        yield client


def ask(client, text, **more):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)


def respond(client, text="hello", **more):
    return client.responses.create(model="m", input=text, **more)


def test_a_response(client):
    response = respond(client, instructions="be brief", reasoning={"effort": "low"})
    assert (response.output_text, response.status, response.instructions) == (
        "echo: hello",
        "completed",
        "be brief",
    )
    assert response.output[0].summary[0].text == "thinking about: hello"
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens) == (2 + 2, 3 + 6)
    assert usage.output_tokens_details.reasoning_tokens == 6
    assert response._request_id.startswith("req_")


def test_a_response_that_is_cut_or_filtered_is_incomplete(client):
    short = respond(client, max_output_tokens=2)
    assert (short.status, short.incomplete_details.reason, short.output_text) == (
        "incomplete",
        "max_output_tokens",
        "echo: he",
    )
    filtered = respond(client, fault("filter200"))
    assert (filtered.status, filtered.incomplete_details.reason) == ("incomplete", "content_filter")
    assert filtered.output_text == ""


def test_a_response_that_failed_is_a_200(client):
    response = respond(client, fault("error200"))
    assert (response.status, response.error.code) == ("failed", "server_error")


def test_a_response_with_a_form(client):
    assert client.responses.parse(model="m", input="hello", text_format=Mood).output_parsed == MOOD


def test_a_response_calls_the_function_it_has_to(client):
    [call] = respond(client, tools=[TOOL], tool_choice="required").output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "travel", CALLED)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "done"}
    assert respond(client, [{"role": "user", "content": "hello"}, call, result]).output_text == "echo: hello"


def test_what_comes_with_a_prompt_is_shown_as_what_it_is(client):
    data = base64.b64encode(JPEG).decode()
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{data}", "detail": "auto"},
        {
            "type": "input_file",
            "file_data": f"data:application/pdf;base64,{base64.b64encode(b'%PDF-1.7').decode()}",
        },
    ]
    text = respond(client, [{"role": "user", "content": parts}]).output_text
    assert text == "echo: look [image/jpeg 24 bytes, sent as image/png] [application/pdf 8 bytes]"


def test_a_streamed_response(client):
    with client.responses.stream(model="m", input="hello to you") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "echo: hello to you"
    assert final.usage.output_tokens == 5
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[1].type, events[-1].type] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]


def test_streamed_arguments(client):
    with client.responses.stream(model="m", input="hello", tools=[TOOL], tool_choice="required") as stream:
        [call] = stream.get_final_response().output
    assert json.loads(call.arguments) == CALLED


def test_a_streamed_response_ends_as_it_must(client):
    last = [*respond(client, stream=True, max_output_tokens=2)][-1]
    assert (last.type, last.response.incomplete_details.reason) == (
        "response.incomplete",
        "max_output_tokens",
    )
    error = [*respond(client, fault("stream_error"), stream=True)][-1]
    assert (error.type, error.code) == ("error", "server_error")
    cut = [*respond(client, fault("cut"), stream=True)]
    assert cut[-1].type == "response.output_item.done"


def test_text_completions(client):
    several = client.completions.create(model="m", prompt=["a", "b"], n=2, max_tokens=9)
    assert [choice.text for choice in several.choices] == ["echo: a", "echo: a [1]", "echo: b", "echo: b [1]"]
    default = client.completions.create(model="m", prompt="word " * 50)
    assert (default.choices[0].finish_reason, default.usage.completion_tokens) == ("length", 16)
    chunks = [*client.completions.create(model="m", prompt="one two", stream=True)]
    assert "".join(chunk.choices[0].text for chunk in chunks) == "echo: one two"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_embeddings(client):
    packed = client.embeddings.create(model="m", input=["a", "b"])
    plain = client.embeddings.create(model="m", input=["b", "a"], encoding_format="float")
    assert [row.index for row in packed.data] == [0, 1]
    assert packed.data[0].embedding == plain.data[1].embedding != packed.data[1].embedding
    assert sum(x * x for x in packed.data[0].embedding) == pytest.approx(1)
    assert (packed.usage.prompt_tokens, packed.usage.total_tokens) == (2, 2)
    ids = client.embeddings.create(model="m", input=[[1, 2], [3]], dimensions=5)
    assert ([len(row.embedding) for row in ids.data], ids.usage.prompt_tokens) == ([5, 5], 3)


def test_embeddings_that_are_missing(client):
    with pytest.raises(ValueError, match="No embedding data"):
        client.embeddings.create(model="m", input=[fault("empty")])
    assert len(client.embeddings.create(model="m", input=["a", "b", "c", fault("length")]).data) == 2


@pytest.mark.parametrize("given", [{"input": []}, {"input": ""}, {"input": "a", "dimensions": 0}])
def test_embeddings_of_nothing_are_refused(client, given):
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="m", **given)


def embed(client, text):
    return client.embeddings.create(model="m", input=[text])


def complete(client, text):
    return client.completions.create(model="m", prompt=text)


ERRORS = {
    "400": openai.BadRequestError,
    "content_filter": openai.BadRequestError,
    "auth": openai.AuthenticationError,
    "not_found": openai.NotFoundError,
    "429": openai.RateLimitError,
    "quota": openai.RateLimitError,
    "500": openai.InternalServerError,
    "html502": openai.InternalServerError,
    "503": openai.InternalServerError,
    "529": openai.InternalServerError,
    "reset": openai.APIConnectionError,
    "truncate": openai.APIConnectionError,
    "malformed": json.JSONDecodeError,
}


@pytest.mark.parametrize(("kind", "error"), ERRORS.items())
def test_each_error_is_the_sdks_own(client, kind, error):
    for send in (respond, embed, complete):
        with pytest.raises(error):
            send(client, fault(kind))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", openai.APIConnectionError),
        ("malformed", json.JSONDecodeError),
        ("stream_error", openai.APIError),
    ],
)
def test_each_broken_stream_is_the_sdks_own_error(client, kind, error):
    stream = ask(client, fault(kind), stream=True)
    seen = []
    with pytest.raises(error):
        seen.extend(chunk.choices[0].delta.content for chunk in stream)
    assert kind == "reset" or "".join(map(str, seen)).startswith("echo: please")


def test_silence_is_the_sdks_own_error(client):
    hurried = client.with_options(timeout=0.3)
    with pytest.raises(openai.APITimeoutError):
        respond(hurried, fault("stall"))
    with pytest.raises(openai.APITimeoutError):
        [*ask(hurried, fault("idle"), stream=True)]


def test_a_stream_that_is_cut_has_all_its_text_and_no_end(client):
    chunks = [*ask(client, fault("cut"), stream=True)]
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == f"echo: {fault('cut')}"
    assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}
    assert ask(client, fault("cut")).choices[0].finish_reason == "stop", "a whole answer does not meet it"


def test_certainty_and_reasoning_where_asked_for(client):
    choice = ask(client, "hello", logprobs=True, top_logprobs=2, reasoning_effort="high").choices[0]
    assert "".join(each.token for each in choice.logprobs.content) == "echo: hello"
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    assert choice.message.reasoning_content == "thinking about: hello"


def test_azure(azure):
    raw = azure.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "hello"}]
    )
    completion = raw.parse()
    assert completion.choices[0].message.content == "echo: hello"
    assert completion.choices[0].content_filter_results["hate"]["filtered"] is False
    assert completion.prompt_filter_results[0]["prompt_index"] == 0
    assert raw.headers["x-ratelimit-reset-requests"] == "1"
    assert raw.headers["apim-request-id"]
    first, *others = ask(azure, "hello", stream=True)
    assert (first.choices, first.prompt_filter_results[0]["prompt_index"]) == ([], 0)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in others) == "echo: hello"
    assert len(azure.embeddings.create(model="text-embedding-m", input="a").data) == 1


def test_azure_without_deployments(root):
    with openai.OpenAI(base_url=f"{root}/openai/v1/", api_key=KEY, max_retries=0) as client:
        assert respond(client).output_text == "echo: hello"


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("content_filter", openai.BadRequestError, "content_filter"),
        ("auth", openai.AuthenticationError, "401"),
        ("not_found", openai.NotFoundError, "DeploymentNotFound"),
        ("429", openai.RateLimitError, "429"),
        ("500", openai.InternalServerError, None),
        ("html502", openai.InternalServerError, None),
        ("503", openai.InternalServerError, "server_is_overloaded"),
    ],
)
def test_azures_errors(azure, kind, error, code):
    with pytest.raises(error) as caught:
        ask(azure, fault(kind))
    assert caught.value.code == code


def test_a_wrong_key_a_wrong_model_a_limit(client, root):
    with openai.OpenAI(base_url=f"{root}/v1", api_key="sk-bad", max_retries=0) as stranger:
        for send in (respond, embed, complete):
            with pytest.raises(openai.AuthenticationError):
                send(stranger, "hello")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="unheard-of", input="a")
    with pytest.raises(openai.BadRequestError, match="maximum context length is 5"):
        client.embeddings.create(model="small", input=["a", "abcd" * 6])
    assert client.embeddings.create(model="small", input=["abcd" * 5, "abcd" * 5]).usage.total_tokens == 10
    client.responses.create(model="limited", input="hello")
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model="limited", input="hello")
    assert caught.value.response.headers["retry-after"] == "1"


def test_a_large_batch_of_embeddings_is_quick(client):
    texts = [f"text number {i}" for i in range(2048)]
    rows = client.embeddings.create(model="m", input=texts).data
    assert len({tuple(row.embedding) for row in rows}) == 2048
