"""Gemini, also at Vertex AI: what is sent, and what every kind of reply means. Nothing that comes back may raise."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from brimline.providers import StreamingProvider
from brimline.providers.gemini import Gemini, Vertex
from brimline.types import Fault, FaultKind, HttpReply, Operation, Request, Response, Secret, Usage
from tests.providers.replies import events, feed, reply
from tests.thorough import examples

PROVIDER = Gemini()
HI = {"role": "user", "content": "Hi"}
SAID_HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
SECOND = 10**9


def request(*messages, **more):
    return Request(**{"id": 0, "model": "gemini/gemini-3-x", "messages": messages or (HI,), **more})


def sent(*messages, provider=PROVIDER, **more):
    asked = request(*messages, **more)
    assert provider.problem(asked) is None
    return json.loads(provider.encode(asked, ()).body)


# What is sent.


@pytest.mark.parametrize(
    ("provider", "model", "path"),
    [
        (PROVIDER, "gemini/gemini-3-x", "/v1beta/models/gemini-3-x:generateContent"),
        (Gemini({"api_version": "v1"}), "gemini/models/g", "/v1/models/g:generateContent"),
        (PROVIDER, "gemini/tunedModels/mine", "/v1beta/tunedModels/mine:generateContent"),
        (PROVIDER, "gemini/a b?c#d", "/v1beta/models/a%20b%3Fc%23d:generateContent"),
        (
            Vertex({"project": "p", "location": "europe-west4"}),
            "vertexai/gemini-3-x",
            "/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-3-x:generateContent",
        ),
        (
            Vertex({"project": "p", "api_version": "v1beta1"}),
            "vertexai/publishers/meta/models/llama",
            "/v1beta1/projects/p/locations/global/publishers/meta/models/llama:generateContent",
        ),
        (
            Vertex(),
            "vertexai/projects/p/locations/l/endpoints/7",
            "/v1/projects/p/locations/l/endpoints/7:generateContent",
        ),
    ],
)
def test_the_model_is_in_the_path(provider, model, path):
    asked = request(model=model)
    assert provider.problem(asked) is None
    assert (provider.encode(asked, ()).path, json.loads(provider.encode(asked, ()).body)) == (
        path,
        {"contents": SAID_HI},
    )
    assert provider.encode_stream(asked, ()).path == path.replace(":generate", ":streamGenerate") + "?alt=sse"
    assert isinstance(provider, StreamingProvider)


def test_headers_carry_the_key():
    assert PROVIDER.headers(Secret("k")) == {"Content-Type": "application/json", "x-goog-api-key": "k"}
    assert Vertex().headers(Secret("t")) == {"Content-Type": "application/json", "Authorization": "Bearer t"}
    assert PROVIDER.headers(None) == Vertex().headers(None) == {"Content-Type": "application/json"}


def test_vertex_wants_to_know_the_project():
    assert "set VERTEXAI_PROJECT_ID" in Vertex().problem(request())


def config(**members):
    return {"generationConfig": members}


SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "null"}}}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}
DECLARED = {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"max_tokens": 9}, config(maxOutputTokens=9)),
        ({"max_completion_tokens": 9, "max_tokens": 8}, config(maxOutputTokens=9)),
        ({"max_output_tokens": 9}, config(maxOutputTokens=9)),
        ({"maxOutputTokens": 9}, config(maxOutputTokens=9)),
        ({"temperature": 0, "top_p": 0.5, "topK": 3, "seed": 0}, config(temperature=0, topP=0.5, topK=3, seed=0)),
        ({"stop": "x"}, config(stopSequences=["x"])),
        ({"stop_sequences": ["x"]}, config(stopSequences=["x"])),
        ({"n": 2}, config(candidateCount=2)),
        ({"candidate_count": 1}, config(candidateCount=1)),
        ({"presence_penalty": 1, "frequency_penalty": 0}, config(presencePenalty=1, frequencyPenalty=0)),
        ({"logprobs": True}, config(responseLogprobs=True)),
        ({"logprobs": False}, {}),
        ({"logprobs": True, "top_logprobs": 3}, config(logprobs=3, responseLogprobs=True)),
        ({"logprobs": 3, "response_logprobs": True}, config(logprobs=3, responseLogprobs=True)),
        ({"reasoning_effort": "xhigh"}, config(thinkingConfig={"thinkingLevel": "high"})),
        ({"reasoning_effort": "none"}, config(thinkingConfig={"thinkingBudget": 0})),
        (
            {"reasoning_effort": "low", "thinking_config": {"include_thoughts": True}},
            config(thinkingConfig={"thinkingLevel": "low", "include_thoughts": True}),
        ),
        ({"thinking_config": {"thinking_budget": 1}}, config(thinkingConfig={"thinking_budget": 1})),
        ({"response_format": {"type": "json_object"}}, config(responseMimeType="application/json")),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
            config(responseMimeType="application/json", responseJsonSchema=SCHEMA),
        ),
        (
            {"response_mime_type": "application/json", "response_schema": {"type": "OBJECT"}},
            config(responseMimeType="application/json", responseSchema={"type": "OBJECT"}),
        ),
        ({"generation_config": {"top_k": 3}, "max_tokens": 9}, config(topK=3, maxOutputTokens=9)),
        ({"something_new": 1}, config(somethingNew=1)),
        (
            {"safety_settings": [], "cached_content": "c", "labels": {"a": "b"}, "service_tier": "flex"},
            {"safetySettings": [], "cachedContent": "c", "labels": {"a": "b"}, "serviceTier": "flex"},
        ),
        ({"system_instruction": "Be brief."}, {"systemInstruction": {"parts": [{"text": "Be brief."}]}}),
        ({"system": "Be brief."}, {"systemInstruction": {"parts": [{"text": "Be brief."}]}}),
        ({"tools": [{"type": "function", "function": FUNCTION}]}, {"tools": [{"functionDeclarations": [DECLARED]}]}),
        (
            {"tools": [{"google_search": {}}, {"type": "function", "function": {"name": "g"}}]},
            {"tools": [{"google_search": {}}, {"functionDeclarations": [{"name": "g"}]}]},
        ),
        ({"tools": [{"functionDeclarations": [FUNCTION]}]}, {"tools": [{"functionDeclarations": [FUNCTION]}]}),
        ({"tool_choice": "required"}, {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        ({"tool_choice": "none"}, {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}},
        ),
        ({"parallel_tool_calls": True, "logit_bias": None}, {}),
    ],
)  # fmt: skip
def test_common_parameters_have_their_own_names_and_places_and_own_ones_pass(params, body):
    assert sent(params=params) == {"contents": SAID_HI, **body}


def test_older_models_think_by_a_budget():
    body = sent(model="gemini/gemini-2.5-flash", params={"reasoning_effort": "medium"})
    assert body["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 8192}}


def test_a_schema_is_sent_as_it_is():
    assert sent(schema=SCHEMA)["generationConfig"]["responseJsonSchema"] == SCHEMA


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("none", "BLOCK_NONE"),
        ("few", "BLOCK_ONLY_HIGH"),
        ("some", "BLOCK_MEDIUM_AND_ABOVE"),
        ("default", "BLOCK_MEDIUM_AND_ABOVE"),
        ("most", "BLOCK_LOW_AND_ABOVE"),
    ],
)
def test_a_safety_filter_is_a_threshold_for_each_category(name, threshold):
    said = sent(params={"safety_filter": name})["safetySettings"]
    assert {each["threshold"] for each in said} == {threshold}
    assert [each["category"].removeprefix("HARM_CATEGORY_") for each in said] == [
        "HARASSMENT",
        "HATE_SPEECH",
        "SEXUALLY_EXPLICIT",
        "DANGEROUS_CONTENT",
    ]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"logit_bias": {"5": 1}}, "parameter 'logit_bias' does not exist for Gemini"),
        ({"parallel_tool_calls": False}, "parameter 'parallel_tool_calls' does not exist"),
        ({"safety_filter": "all"}, "safety_filter 'all' is none of none, few, some, default, most"),
        ({"safety_filter": []}, "safety_filter"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort 'extreme'"),
        ({"reasoning_effort": {}}, "reasoning_effort"),
        ({"generation_config": 7}, "parameter 'generation_config' is no object"),
        ({"reasoning_effort": "low", "thinking_config": 7}, "parameter 'thinking_config' is no object"),
        ({"tool_choice": "sometimes"}, "tool_choice 'sometimes' is none of auto"),
        ({"tool_choice": {"type": "tool"}}, "and names no function"),
        ({"tools": 7}, "parameter 'tools' is no list"),
        ({"response_format": 7}, "parameter 'response_format' is neither"),
        ({"contents": []}, "parameter 'contents' cannot be set"),
        ({"stream": True}, "parameter 'stream' cannot be set"),
    ],
)
def test_what_cannot_be_said_is_a_problem_before_anything_is_sent(params, problem):
    assert problem in PROVIDER.problem(request(params=params))


def test_the_system_message_stands_apart():
    body = sent({"role": "system", "content": "A."}, {"role": "developer", "content": ["B.", "C."]}, HI)
    assert body == {"contents": SAID_HI, "systemInstruction": {"parts": [{"text": "A.\n\nB.\n\nC."}]}}


@pytest.mark.parametrize(
    ("messages", "params", "problem"),
    [
        (({"role": "system", "content": "Be brief."},), {}, "there is only a system message"),
        (({"role": "system", "content": "A."}, HI), {"system_instruction": "B."}, "both in the messages and in"),
        (({"role": "function", "name": "f", "content": "1"},), {}, "the role 'function'"),
        (({"role": "tool", "tool_call_id": "c", "content": "1"},), {}, "answers the call 'c'"),
        (({"role": "user", "content": [{"type": "thinking", "thinking": "hm"}]},), {}, "the type 'thinking'"),
        (({"role": "user", "content": [{"type": "file"}]},), {}, "has no file"),
        (({"role": "user", "content": [{"type": "file", "file": {}}]},), {}, "a file has no URL"),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_said_are_a_problem(messages, params, problem):
    assert problem in PROVIDER.problem(request(*messages, params=params))


def test_a_system_message_that_comes_too_late_fails_its_row_and_no_other():
    late = request(HI, {"role": "system", "content": "Be brief."})
    assert PROVIDER.problem(late) is None
    with pytest.raises(ValueError, match="a system message comes after another one"):
        PROVIDER.encode(late, ())


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("text", {"text": "text"}),
        ({"type": "text", "text": "a"}, {"text": "a"}),
        ({"type": "refusal", "refusal": "No."}, {"text": "No."}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://h/a.JPG?size=1"}},
            {"fileData": {"fileUri": "https://h/a.JPG?size=1", "mimeType": "image/jpeg"}},
        ),
        ({"type": "image_url", "image_url": {"url": "https://h/a"}}, {"fileData": {"fileUri": "https://h/a"}}),
        (
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mpeg", "data": "SUQz"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:video/mp4;base64,AAAA", "filename": "a.mp4"}, "videoMetadata": {"fps": 1}},
            {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}, "videoMetadata": {"fps": 1}},
        ),
        (
            {"type": "file", "file": {"file_id": "files/abc", "mime_type": "video/mp4"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc", "mimeType": "video/mp4"}},
        ),
        (
            {"type": "file", "file": {"file_data": "gs://b/a.pdf"}},
            {"fileData": {"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}},
        ),
        ({"executableCode": {"code": "1"}}, {"executableCode": {"code": "1"}}),
    ],
)  # fmt: skip
def test_every_part_has_its_own_form(part, said):
    assert sent({"role": "user", "content": [part]})["contents"] == [{"role": "user", "parts": [said]}]


def test_tool_calls_and_their_results():
    signed = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a":1}'},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    turns = sent(
        HI,
        {"role": "assistant", "content": "", "tool_calls": [signed, {"function": {"name": "g", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": '{"x": 1}'},
        {"role": "tool", "tool_call_id": "", "content": "warm"},
        HI,
    )["contents"]  # fmt: skip
    assert turns[1:3] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c"}, "thoughtSignature": "sig"},
                {"functionCall": {"name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"x": 1}, "id": "c"}},
                {"functionResponse": {"name": "g", "response": {"result": "warm"}}},
            ],
        },
    ]


def test_a_later_turn_is_sent_with_the_whole_history_and_no_empty_message():
    asked = request(follow_ups=("b?", "c?"))
    answers = (Response(text=["a!", "other a!"]), Response(text=""))
    turns = json.loads(PROVIDER.encode(asked, answers).body)["contents"]
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in turns] == [
        ("user", "Hi"),
        ("model", "a!"),
        ("user", "b?"),
        ("user", "c?"),
    ]


# Answers.

USAGE = {
    "promptTokenCount": 9,
    "candidatesTokenCount": 2,
    "totalTokenCount": 16,
    "thoughtsTokenCount": 5,
    "cachedContentTokenCount": 4,
    "toolUsePromptTokenCount": 3,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    "trafficType": "ON_DEMAND",
}


def candidate(*parts, reason="STOP", **more):
    parts = [{"text": part} if isinstance(part, str) else part for part in parts]
    return {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0, **more}


def answer(*candidates, **more):
    return {
        "candidates": [*candidates],
        "usageMetadata": USAGE,
        "modelVersion": "gemini-3-x-001",
        "responseId": "r1",
        **more,
    }


def decode(body, status=200, asked=None, **headers):
    return PROVIDER.decode(reply(status, body, **headers), asked or request())


def test_an_answer_with_all_that_belongs_to_it():
    body = answer(
        candidate(
            {"text": "hm", "thought": True},
            {"text": "Hel", "thoughtSignature": "s"},
            "lo",
            avgLogprobs=-0.1,
            logprobsResult={"chosenCandidates": [{"token": "Hel", "logProbability": -0.1}]},
            safetyRatings=[{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}],
            citationMetadata={},
            groundingMetadata={},
        ),
        promptFeedback={"safetyRatings": []},
        createTime="2026-11-20T10:00:00Z",
    )
    assert decode(body) == Response(
        text="Hello",
        finish_reason="stop",
        usage=Usage(12, 7, 4, 0, 5),
        model="gemini-3-x-001",
        request_id="r1",
        reasoning="hm",
        logprobs={"chosenCandidates": [{"token": "Hel", "logProbability": -0.1}]},
        raw=json.dumps(body).encode(),
    )


def call(number, name="f", arguments="{}", **more):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


SIGNED = {"extra_content": {"google": {"thought_signature": "s"}}}


@pytest.mark.parametrize(
    ("candidates", "text", "finish", "calls"),
    [
        ((candidate("a"), candidate("b", index=1)), ["a", "b"], "stop", ()),
        ((candidate(),), "", "stop", ()),
        (({"finishReason": "STOP"},), "", "stop", ()),
        (({"finishReason": "MAX_TOKENS", "content": {"role": "model"}},), "", "length", ()),
        (({"finishReason": "MAX_TOKENS", "content": None},), "", "length", ()),
        ((candidate("a", reason="MAX_TOKENS"),), "a", "length", ()),
        ((candidate("a", reason="SAFETY"),), "a", "content_filter", ()),
        ((candidate("a", reason="OTHER"),), "a", "OTHER", ()),
        ((candidate("a", reason=None),), "a", None, ()),
        ((candidate({"inlineData": {"mimeType": "image/png", "data": "iVBO"}}, "a"),), "a", "stop", ()),
        ((candidate({"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}, "a"),), "a", "stop", ()),
        (
            (candidate("a", {"functionCall": {"name": "f", "args": {"x": "é"}, "id": "i"}, "thoughtSignature": "s"}, {"functionCall": {"name": "g"}}),),
            "a",
            "tool_calls",
            (call("i", "f", '{"x": "\\u00e9"}', **SIGNED), call("call_1", "g")),
        ),
    ],
)  # fmt: skip
def test_every_form_of_a_candidate(candidates, text, finish, calls):
    read = decode(answer(*candidates))
    assert (read.text, read.finish_reason, read.tool_calls) == (text, finish, calls)


@pytest.mark.parametrize(
    "reason", ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"]
)
def test_a_filter_is_a_fault_where_there_is_no_text(reason):
    fault = decode(answer({"finishReason": reason, "finishMessage": "Because."}))
    assert (fault.kind, fault.provider_code) == (FaultKind.CONTENT_FILTER, reason)
    assert fault.detail.endswith("Because.")


def test_a_call_that_nobody_can_read_is_asked_for_again():
    assert decode(answer(candidate(reason="MALFORMED_FUNCTION_CALL"))).kind is FaultKind.BAD_REPLY


def test_a_blocked_prompt_is_a_content_filter():
    body = {
        "promptFeedback": {"blockReason": "OTHER", "safetyRatings": []},
        "usageMetadata": {"promptTokenCount": 9},
    }
    fault = decode(body)
    assert (fault.kind, fault.provider_code) == (FaultKind.CONTENT_FILTER, "OTHER")
    assert fault.detail == "the prompt was blocked: OTHER"


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 2}, Usage(9, 2)),
        ({"promptTokenCount": 9, "thoughtsTokenCount": 5}, Usage(9, 5, 0, 0, 5)),
        (None, None), ({}, None), ([], None), ({"promptTokenCount": -1}, None), ({"promptTokenCount": "many"}, None),
    ],
)  # fmt: skip
def test_what_was_used_is_normalised_and_never_costs_the_answer(usage, used):
    read = decode(answer(candidate("a"), usageMetadata=usage))
    assert (read.text, read.usage) == ("a", used)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the reply is no answer"),
        (b"[]", "the reply is no answer"),
        (b'{"candidates":{}}', "the reply is no answer"),
        (b"[" * 200_000, "the reply is no answer"),
        (b"{}", "the reply holds no candidates"),
        (b'{"candidates":[],"promptFeedback":{}}', "the reply holds no candidates"),
    ],
)
def test_a_success_that_cannot_be_read_is_a_bad_reply(body, why):
    fault = decode(body)
    assert (fault.kind, fault.http_status) == (FaultKind.BAD_REPLY, 200)
    assert fault.detail.startswith(why)


# Vectors.


def test_texts_are_embedded():
    asked = request(operation=Operation.EMBEDDING, params={"dimensions": 2, "task_type": "RETRIEVAL_QUERY"})
    assert PROVIDER.problem(asked) is None
    encoded = PROVIDER.encode(asked, ())
    assert encoded.path == "/v1beta/models/gemini-3-x:batchEmbedContents"
    assert json.loads(encoded.body) == {
        "requests": [
            {
                "model": "models/gemini-3-x",
                "content": {"parts": [{"text": "Hi"}]},
                "taskType": "RETRIEVAL_QUERY",
                "outputDimensionality": 2,
            }
        ]
    }
    body = {"embeddings": [{"values": [0.5, 1]}], "usageMetadata": {"promptTokenCount": 3}}
    read = decode(body, asked=asked)
    assert (read.text, read.embeddings, read.usage) == ("", ([0.5, 1.0],), Usage(3))
    assert decode({"embedding": {"values": [0.5]}}, asked=asked).embeddings == ([0.5],)
    assert "holds 2 vectors for 1 texts" in decode({"embeddings": [{"values": []}] * 2}, asked=asked).detail
    assert decode({"embeddings": [{"values": ["a"]}]}, asked=asked).kind is FaultKind.BAD_REPLY
    assert (
        decode({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "no"}}, 400, asked).detail
        == "no"
    )


def test_vertex_embeds_texts_in_its_own_form():
    vertex = Vertex({"project": "p"})
    asked = request(operation=Operation.EMBEDDING, params={"dimensions": 2, "task_type": "QUERY"})
    encoded = vertex.encode(asked, ())
    assert encoded.path.endswith("/publishers/google/models/gemini-3-x:predict")
    assert json.loads(encoded.body) == {
        "instances": [{"content": "Hi", "task_type": "QUERY"}],
        "parameters": {"outputDimensionality": 2},
    }
    body = {
        "predictions": [
            {"embeddings": {"values": [1.5], "statistics": {"token_count": 3.0, "truncated": False}}}
        ]
    }
    read = vertex.decode(reply(200, body), asked)
    assert (read.embeddings, read.usage) == (([1.5],), Usage(3))


def test_what_is_neither_chat_nor_embedding_cannot_be_asked_for():
    assert "no completions" in PROVIDER.problem(request(operation=Operation.COMPLETION))
    asked = request(operation=Operation.EMBEDDING, params={"encoding_format": "base64"})
    assert "encoding_format" in PROVIDER.problem(asked)


# Errors.


def error(code, status, message="no", *details):
    return {"error": {"code": code, "message": message, "status": status, "details": [*details]}}


def quota(*names):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaMetric": "m", "quotaId": name, "quotaValue": "5"} for name in names],
    }


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
TOKENS = "GenerateContentInputTokensPerModelPerMinute-FreeTier"
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait", "dimension"),
    [
        (400, error(400, "INVALID_ARGUMENT", "Unknown name"), "invalid_request", None, None),
        (400, error(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), "too_long", None, None),
        (400, error(400, "INVALID_ARGUMENT", "Bad key.", BAD_KEY), "auth", None, None),
        (400, error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "auth", None, None),
        (400, error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "auth", None, None),
        (400, error(400, "FAILED_PRECONDITION", "The File abc is not in an ACTIVE state"), "invalid_request", None, None),
        (401, error(401, "UNAUTHENTICATED"), "auth", None, None),
        (402, error(402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), "quota_exhausted", None, None),
        (403, error(403, "PERMISSION_DENIED"), "auth", None, None),
        (403, error(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."), "invalid_request", None, None),
        (404, error(404, "NOT_FOUND", "models/x is not found"), "not_found", None, None),
        (429, error(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota(MINUTE), RETRY), "rate_limited", 37 * SECOND, "requests"),
        (429, error(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota(TOKENS), RETRY), "rate_limited", 37 * SECOND, "input_tokens"),
        (429, error(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota(MINUTE, DAY), RETRY), "quota_exhausted", 37 * SECOND, None),
        (429, error(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."), "rate_limited", None, None),
        (429, error(429, "RESOURCE_EXHAUSTED", "Please retry in 1.68s."), "rate_limited", 1_680_000_000, None),
        (429, error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), "quota_exhausted", None, None),
        (499, error(499, "CANCELLED"), "invalid_request", None, None),
        (500, error(500, "INTERNAL"), "server_error", None, None),
        (503, error(503, "UNAVAILABLE", "The model is overloaded."), "overloaded", None, None),
        (504, error(504, "DEADLINE_EXCEEDED"), "server_error", None, None),
        (200, error(503, "UNAVAILABLE"), "overloaded", None, None),
    ],
)  # fmt: skip
def test_every_error_means_one_fault(status, body, kind, wait, dimension):
    fault = decode(body, status)
    assert (fault.kind, fault.http_status, fault.retry_after, fault.dimension) == (
        kind,
        status,
        wait,
        dimension,
    )
    assert (fault.detail, fault.provider_code) == (body["error"]["message"], body["error"]["status"])
    if status != 200:
        assert decode([body], status) == fault, "some put their error into a list"


# In pieces.

STREAM = (
    {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}], "role": "model"}, "index": 0}], "usageMetadata": {"promptTokenCount": 9}, "modelVersion": "gemini-3-x-001", "responseId": "r1"},
    {"candidates": [{"content": {"parts": [{"text": "Hé"}], "role": "model"}, "index": 0, "logprobsResult": {"chosenCandidates": [1]}}], "usageMetadata": {"promptTokenCount": 9}},
    {"candidates": [{"content": {"parts": [{"text": "llo"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]}, "index": 0, "logprobsResult": {"chosenCandidates": [2]}}]},
    {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}], "usageMetadata": USAGE, "modelVersion": "gemini-3-x-001"},
)  # fmt: skip


def fragments(*documents):
    return events(*documents, names=False, end="\r\n\r\n")


def reader(**params):
    return PROVIDER.reader(reply(200, b""), request(params=params))


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7, 64])
def test_a_stream_makes_the_answer_that_it_would_have_been(size):
    data = fragments(*STREAM)
    read = reader()
    deltas, whole = feed(read, data, size)
    assert read.is_over
    assert "".join(delta.text for delta in deltas) == "Héllo"
    assert "".join(delta.reasoning for delta in deltas) == "hm"
    assert whole == Response(
        text="Héllo",
        finish_reason="tool_calls",
        usage=Usage(12, 7, 4, 0, 5),
        model="gemini-3-x-001",
        request_id="r1",
        tool_calls=(call("call_0", "f", '{"a": 1}'),),
        reasoning="hm",
        logprobs={"chosenCandidates": [1, 2]},
        raw=data,
    )


def test_several_answers_end_each_for_itself():
    one, two = ({"candidates": [candidate(text, index=index)]} for index, text in enumerate(("a", "b")))
    read = reader(candidate_count=2)
    deltas, whole = feed(read, fragments(two, one))
    assert [(delta.choice, delta.text) for delta in deltas] == [(1, "b"), (0, "a")]
    assert whole.text == ["a", "b"]
    assert feed(reader(n=2), fragments(one))[1].kind is FaultKind.BAD_REPLY


@pytest.mark.parametrize(
    ("documents", "kind", "words"),
    [
        ((), "bad_reply", "broke off"),
        (STREAM[:-1], "bad_reply", "broke off"),
        ((*STREAM[:2], error(503, "UNAVAILABLE", "Overloaded.")), "overloaded", "Overloaded."),
        (({"promptFeedback": {"blockReason": "SAFETY"}},), "content_filter", "blocked"),
        (({"candidates": [{"finishReason": "SAFETY", "index": 0}]},), "content_filter", "withheld"),
    ],
)
def test_a_stream_that_does_not_end_as_it_should_is_a_fault(documents, kind, words):
    _, fault = feed(reader(), fragments(*documents))
    assert (fault.kind, words in fault.detail) == (kind, True)


# Anything at all.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "status", "details", "candidates", "content", "parts", "text", "thought", "functionCall", "args",
             "finishReason", "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount", "embeddings", "values",
             "predictions", "statistics", "token_count", "index", "logprobsResult"]
        ) | st.text(max_size=3),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip
statuses = st.sampled_from([200, 200, 200, 400, 403, 429, 503]) | st.integers(100, 999)
operations = st.sampled_from([Operation.CHAT, Operation.EMBEDDING])


def check(result):
    if isinstance(result, Fault):
        msgspec.json.encode((result.detail, result.provider_code, result.dimension))
    else:
        msgspec.json.encode((
            result.text,
            result.finish_reason,
            result.model,
            result.request_id,
            result.tool_calls,
        ))


@given(
    statuses, st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()), operations
)
def test_decoding_never_raises_and_everything_it_gives_can_be_written_down(status, body, operation):
    check(PROVIDER.decode(HttpReply(status, CIMultiDict(), body), request(operation=operation)))


parts = st.fixed_dictionaries(
    {}, optional={"text": json_values, "functionCall": json_values, "thought": json_values}
)
candidates = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({"parts": st.lists(parts, max_size=2)})},
    optional={
        "finishReason": json_values,
        "index": st.integers(0, 2) | json_values,
        "logprobsResult": json_values,
    },
)
fragment_lists = st.lists(
    st.sampled_from(STREAM)
    | st.fixed_dictionaries(
        {"candidates": st.lists(candidates, max_size=2)}, optional={"promptFeedback": json_values}
    )
    | json_values,
    max_size=6,
)


@examples(60)
@given(fragment_lists, st.integers(1, 60), st.binary(max_size=9))
def test_no_stream_breaks_the_reader_and_no_fragment_the_decoder(documents, size, junk):
    check(feed(reader(), fragments(*documents) + junk, size)[1])
    for document in documents:
        check(decode(document))


def test_a_stream_cut_at_any_byte_is_a_fault_until_its_last_fragment():
    data = fragments(*STREAM)
    for cut in range(len(data)):
        result = feed(reader(), data[:cut])[1]
        assert isinstance(result, Fault) == (cut < len(data) - 4), cut
