"""Every API has its paths, on one port; each dialect has words for every problem."""

from typing import get_args

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from brimline.sim.dialect import Dialect, Letterhead
from brimline.sim.errors import Problem, ProblemKind
from brimline.sim.files import Files
from brimline.sim.routes import find

PATHS = {
    "/v1/chat/completions": "OpenAIChat",
    "/chat/completions": "OpenAIChat",
    "/api/v1/chat/completions": "OpenAIChat",
    "/v1beta/openai/chat/completions": "OpenAIChat",
    "/v1/completions": "OpenAIText",
    "/v1/responses": "OpenAIResponses",
    "/v1/embeddings": "OpenAIEmbeddings",
    "/openai/deployments/d/chat/completions?api-version=1": "Azure",
    "/openai/v1/responses": "Azure",
    "/v1/messages": "Anthropic",
    "/anthropic/v1/messages": "Anthropic",
    "/v1beta/models/m:generateContent": "Gemini",
    "/v1/models/llama:8b:streamGenerateContent?alt=sse": "Gemini",
    "/v1/projects/p/locations/l/publishers/google/models/m:generateContent": "Gemini",
    "/v1beta1/projects/p/locations/l/publishers/google/models/m:predict": "GeminiEmbeddings",
    "/v1beta/models/m:batchEmbedContents": "GeminiEmbeddings",
    "/api/chat": "OllamaChat",
    "/api/generate": "OllamaGenerate",
    "/api/embed": "OllamaEmbeddings",
    "/v2/chat": "CohereChat",
    "/v2/embed": "CohereEmbeddings",
    "/model/anthropic.claude-3%3A0/converse": "Bedrock",
    "/model/m/converse-stream": "Bedrock",
    "/generate": "Generate",
    "/generate_stream": "Generate",
}


def dialect(path: str) -> Dialect | None:
    return find(make_mocked_request("POST", path), Files())


@pytest.mark.parametrize(("path", "name"), PATHS.items())
def test_every_api_has_its_paths(path, name):
    assert type(dialect(path)).__name__ == name


@pytest.mark.parametrize("path", ["/", "/v1/nothing", "/v1beta/models/m:unheardOf", "/api", "/v1/models/m"])
def test_other_paths_are_nobodys(path):
    assert dialect(path) is None


@pytest.mark.parametrize("path", PATHS)
def test_every_dialect_has_words_for_every_problem(path):
    for kind in get_args(ProblemKind):
        words = dialect(path).error(Letterhead(1, 0, "m"), Problem(kind, "because", model="m"))
        told = words.body.removeprefix(b"data: ")
        assert isinstance(msgspec.json.decode(told), dict | list)
        if kind in {"rate", "too_large"}:
            assert words.status == 429
        if kind in {"no_key", "bad_key"}:
            assert words.status in {400, 401, 403}


@pytest.mark.parametrize("path", PATHS)
def test_what_cannot_be_read_is_a_problem_and_never_a_crash(path):
    for body in (b"", b"[]", b"{}", b'{"model": 1}', b"\xff", b'{"messages": 5, "contents": {}}'):
        assert isinstance(dialect(path).read(body), Problem)
