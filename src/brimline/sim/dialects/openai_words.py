"""What all of OpenAI's endpoints have in common: keys, headers and errors, word for word."""

import msgspec

from brimline.sim.dialect import Dialect, Letterhead, Words
from brimline.sim.errors import Problem, ProblemKind
from brimline.sim.headers import Headers

_VENDOR = "openai-version: 2020-10-01\r\nopenai-organization: org-sim\r\n"
_WORDS: dict[ProblemKind, tuple[int, str, str | None, str | None]] = {  # status, type, code, param
    "invalid": (400, "invalid_request_error", None, None),
    "bad_json": (400, "invalid_request_error", None, None),
    "no_key": (401, "invalid_request_error", None, None),
    "bad_key": (401, "invalid_request_error", "invalid_api_key", None),
    "not_found": (404, "invalid_request_error", "model_not_found", None),
    "too_long": (400, "invalid_request_error", "context_length_exceeded", "messages"),
    "not_recorded": (400, "invalid_request_error", "not_recorded", "messages"),
    "filtered": (400, "invalid_request_error", "content_filter", "prompt"),
    "rate": (429, "requests", "rate_limit_exceeded", None),
    "too_large": (429, "requests", "rate_limit_exceeded", None),
    "quota": (429, "insufficient_quota", "insufficient_quota", None),
    "server_error": (500, "server_error", None, None),
    "unavailable": (503, "service_unavailable_error", "server_is_overloaded", None),
    "overloaded": (529, "overloaded_error", "overloaded", None),
}


class OpenAI(Dialect):
    """Any of OpenAI's endpoints."""

    form = Headers.OPENAI
    retry = "ms"

    def lines(self, letter: Letterhead, latency: int) -> str:
        """The vendor's headers, and the id that its support asks for."""
        return (
            f"{_VENDOR}openai-processing-ms: {latency // 1_000_000}\r\n"
            f"x-request-id: req_sim{letter.number:025d}\r\n"
        )

    def error(self, _letter: Letterhead, problem: Problem) -> Words:
        """{"error": {message, type, param, code}}."""
        status, kind, code, param = _WORDS[problem.kind]
        if problem.exceeded is not None and problem.exceeded.of_tokens:
            kind = "tokens"
        return error_words(
            status, problem.message, kind=kind, param=problem.param or param, code=problem.code or code
        )


def error_words(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> Words:
    """An error in OpenAI's form."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Words(status, msgspec.json.encode({"error": error}))
