"""What is sent, held against the official SDKs' own types: every member exists there and has the form that they give it."""

import json

import pytest
from anthropic.types import message_create_params as anthropic
from google.genai import types as google
from pydantic import TypeAdapter

from brimline.providers.anthropic import Anthropic
from brimline.providers.gemini import Gemini
from brimline.types import Request

PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
MESSAGES = (
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": PIXEL}},
            {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
            {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
            },
        ],
    },
    {"role": "assistant", "content": "Hm", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "1"},
    {"role": "user", "content": "And?"},
)
COMMON = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stop": "x", "tools": [TOOL]}
SAMPLING = {"temperature", "top_p", "top_k"}
CHOICES = ("auto", "required", "none", {"type": "function", "function": {"name": "f"}})


def body(provider, **more):
    asked = Request(**{"id": 0, "model": "lab/m", "messages": MESSAGES, **more})
    assert provider.problem(asked) is None
    return json.loads(provider.encode(asked, ()).body)


@pytest.mark.parametrize("choice", CHOICES)
def test_anthropics_sdk_knows_all_that_is_sent(choice):
    sent = body(
        Anthropic(),
        params={
            **COMMON,
            "tool_choice": choice,
            "parallel_tool_calls": False,
            "reasoning_effort": "low",
            "user": "u",
        },
        schema=SCHEMA,
    )
    assert sent.keys() >= SAMPLING, "the version of the API that is pinned has them, the SDK's has not"
    TypeAdapter(anthropic.MessageCreateParamsNonStreaming).validate_python(sent)
    known = (anthropic.MessageCreateParamsBase, anthropic.MessageCreateParamsNonStreaming)
    assert sent.keys() - SAMPLING <= {name for kind in known for name in kind.__annotations__}


@pytest.mark.parametrize("choice", CHOICES)
def test_googles_sdk_knows_all_that_is_sent(choice):
    more = {
        "n": 2,
        "seed": 1,
        "presence_penalty": 1,
        "frequency_penalty": 1,
        "logprobs": True,
        "top_logprobs": 2,
    }
    audio = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    film = {
        "type": "file",
        "file": {"file_id": "files/abc", "mime_type": "video/mp4"},
        "videoMetadata": {"fps": 1},
    }
    sent = body(
        Gemini(),
        params={**COMMON, **more, "tool_choice": choice, "reasoning_effort": "low", "safety_filter": "few"},
        messages=(*MESSAGES, {"role": "user", "content": [audio, film]}),
        schema=SCHEMA,
    )
    for content in (*sent.pop("contents"), sent.pop("systemInstruction")):
        google.Content.model_validate(content)
    google.GenerationConfig.model_validate(sent.pop("generationConfig"))
    google.ToolConfig.model_validate(sent.pop("toolConfig"))
    for kind, member in ((google.Tool, "tools"), (google.SafetySetting, "safetySettings")):
        for each in sent.pop(member):
            kind.model_validate(each)
    assert not sent
