"""The official SDK takes the simulator for OpenAI: it parses every reply and raises its own errors."""

import asyncio
import json

import openai
import pytest
from pydantic import BaseModel

from .harness import started

pytestmark = pytest.mark.real_time
USER = [{"role": "user", "content": "hello"}]
FAULT = '[[models."*".faults]]\nkind = "{}"\n'


async def create(client, **parameters):
    return await client.chat.completions.create(**{"model": "gpt-4", "messages": USER} | parameters)


async def test_a_completion(start, connect):
    client = await connect(await start())
    completion = await create(client, n=2)
    assert [choice.message.content for choice in completion.choices] == ["echo: hello", "echo: hello [1]"]
    assert completion.usage.total_tokens == 2 + 3 + 4
    assert completion.usage.prompt_tokens_details.cached_tokens == 0
    assert (completion.model, completion.choices[0].finish_reason) == ("gpt-4", "stop")
    assert completion._request_id.startswith("req_")


async def test_the_headers(start, connect):
    client = await connect(await start('[models."*"]\nrequests = { rate = "600/min", bucket = 10 }'))
    raw = await client.chat.completions.with_raw_response.create(model="gpt-4", messages=USER)
    assert raw.headers["x-ratelimit-remaining-requests"] == "9"
    assert raw.headers["openai-processing-ms"] == "0"
    assert raw.parse().choices[0].message.content == "echo: hello"


def test_the_blocking_client_too():
    """In a process of its own, as users start it."""
    with started() as (_, url), openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        completion = client.chat.completions.create(model="gpt-4", messages=USER)
        assert completion.choices[0].message.content == "echo: hello"
        assert [model.id for model in client.models.list()] == ["gpt-4"]


async def test_tool_calls(start, connect):
    client = await connect(await start())
    schema = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    for choice, finish in [
        ("required", "tool_calls"),
        ({"type": "function", "function": {"name": "weather"}}, "stop"),
    ]:
        completion = await create(client, tools=tools, tool_choice=choice)
        [call] = completion.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Rome"})
        assert completion.choices[0].finish_reason == finish


class Mood(BaseModel):
    word: str
    score: int
    tags: list[str]


async def test_structured_output(start, connect):
    client = await connect(await start())
    parsed = await client.chat.completions.parse(model="gpt-4", messages=USER, response_format=Mood)
    assert parsed.choices[0].message.parsed == Mood(word="echo: hello", score=1, tags=["echo: hello"])
    with pytest.raises(openai.LengthFinishReasonError):
        await client.chat.completions.parse(model="gpt-4", messages=USER, response_format=Mood, max_tokens=3)


async def test_a_filtered_structured_output(start, connect):
    client = await connect(await start(FAULT.format("filter200")))
    with pytest.raises(openai.ContentFilterFinishReasonError):
        await client.chat.completions.parse(model="gpt-4", messages=USER, response_format=Mood)


async def test_a_stream(start, connect):
    client = await connect(await start('[models."*"]\ntokens_per_s = 1000'))
    stream = await create(client, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "echo: hello"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 3)


async def test_the_streaming_helper(start, connect):
    client = await connect(await start())
    async with client.chat.completions.stream(model="gpt-4", messages=USER) as stream:
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == "echo: hello"


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("400", openai.BadRequestError, "invalid_value"),
        ("content_filter", openai.BadRequestError, "content_filter"),
        ("auth", openai.AuthenticationError, None),
        ("not_found", openai.NotFoundError, "model_not_found"),
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("500", openai.InternalServerError, None),
        ("html502", openai.InternalServerError, None),
        ("503", openai.InternalServerError, "server_is_overloaded"),
        ("529", openai.InternalServerError, "overloaded"),
    ],
)
async def test_each_error_is_the_sdks_own(start, connect, kind, error, code):
    client = await connect(await start(FAULT.format(kind)))
    for stream in (False, True):
        with pytest.raises(error) as caught:
            await create(client, stream=stream)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", openai.APIConnectionError),
        ("truncate", openai.APIConnectionError),
        ("stall", openai.APITimeoutError),
        ("malformed", json.JSONDecodeError),
    ],
)
async def test_each_broken_reply_is_the_sdks_own_error(start, connect, kind, error):
    client = await connect(await start(FAULT.format(kind)), timeout=0.3)
    with pytest.raises(error):
        await create(client)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", openai.APIConnectionError),
        ("stall", openai.APITimeoutError),
        ("malformed", json.JSONDecodeError),
        ("error200", openai.APIError),
    ],
)
async def test_each_broken_stream_is_the_sdks_own_error(start, connect, kind, error):
    client = await connect(await start(FAULT.format(kind)), timeout=0.3)
    stream = await create(client, stream=True)
    with pytest.raises(error):
        [chunk async for chunk in stream]


async def test_what_the_sdk_lets_pass(start, connect):
    """An error in a 200, no content, and a stream that just ends: the reader has to look."""
    toml = "".join(
        FAULT.format(kind) + f'when = "{kind}"\n'
        for kind in ("error200", "null_content", "empty", "length", "truncate")
    )
    client = await connect(await start(toml))

    async def ask(text, **parameters):
        return await create(client, messages=[{"role": "user", "content": text}], **parameters)

    assert (await ask("error200")).choices is None
    assert (await ask("null_content")).choices[0].message.content is None
    assert (await ask("empty")).choices[0].message.content == ""
    assert (await ask("length")).choices[0].finish_reason == "length"
    chunks = [chunk async for chunk in await ask("truncate", stream=True)]
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


async def test_bad_requests_models_and_keys(start, connect):
    simulator = await start('keys = ["sk-good"]\nstrict_models = true\n[models.gpt-4]\nmax_context = 5')
    good, bad = await connect(simulator), await connect(simulator, api_key="sk-bad")
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        await create(bad)
    with pytest.raises(openai.NotFoundError, match="`gpt-5` does not exist"):
        await create(good, model="gpt-5")
    with pytest.raises(openai.BadRequestError, match="maximum context length is 5 tokens"):
        await create(good, messages=[{"role": "user", "content": "a long story " * 9}])
    with pytest.raises(openai.BadRequestError, match="beyond the maximum"):
        await create(good, temperature=9)


async def test_a_limit_and_its_wait(start, connect):
    client = await connect(await start('[models."*"]\nrequests = { rate = "1200/min", bucket = 1 }'))
    await create(client)
    with pytest.raises(openai.RateLimitError) as caught:
        await create(client)
    wait = int(caught.value.response.headers["retry-after-ms"])
    assert 0 < wait <= 50
    await asyncio.sleep(wait / 1_000)
    await create(client)


async def test_the_sdks_own_retries_succeed(start, connect):
    toml = FAULT.format("503") + 'when = "hello"\ntimes = 2\nretry_after = "1ms"'
    simulator = await start(toml)
    client = await connect(simulator, max_retries=2)
    assert (await create(client)).choices[0].message.content == "echo: hello"
    assert [entry.kind for entry in simulator.entries] == ["503", "503", "ok"]
