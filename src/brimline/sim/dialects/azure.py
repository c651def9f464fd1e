"""Azure OpenAI: OpenAI's bodies, with filter results; its own paths, keys, errors and headers."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.dialect import Dialect, Event, Letterhead, Request, Words, bearer
from brimline.sim.dialects.openai_chat import OpenAIChat
from brimline.sim.dialects.openai_words import OpenAI
from brimline.sim.errors import NOT_JSON, Problem
from brimline.sim.headers import Headers
from brimline.sim.replies import Answer

_encode = msgspec.json.Encoder().encode
_SAFE = {
    name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")
}
_PROMPT = [{"prompt_index": 0, "content_filter_results": _SAFE}]
_UNFIT = _SAFE | {"violence": {"filtered": True, "severity": "medium"}}
_ACCESS = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)


class Azure(Dialect):
    """Any endpoint of OpenAI's under Azure's paths."""

    form = Headers.AZURE
    retry = "ms"

    def __init__(self, inner: OpenAI, deployment: str | None, *, versioned: bool) -> None:
        """`deployment` stands for the model where the path names one; `versioned`: api-version was given."""
        self._inner, self._deployment, self._versioned = inner, deployment, versioned

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The api-key header, or a token of Entra's."""
        return headers.get("api-key") or bearer(headers)

    def read(self, body: bytes) -> Request | Problem:
        """Read the body as OpenAI does; the deployment is the model, whatever the body says."""
        if not self._versioned:
            return Problem("not_found", "Resource not found", code="404")
        if self._deployment is None:
            return self._inner.read(body)
        try:
            members = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        return self._inner.read(_encode(members | {"model": self._deployment}))

    def lines(self, letter: Letterhead, _latency: int) -> str:
        """Two ids, for two sorts of support."""
        number = f"{letter.number:012d}"
        return (
            f"apim-request-id: 00000000-0000-4000-8000-{number}\r\nx-request-id: 00000000-0000-4000-9000-{number}"
            "\r\nx-ms-region: Sim Central\r\n"
        )

    def error(self, letter: Letterhead, problem: Problem) -> Words:
        """OpenAI's errors, but those of the gateway and of the filter in Azure's words."""
        if problem.kind in {"no_key", "bad_key"}:
            return _gateway(401, "401", _ACCESS)
        if problem.kind == "not_found":
            missing = "The API deployment for this resource does not exist."
            return _gateway(
                404, problem.code or "DeploymentNotFound", missing if problem.model else problem.message
            )
        if problem.kind in {"rate", "too_large"}:
            seconds = -(-problem.wait // SECOND) if problem.wait is not None else 60
            return _gateway(429, "429", f"{problem.message} Please retry after {seconds} seconds.")
        if problem.kind == "filtered":
            inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _UNFIT}
            error = {"message": problem.message, "type": None, "param": "prompt", "code": "content_filter"}
            return Words(400, _encode({"error": error | {"status": 400, "innererror": inner}}))
        return self._inner.error(letter, problem)

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """OpenAI's answer, and what the filter found of it."""
        return self._inner.reply(letter, request, made)

    def error200(self, letter: Letterhead, request: Request) -> bytes:
        """As OpenAI has it."""
        return self._inner.error200(letter, request)

    def error_event(self, letter: Letterhead) -> bytes:
        """As OpenAI has it."""
        return self._inner.error_event(letter)

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """OpenAI's stream."""
        return self._inner.events(letter, request, made)


class AzureChat(OpenAIChat):
    """Chat completions with what the filter found; the first chunk of a stream has no choices."""

    def completion(self, letter: Letterhead, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """Filter results stand in each choice, and once for the prompt."""
        filtered = [choice | {"content_filter_results": _SAFE} for choice in choices]
        whole = super().completion(letter, kind, filtered)
        return whole if kind.endswith("chunk") else whole | {"prompt_filter_results": _PROMPT}

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """The prompt's filter results come before the role."""
        first = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        yield Event(b"data: %b\n\n" % _encode(first | {"prompt_filter_results": _PROMPT}))
        yield from super().events(letter, request, made)


def _gateway(status: int, code: str, message: str) -> Words:
    return Words(status, _encode({"error": {"code": code, "message": message}}))
