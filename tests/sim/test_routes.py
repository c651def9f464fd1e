"""Every API has its paths, on one port; each dialect has words for every problem."""

from typing import get_args

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from brimline.sim.dialect import Dialect, Letterhead
from brimline.sim.errors import Problem, ProblemKind
from brimline.sim.files import Files
from brimline.sim.routes import find

from .harness import Provider, read

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


GEMINI, ANTHROPIC = "/v1beta/models/m:generateContent", "/v1/messages"
HELLO = {
    GEMINI: b'{"contents": [{"parts": [{"text": "hello"}]}]}',
    ANTHROPIC: b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}',
}


@pytest.mark.parametrize(
    ("path", "words", "names", "body"),
    [
        (GEMINI, "", set(), b"retryDelay"),
        (GEMINI, 'retry_after = "none"', set(), None),
        (
            GEMINI,
            'retry_after = "s"\nheaders = true',
            {"x-ratelimit-limit-requests", "retry-after"},
            b"retryDelay",
        ),
        (ANTHROPIC, "", {"anthropic-ratelimit-requests-limit", "retry-after"}, None),
        (ANTHROPIC, 'retry_after = "ms"', {"anthropic-ratelimit-requests-limit", "retry-after-ms"}, None),
        (ANTHROPIC, "headers = true", {"x-ratelimit-limit-requests", "retry-after"}, None),
        (ANTHROPIC, 'headers = "azure"', {"x-ratelimit-limit-requests", "retry-after"}, None),
        (ANTHROPIC, "headers = false", {"retry-after"}, None),
    ],
)
def test_each_api_tells_of_limits_in_its_own_way_unless_the_scenario_says_otherwise(path, words, names, body):
    provider = Provider(f'[models."*"]\nrequests = {{ rate = "60/min", bucket = 1 }}\n{words}')
    request = make_mocked_request("POST", path, {"anthropic-version": "2023-06-01"})
    replies = []
    for _ in range(2):
        exchange = provider.world.arrive(0, None, HELLO[path], find(request, Files()))
        provider.leave(exchange)
        replies.append(read(exchange.script))
    assert [reply.status for reply in replies] == [200, 429]
    told = {name for name in replies[1].headers if "ratelimit" in name or "retry" in name}
    assert names <= told
    families = {"x-ratelimit", "anthropic-ratelimit", "retry-after-ms"}
    assert {each for each in families if any(name.startswith(each) for name in told)} == {
        each for each in families if any(name.startswith(each) for name in names)
    }
    assert (b"retryDelay" in replies[1].body) == (body is not None)
