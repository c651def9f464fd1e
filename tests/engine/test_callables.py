"""A function as an endpoint: it gets what every endpoint gets, and what it returns and raises is understood."""

import asyncio
import json
import threading
import time

import aiohttp
import anthropic
import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from openai.types.chat import ChatCompletion
from openai.types.responses import Response as Answer

import brimline as bl
from brimline.engine.foreign import fault_of, response_of
from brimline.errors import ConfigError
from tests.engine.bench import CONFIG, now
from tests.providers.replies import completion

NO_RETRIES = {"api_key": "sk-secret", "max_retries": 0}


def engine(function, **options):
    return bl.Engine(config=CONFIG, endpoints={"mine": function}, **options)


# What it is asked, and what it may answer.


async def test_a_coroutine_function_answers():
    async def answer(request):
        await asyncio.sleep(2)
        return f"{request.model_name}: {request.messages[-1]['content']}"

    async with engine(answer) as open_engine:
        outcome = await open_engine.ask("mine/any/model", "hello")
    assert (outcome.text, outcome.attempts, outcome.latency) == ("any/model: hello", 1, 2.0)
    assert outcome.response.finish_reason == "stop"


@pytest.mark.real_time
async def test_an_ordinary_function_answers_in_a_thread_of_its_own_and_may_hang():
    hanging = threading.Event()

    def answer(request):
        if request.messages[-1]["content"] == "hang":
            hanging.wait(20)
        return threading.current_thread().name

    async with engine(answer, timeout=0.2, max_tries=1) as open_engine:
        late = asyncio.create_task(open_engine.ask("mine/m", "hang"))
        begun = time.perf_counter()
        outcome = await open_engine.ask("mine/m", "go")
        assert time.perf_counter() - begun < 5
        assert (outcome.text, (await late).fault.kind) == ("brimline-function", "timeout")
    hanging.set()


async def test_a_conversation_holds_its_history_and_a_failed_turn_is_tried_again_alone():
    asked = []

    async def answer(request):
        asked.append([(message["role"], message["content"]) for message in request.messages])
        if len(asked) == 2:
            raise ConnectionResetError("gone")
        return f"answer {len(asked)}"

    async with engine(answer) as open_engine:
        outcome = await open_engine.ask("mine/m", ["a?", "b?"], system="be nice")
    assert [response.text for response in outcome.responses] == ["answer 1", "answer 3"]
    assert asked[1] == asked[2] == [
        ("system", "be nice"), ("user", "a?"), ("assistant", "answer 1"), ("user", "b?"),
    ]  # fmt: skip


async def test_limits_hold_for_it():
    async def answer(_):
        return "x"

    async with engine(answer, limits={"mine/*": "60/min"}) as open_engine:
        outcomes = [
            outcome async for outcome in open_engine.stream([f"{n}" for n in range(31)], model="mine/m")
        ]
    assert all(outcome.ok for outcome in outcomes)
    assert now() == 30.0


async def test_a_runnable_of_langchain_answers():
    async def answer(text):
        return AIMessage(
            content=[{"type": "text", "text": f"[{text}]"}],
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
            response_metadata={"finish_reason": "length", "model_name": "m-2"},
        )

    async with engine(RunnableLambda(answer)) as open_engine:
        outcome = await open_engine.ask("mine/m", "hello")
        several = await open_engine.ask("mine/m", "hello", system="nice")
    assert (outcome.text, outcome.usage, outcome.response.model) == ("[hello]", bl.Usage(3, 2), "m-2")
    assert outcome.response.finish_reason == "length"
    assert "'role': 'system'" in several.text, "a runnable gets messages where there is more than a text"


def test_answers_of_sdks_are_read_as_the_wires_own():
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    body = completion({"role": "assistant", "content": "Hi!"}, usage=usage, created=1)
    assert response_of(ChatCompletion.model_validate(body)).usage == bl.Usage(9, 4)
    assert response_of(body).text == "Hi!"
    said = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi you!"}]}]
    whole = {
        "object": "response",
        "status": "completed",
        "output": said,
        "usage": {"input_tokens": 7, "output_tokens": 2},
    }
    answer = response_of(Answer.model_construct(**whole))
    assert (answer.text, answer.usage) == ("Hi you!", bl.Usage(7, 2)), "OpenAI's Responses"
    assert response_of(None).kind == response_of(object()).kind == response_of(7).kind == "bad_reply"


# What it may raise.


def status_error(module, kind, status, body, **headers):
    request = httpx2.Request("POST", "https://api.example.com/v1")
    response = httpx2.Response(status, headers=headers, json=body, request=request)
    inner = body["error"] if module is openai else body
    return getattr(module, kind)("refused", response=response, body=inner)


