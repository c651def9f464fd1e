"""What is nearly OpenAI's dialect: completions, schemas, Azure, Mistral, prompto's server, and quirks as data."""

import json

import pytest

from brimline.config import Config
from brimline.config.presets import PRESETS
from brimline.errors import ConfigError
from brimline.providers import find_provider
from brimline.providers.openai_schema import response_format
from brimline.types import Advert, Fault, FaultKind, Operation, Request, Response, Secret, Usage
from tests.providers.replies import completion, reply

HI = ({"role": "user", "content": "Hi"},)
S = 1_000_000_000
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def request(**more):
    return Request(**{"id": 0, "model": "lab/meta/llama", "messages": HI, **more})


def provider_of(name, **environment):
    """The provider of a built-in endpoint, as an engine would make it."""
    endpoint = Config(environment=environment).place(name).endpoint
    return find_provider(endpoint.provider, endpoint.options, endpoint.base_url)


def body(provider, asked, answers=()):
    return json.loads(provider.encode(asked, answers).body)


OPENAI = find_provider("openai")


# Completions.


def test_a_completion_goes_on_from_one_text():
    asked = request(operation=Operation.COMPLETION, params={"max_tokens": 5})
    sent = OPENAI.encode(asked, ())
    assert sent.path == "/completions"
    assert json.loads(sent.body) == {"model": "meta/llama", "prompt": "Hi", "max_tokens": 5}


@pytest.mark.parametrize("choices", [1, 2])
def test_a_completions_text_is_in_its_choice(choices):
    found = {
        "id": "cmpl-1",
        "choices": [
            {"text": f" there{i}", "finish_reason": "length", "logprobs": {"x": i}} for i in range(choices)
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "model": "m",
    }
    answer = OPENAI.decode(reply(200, found), request(operation=Operation.COMPLETION))
    assert (answer.finish_reason, answer.usage, answer.request_id) == ("length", Usage(1, 2), "cmpl-1")
    assert answer.text == (" there0" if choices == 1 else [" there0", " there1"])
    assert answer.logprobs == ({"x": 0} if choices == 1 else [{"x": 0}, {"x": 1}])


@pytest.mark.parametrize("choice", [{}, {"text": None}, {"text": 7}, {"message": {"content": "a"}}])
def test_a_completion_without_a_text_is_a_bad_reply(choice):
    fault = OPENAI.decode(reply(200, {"choices": [choice]}), request(operation=Operation.COMPLETION))
    assert fault.kind is FaultKind.BAD_REPLY


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"messages": ({"role": "system", "content": "x"}, *HI)}, "a completion goes on from one text"),
        ({"follow_ups": ("x",)}, "a completion goes on from one text"),
        (
            {"messages": ({"role": "user", "content": [{"type": "image_url"}]},)},
            "a completion goes on from one text",
        ),
        ({"params": {"tools": []}}, "parameter 'tools' cannot be set for a completion"),
        ({"params": {"stream": True}}, "parameter 'stream' cannot be set"),
        ({"schema": SCHEMA}, "a completion follows no schema"),
        ({}, None),
        ({"messages": ({"role": "user", "content": [{"type": "text", "text": "x"}]},)}, None),
    ],
)
def test_what_no_completion_can_be_is_said_before_it_is_sent(more, why):
    problem = OPENAI.problem(request(operation=Operation.COMPLETION, **more))
    assert problem is None if why is None else problem.startswith(why)


# What answers hold beside their text.

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    "call",
    [
        CALL,
        {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    ],
)
def test_tool_calls_have_one_form(call):
    answer = OPENAI.decode(reply(200, completion({"content": None, "tool_calls": [call]})), request())
    assert answer.tool_calls == (CALL,)


def test_calls_of_other_kinds_stay_as_they_are_and_old_ones_become_calls():
    message = {
        "content": "",
        "tool_calls": [
            {"id": "x", "type": "custom", "custom": {}},
            7,
            {"function": {"name": "g"}, "extra": 1},
        ],
        "function_call": {"name": "f", "arguments": "{}"},
    }
    answer = OPENAI.decode(reply(200, completion(message, reason="function_call")), request())
    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls == (
        {"id": "x", "type": "custom", "custom": {}},
        {"type": "function", "function": {"name": "g", "arguments": "{}"}, "extra": 1},
        {"id": None, "type": "function", "function": {"name": "f", "arguments": "{}"}},
    )


