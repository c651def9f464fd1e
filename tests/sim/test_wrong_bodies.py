"""A body that is wrong in any one place gets an answer or an error, in every dialect: never a crash."""

import copy
import random

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from brimline.sim import Scenario, World
from brimline.sim.files import Files
from brimline.sim.routes import find

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
FUNCTION = {"name": "f", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
URL = "data:image/png;base64,iVBORw0KGgo="
BODIES = {
    "/v1/chat/completions": {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": URL}}],
            },
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}],
            },
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERg=="}}]},
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    },
    "/v1/completions": {
        "model": "m",
        "prompt": ["a", [1, 2]],
        "max_tokens": 5,
        "logprobs": 1,
        "stream": True,
    },
    "/v1/embeddings": {"model": "m", "input": ["a", [1, 2]], "dimensions": 5},
    "/v1/responses": {
        "model": "m",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": URL}],
            },
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
            {"type": "function_call_output", "output": "x", "call_id": "c"},
        ],
        "tools": [{"type": "function"} | FUNCTION],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
        "reasoning": {"effort": "low"},
        "stream": True,
    },
    "/v1/messages": {
        "model": "m",
        "max_tokens": 2000,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                    },
                    {"type": "document", "source": {"type": "url", "url": "https://x.org/a.pdf"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}
                ],
            },
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stream": True,
    },
    "/v1beta/models/m:streamGenerateContent?alt=sse": {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "a"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                    {"fileData": {"fileUri": "https://x.org/a", "mimeType": "video/mp4"}},
                ],
            },
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"q": "a"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"q": "a"}}}]},
        ],
        "generationConfig": {
            "maxOutputTokens": 50,
            "candidateCount": 2,
            "temperature": 1,
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"q": {"type": "STRING"}}, "required": ["q"]},
            "thinkingConfig": {"includeThoughts": True},
        },
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}},
    },
    "/v1beta/models/m:batchEmbedContents": {
        "requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 5}]
    },
    "/v1/projects/p/locations/l/publishers/google/models/m:predict": {
        "instances": [{"content": "a"}],
        "parameters": {"outputDimensionality": 5},
    },
    "/api/chat": {
        "model": "m",
        "messages": [{"role": "user", "content": "a", "images": ["iVBORw0KGgo="]}],
        "tools": [TOOL],
        "format": SCHEMA,
        "options": {"num_predict": 50},
        "think": True,
    },
    "/api/generate": {"model": "m", "prompt": "a", "images": ["iVBORw0KGgo="], "format": "json"},
    "/api/embed": {"model": "m", "input": ["a"], "dimensions": 5},
    "/v2/chat": {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": URL}}],
            }
        ],
        "tools": [TOOL],
        "tool_choice": "REQUIRED",
        "response_format": {"type": "json_object", "json_schema": SCHEMA},
        "stream": True,
    },
    "/v2/embed": {
        "model": "m",
        "texts": ["a"],
        "input_type": "x",
        "embedding_types": ["float"],
        "output_dimension": 5,
    },
    "/model/m/converse-stream": {
        "system": [{"text": "s"}],
        "messages": [
            {
                "role": "user",
                "content": [{"text": "a"}, {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}],
            },
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "x"}]}}]},
        ],
        "inferenceConfig": {"maxTokens": 50},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}],
            "toolChoice": {"any": {}},
        },
    },
    "/generate_stream": {
        "inputs": "a",
        "parameters": {"max_new_tokens": 5, "grammar": {"type": "json", "value": SCHEMA}},
    },
}
WRONG = (None, True, -1, 10**6, "x", [], [None], {"x": 5})


def places(value, path=()):
    """Where something stands in a body."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        yield from places(one, (*path, name))


def changed(body, path, value):
    body = copy.deepcopy(body)
    if not path:
        return value
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return body


@pytest.mark.parametrize("path", BODIES)
def test_one_wrong_value_anywhere_never_crashes(path):
    world = World(Scenario(), random.Random(0))
    dialect = find(make_mocked_request("POST", path, {"anthropic-version": "2023-06-01"}), Files())

    def status(body):
        exchange = world.arrive(0, None, msgspec.json.encode(body), dialect)
        world.leave(0, exchange)
        return exchange.script.status

    assert status(BODIES[path]) == 200
    for place in places(BODIES[path]):
        for value in WRONG:
            assert status(changed(BODIES[path], place, value)) in {200, 400, 404, 422}, (place, value)