OPENAI_QUOTA = {"error": {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}}
ANTHROPIC_FULL = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("error", "kind", "wait"),
    [
        (status_error(openai, "RateLimitError", 429, {"error": {"message": "slow"}}, **{"Retry-After": "3"}),
         "rate_limited", 3_000_000_000),
        (status_error(openai, "RateLimitError", 429, OPENAI_QUOTA), "quota_exhausted", None),
        (status_error(openai, "AuthenticationError", 401, {"error": {"message": "who?"}}), "auth", None),
        (status_error(openai, "NotFoundError", 404, {"error": {"message": "no"}}), "not_found", None),
        (status_error(anthropic, "OverloadedError", 529, ANTHROPIC_FULL), "overloaded", None),
        (openai.APITimeoutError(httpx2.Request("POST", "https://x")), "timeout", None),
        (openai.APIConnectionError(request=httpx2.Request("POST", "https://x")), "connection", None),
        (httpx2.ReadTimeout("slow"), "timeout", None),
        (httpx2.RemoteProtocolError("cut"), "connection", None),
        (TimeoutError("slow"), "timeout", None),
        (ConnectionRefusedError("no"), "connection", None),
        (aiohttp.ClientPayloadError("not completed"), "connection", None),
        (json.JSONDecodeError("no JSON", "<", 0), "bad_reply", None),
        (KeyError("choices"), "internal", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)  # fmt: skip
def test_exceptions_are_classified_like_the_wires_own_faults(error, kind, wait):
    fault = fault_of(error)
    assert (fault.kind, fault.retry_after) == (kind, wait)
    assert fault.detail


async def test_what_a_function_raises_by_mistake_fails_its_request_alone():
    async def answer(request):
        return {"a": 1}[request.messages[-1]["content"]]

    async with engine(answer) as open_engine:
        outcome = await open_engine.ask("mine/m", "b")
    assert (outcome.fault.kind, outcome.fault.detail) == ("internal", "the function raised KeyError: 'b'")
    assert outcome.attempts == 2


async def test_a_client_that_sends_again_by_itself_is_pointed_out(caplog):
    def using(client):
        async def answer(_):
            return client and "x"

        return answer

    async with engine(using(openai.AsyncOpenAI(api_key="sk-secret"))) as open_engine:
        await open_engine.ask("mine/m", "hello")
    (warned,) = caplog.messages
    assert "'client' (AsyncOpenAI) sends up to 3 times by itself" in warned
    assert "sk-secret" not in warned
    caplog.clear()
    async with engine(using(openai.AsyncOpenAI(**NO_RETRIES))) as open_engine:
        await open_engine.ask("mine/m", "hello")
    assert not caplog.messages


# From a file.


def test_a_run_over_a_file_finds_the_function_in_the_working_folder(tmp_path):
    (tmp_path / "mymodel.py").write_text(
        "def shout(request):\n    return request.messages[-1]['content'].upper()\n"
    )
    (tmp_path / "brimline.toml").write_text("[endpoints.mine]\nfunction = 'mymodel:shout'\n")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "hi"}\n{"prompt": "bye"}\n')
    report = bl.run("rows.jsonl", model="mine/m", share=False)
    assert [line["response"] for line in report] == ["HI", "BYE"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("function = 'mymodel'", "function 'mymodel' is none; write it like 'package.module:name'"),
        ("function = 'nothing:here'", "'nothing:here' cannot be loaded: ModuleNotFoundError"),
        ("function = 'json:nothing'", "'json:nothing' cannot be loaded: AttributeError"),
        ("function = 'json:dumps'\nbase_url = 'http://h'", "a function has neither a base URL nor a key"),
    ],
)
def test_a_function_that_is_none_is_refused_before_anything_is_sent(tmp_path, line, why):
    (tmp_path / "brimline.toml").write_text(f"[endpoints.mine]\n{line}\n")
    with pytest.raises((ConfigError, bl.InputError)) as refused:
        bl.run([{"prompt": "hi"}], model="mine/m", output="out.jsonl")
    assert why in str(refused.value) + "".join(getattr(refused.value, "problems", ()))


async def test_the_test_api_of_prompto_rehearses():
    rows = [
        {"api": "test", "model_name": "m", "prompt": "x", "parameters": {"raise_error": wanted, "raise_error_type": kind}}
        for wanted, kind in (("no", ""), ("false", ""), ("yes", "Exception"), ("true", "ValueError"))
    ]  # fmt: skip
    async with bl.Engine(config=bl.Config(environment={}), max_tries=2) as open_engine:
        outcomes = [await open_engine.ask("test/m", row) for row in rows]
    assert [outcome.text for outcome in outcomes] == ["This is a test response"] * 2 + [None] * 2
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 2, 1]
    assert {outcome.fault.kind for outcome in outcomes[2:]} == {"bad_reply", "invalid_request"}