@pytest.mark.parametrize(
    ("message", "reasoning"),
    [
        ({"content": "a", "reasoning_content": "hm"}, "hm"),
        ({"content": "a", "reasoning": "hm"}, "hm"),
        ({"content": "a", "reasoning": None, "reasoning_details": []}, None),
        ({"content": "a", "reasoning": {"effort": "low"}}, None),
        (
            {
                "content": [
                    {
                        "type": "thinking",
                        "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}],
                    },
                    {"type": "text", "text": "a"},
                ]
            },
            "hm",
        ),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]}, "hm"),
        ({"content": [{"type": "text", "text": "a"}]}, None),
        ({"content": "a"}, None),
    ],
)
def test_what_the_model_thought_is_kept_apart(message, reasoning):
    answer = OPENAI.decode(reply(200, completion(message)), request())
    assert (answer.text, answer.reasoning) == ("a", reasoning)


def test_log_probabilities_are_passed_on_and_never_cost_the_answer():
    given = completion("a")
    given["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1}]}
    assert OPENAI.decode(reply(200, given), request()).logprobs == {
        "content": [{"token": "a", "logprob": -0.1}]
    }
    beyond = b'{"choices":[{"message":{"content":"a"},"logprobs":{"b":[1e999]}}]}'
    assert OPENAI.decode(reply(200, beyond), request()).logprobs is None


def test_the_id_for_the_support_is_the_headers_or_else_the_answers():
    def found(**headers):
        return OPENAI.decode(reply(200, completion("a"), **headers), request()).request_id

    assert found(x_request_id="r", apim_request_id="z") == "r"
    assert found(apim_request_id="z") == "z"
    assert found() == "chatcmpl-1"


# Schemas.


def test_a_schema_is_sent_strict_where_it_allows_that():
    sent = body(OPENAI, request(schema={**SCHEMA, "title": "My answer!"}))
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert sent["response_format"]["json_schema"]["name"] == "My_answer_"
    assert sent["response_format"]["json_schema"]["schema"]["required"] == ["a"]


@pytest.mark.parametrize(
    "schema",
    [
        {**SCHEMA, "additionalProperties": True},
        {**SCHEMA, "required": []},
        {**SCHEMA, "properties": {"a": {"type": "object", "properties": {}}}},
        {**SCHEMA, "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
        {**SCHEMA, "$defs": {"x": {"properties": {"b": {}}}}},
        {**SCHEMA, "allOf": []},
        {"type": "array", "items": SCHEMA},
        {},
    ],
)
def test_a_schema_that_strict_mode_refuses_is_sent_as_it_is(schema):
    form = response_format(schema)["json_schema"]
    assert form == {"name": "answer", "schema": schema}


def test_a_schema_of_schemas_without_end_is_not_followed_for_ever():
    loop = {**SCHEMA, "properties": {}, "required": []}
    loop["properties"]["a"] = loop
    assert "strict" not in response_format(loop)["json_schema"]


def test_a_schema_and_a_form_of_ones_own_are_too_much():
    problem = OPENAI.problem(request(schema=SCHEMA, params={"response_format": {}}))
    assert problem == "parameter 'response_format' cannot be set beside a schema, which becomes one"


def test_a_service_that_knows_no_schemas_is_told_in_words():
    deepseek = provider_of("deepseek")
    sent = body(deepseek, request(schema=SCHEMA))
    assert sent["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["messages"][0]["content"].startswith("Answer with JSON that follows this JSON schema:\n{")
    own = request(schema=SCHEMA, messages=({"role": "system", "content": "Be brief."}, *HI))
    (system, _) = body(deepseek, own)["messages"]
    assert system["content"].startswith("Be brief.\n\nAnswer with JSON")
    assert own.messages[0]["content"] == "Be brief."


# Azure.


@pytest.mark.parametrize(
    ("url", "environment", "operation", "path"),
    [
        ("https://r.openai.azure.com/", {}, Operation.CHAT, "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-02-01"),
        ("https://r.openai.azure.com", {"OPENAI_API_VERSION": "2025-01-01"}, Operation.CHAT, "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2025-01-01"),
        ("https://r.openai.azure.com/openai", {}, Operation.COMPLETION, "/deployments/my%20gpt%2F4/completions?api-version=2024-02-01"),
        ("https://r.openai.azure.com/openai/v1/", {"OPENAI_API_VERSION": "2025-01-01"}, Operation.CHAT, "/chat/completions"),
        ("https://r.openai.azure.com", {}, Operation.EMBEDDING, "/openai/deployments/my%20gpt%2F4/embeddings?api-version=2024-02-01"),
        ("https://gateway/team", {}, Operation.CHAT, "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-02-01"),
    ],
)  # fmt: skip
def test_azures_paths_follow_from_the_address(url, environment, operation, path):
    azure = provider_of("azure-openai", AZURE_OPENAI_API_ENDPOINT=url, **environment)
    asked = request(model="azure-openai/my gpt/4", operation=operation)
    assert azure.encode(asked, ()).path == path
    assert body(azure, asked)["model"] == "my gpt/4"


def test_azure_takes_a_key_or_a_token_of_entra():
    azure = find_provider("azure-openai")
    json_type = {"Content-Type": "application/json"}
    assert azure.headers(None) == json_type
    assert azure.headers(Secret("k")) == {**json_type, "api-key": "k"}
    assert azure.headers(Secret("eyJ0.eyJh.sig")) == {**json_type, "Authorization": "Bearer eyJ0.eyJh.sig"}


# Mistral.


def test_mistral_has_names_of_its_own():
    mistral = provider_of("mistral")
    params = {
        "seed": 1,
        "max_completion_tokens": 5,
        "temperature": 0,
        "stream_options": {"include_usage": True},
    }
    sent = body(mistral, request(params=params))
    assert {name: sent[name] for name in sent if name not in {"model", "messages"}} == {
        "random_seed": 1,
        "max_tokens": 5,
        "temperature": 0,
    }
    assert params["seed"] == 1


# prompto's server.


def test_promptos_server_takes_a_text_and_gives_one():
    quart = provider_of("quart", QUART_API_ENDPOINT="http://h:5000")
    asked = request(params={"max_length": 9})
    sent = quart.encode(asked, ())
    assert sent.path == "/generate"
    assert json.loads(sent.body) == {"text": "Hi", "model": "meta/llama", "options": {"max_length": 9}}
    given = {"response": [{"generated_text": "Hi there"}], "model": "gpt2"}
    assert quart.decode(reply(200, given), asked) == Response(
        text="Hi there", model="gpt2", raw=json.dumps(given).encode()
    )
    assert quart.adverts(reply(200, given)) == ()


@pytest.mark.parametrize(
    ("status", "given", "kind"),
    [
        (200, {}, "bad_reply"),
        (200, {"response": []}, "bad_reply"),
        (200, {"response": "x"}, "bad_reply"),
        (200, b"<html>", "bad_reply"),
        (400, {"error": "no text"}, "invalid_request"),
        (500, b"Internal Server Error", "server_error"),
    ],
)
def test_what_else_promptos_server_says_is_a_fault(status, given, kind):
    fault = find_provider("quart").decode(reply(status, given), request())
    assert isinstance(fault, Fault)
    assert fault.kind == kind


@pytest.mark.parametrize(
    "more",
    [
        {"follow_ups": ("x",)},
        {"messages": ({"role": "system", "content": "x"}, *HI)},
        {"schema": SCHEMA},
        {"params": {"tools": []}},
        {"operation": Operation.EMBEDDING},
    ],
)
def test_what_promptos_server_cannot_do_is_said_before_it_is_sent(more):
    assert find_provider("quart").problem(request(**more)).startswith("prompto's server")
    assert find_provider("quart").problem(request()) is None


# Quirks.


def test_a_server_with_one_model_is_sent_its_name():
    tgi = provider_of("huggingface-tgi", HUGGINGFACE_TGI_API_ENDPOINT="http://h")
    assert body(tgi, request())["model"] == "tgi"


def test_windows_that_only_the_documentation_names_are_those_of_the_row():
    headers = {
        "x_ratelimit_limit_requests": "14400",
        "x_ratelimit_remaining_requests": "14399",
        "x_ratelimit_limit_tokens": "6000",
        "x_ratelimit_remaining_tokens": "5000",
    }
    assert provider_of("groq").adverts(reply(200, b"", **headers)) == (
        Advert("requests", 14400, 14399, None, 86_400 * S),
        Advert("tokens", 6000, 5000, None, 60 * S),
    )
    assert [advert.window for advert in OPENAI.adverts(reply(200, b"", **headers))] == [None, None]


@pytest.mark.parametrize("option", ["schema", "forbidden", "windows"])
def test_a_quirk_that_is_none_is_an_error(option):
    with pytest.raises(ConfigError, match=f"option '{option}' (is|holds) 'x'; "):
        find_provider("openai", {option: "x"})


def test_a_service_is_one_row_also_for_its_provider(monkeypatch):
    row = type(PRESETS["groq"])(title="Acme", base_url="https://api.acme.ai/v1", options={"model": "only"})
    monkeypatch.setitem(PRESETS, "acme", row)
    assert body(provider_of("acme"), request())["model"] == "only"
