"""Which dialect a path belongs to: all of them are spoken on one port."""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from aiohttp.web import BaseRequest

from brimline.sim.dialect import Dialect
from brimline.sim.dialects.anthropic import Anthropic
from brimline.sim.dialects.azure import Azure, AzureChat
from brimline.sim.dialects.bedrock import Bedrock
from brimline.sim.dialects.cohere import CohereChat, CohereEmbeddings
from brimline.sim.dialects.gemini import Gemini
from brimline.sim.dialects.gemini_embeddings import GeminiEmbeddings
from brimline.sim.dialects.generate import Generate
from brimline.sim.dialects.ollama import OllamaChat, OllamaGenerate
from brimline.sim.dialects.ollama_embeddings import OllamaEmbeddings
from brimline.sim.dialects.openai_embeddings import OpenAIEmbeddings
from brimline.sim.dialects.openai_responses import OpenAIResponses
from brimline.sim.dialects.openai_text import OpenAIText
from brimline.sim.dialects.openai_words import OpenAI
from brimline.sim.files import Files
from brimline.sim.world import OPENAI_CHAT


class Call(NamedTuple):
    """What a path may need of its request to find its dialect."""

    found: re.Match[str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    files: Files


_OPENAI: Mapping[str, OpenAI] = {
    "chat/completions": OPENAI_CHAT,
    "completions": OpenAIText(),
    "responses": OpenAIResponses(),
    "embeddings": OpenAIEmbeddings(),
}
_AZURE: Mapping[str, OpenAI] = {**_OPENAI, "chat/completions": AzureChat()}
_FIXED: Mapping[str, Dialect] = {
    **{f"{root}/{path}": dialect for root in ("", "/v1") for path, dialect in _OPENAI.items()},
    "/v2/chat": CohereChat(),
    "/v2/embed": CohereEmbeddings(),
    "/api/chat": OllamaChat(),
    "/api/generate": OllamaGenerate(),
    "/api/embed": OllamaEmbeddings(),
    "/api/embeddings": OllamaEmbeddings(old=True),
}


def find(request: BaseRequest, files: Files) -> Dialect | None:
    """The dialect of a request, None for a path that is no API's."""
    path = request.path
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    for pattern, make in _SHAPES:
        found = pattern.fullmatch(path)
        if found is not None:
            return make(Call(found, request.query, request.headers, files))
    return None


def _deployed(call: Call) -> Dialect:
    versioned = "api-version" in call.query
    return Azure(_AZURE[call.found["path"]], call.found["deployment"], versioned=versioned)


def _gemini(call: Call) -> Dialect | None:
    model, key, vertex = call.found["model"], call.query.get("key"), call.found["vertex"] is not None
    match call.found["method"]:
        case "generateContent":
            return Gemini(model, call.files, key, vertex=vertex)
        case "streamGenerateContent":
            form: Literal["events", "array"] = "events" if call.query.get("alt") == "sse" else "array"
            return Gemini(model, call.files, key, stream=form, vertex=vertex)
        case "embedContent" | "batchEmbedContents" | "predict" as method:
            return GeminiEmbeddings(model, method, key, vertex=vertex)
        case _:
            return None


def _bedrock(call: Call) -> Dialect:
    return Bedrock(call.found["model"], stream=call.found["stream"] is not None)


def _v1(call: Call) -> Dialect:
    return Azure(_AZURE[call.found["path"]], None, versioned=True)


_PATHS = "(?P<path>chat/completions|completions|embeddings|responses)"
_VERTEX = r"(?P<vertex>projects/[^/]+/locations/[^/]+/publishers/google/)"
_SHAPES: tuple[tuple[re.Pattern[str], Callable[[Call], Dialect | None]], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (rf"/openai/deployments/(?P<deployment>[^/]+)/{_PATHS}", _deployed),
        (rf"/openai/v1/{_PATHS}", _v1),
        (r"(?:/anthropic)?/v1/messages", lambda call: Anthropic(call.headers.get("anthropic-version"))),
        (rf"/v1(?:beta1?)?/{_VERTEX}?models/(?P<model>.+):(?P<method>\w+)", _gemini),
        (r"/model/(?P<model>.+)/converse(?P<stream>-stream)?", _bedrock),
        (r"/generate(?P<stream>_stream)?", lambda call: Generate(stream=call.found["stream"] is not None)),
        # Groq, OpenRouter, Gemini and others have OpenAI's paths below one of their own
        (rf".*?/{_PATHS}", lambda call: _OPENAI[call.found["path"]]),
    )
)
