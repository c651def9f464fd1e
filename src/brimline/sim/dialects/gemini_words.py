"""What Gemini's methods have in common: keys, headers, and errors with their details."""

from collections.abc import Mapping
from typing import Any

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.dialect import Dialect, Letterhead, Words, bearer
from brimline.sim.errors import UNAVAILABLE, Problem, ProblemKind

MEDIA = "application/json; charset=UTF-8"
_encode = msgspec.json.Encoder().encode
_DOMAIN = "googleapis.com"
_METRIC = "generativelanguage.googleapis.com/generate_content_free_tier"
_ERRORS: dict[ProblemKind, tuple[int, str]] = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "bad_json": (400, "INVALID_ARGUMENT"),
    "no_key": (403, "PERMISSION_DENIED"),
    "bad_key": (400, "INVALID_ARGUMENT"),
    "not_found": (404, "NOT_FOUND"),
    "too_long": (400, "INVALID_ARGUMENT"),
    "not_recorded": (400, "INVALID_ARGUMENT"),
    "filtered": (400, "INVALID_ARGUMENT"),
    "rate": (429, "RESOURCE_EXHAUSTED"),
    "too_large": (429, "RESOURCE_EXHAUSTED"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "server_error": (500, "INTERNAL"),
    "unavailable": (503, "UNAVAILABLE"),
    "overloaded": (503, "UNAVAILABLE"),
}
_MESSAGES: dict[ProblemKind, str] = {
    "bad_json": "Invalid JSON payload received. Unexpected end of string.",
    "no_key": (
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
        "form of API consumer identity to call this API."
    ),
    "bad_key": "API key not valid. Please pass a valid API key.",
    "server_error": "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    "unavailable": "The model is overloaded. Please try again later.",
    "overloaded": "The model is overloaded. Please try again later.",
}
Table = dict[str, Any]


class Google(Dialect):
    """Any of Gemini's methods; the model stands in the path."""

    media = MEDIA
    broken = b'data: {"candidates": [{"cont\r\n\r\n'

    def __init__(self, model: str, key: str | None = None, *, vertex: bool = False) -> None:
        """`key` is the one in the query; `vertex` takes a bearer token instead."""
        self.model, self._key, self._vertex = model, key, vertex

    def key(self, headers: Mapping[str, str]) -> str | None:
        """A header, or a parameter of the URL; a bearer token of Vertex AI."""
        return headers.get("x-goog-api-key") or self._key or bearer(headers)

    def lines(self, _letter: Letterhead, latency: int) -> str:
        """Nothing about limits, and no id."""
        return f"server: scaffolding on HTTPServer2\r\nserver-timing: gfet4t7; dur={latency // 1_000_000}\r\n"

    def error(self, letter: Letterhead, problem: Problem) -> Words:
        """{"error": {code, message, status, details}}."""
        status, name = _ERRORS[problem.kind]
        if self._vertex and problem.kind in {"no_key", "bad_key"}:
            status, name = 401, "UNAUTHENTICATED"
        if problem.kind == "invalid" and problem.code == "PERMISSION_DENIED":
            status, name = 403, problem.code
        error: Table = {"code": status, "message": self._message(letter, problem), "status": name}
        details = [*self._details(letter, problem)]
        return Words(
            status, _encode({"error": error | ({"details": details} if details else {})}), media=MEDIA
        )

    def error_event(self, letter: Letterhead) -> bytes:
        """The error as it would be by itself."""
        return b"data: %b\r\n\r\n" % self.error(letter, UNAVAILABLE).body

    def _message(self, letter: Letterhead, problem: Problem) -> str:
        if problem.kind == "too_long":
            return (
                f"The input token count ({problem.tokens}) exceeds the maximum number of tokens allowed "
                f"({problem.limit})."
            )
        if problem.kind == "not_found":
            return (
                f"models/{problem.model} is not found for API version v1beta, or is not supported for generateContent. "
                "Call ListModels to see the list of available models and their supported methods."
            )
        if not problem.is_limit:
            return _MESSAGES.get(problem.kind, problem.message)
        if self._vertex:
            return "Resource exhausted. Please try again later."
        limit = problem.exceeded.limit if problem.exceeded is not None else 0
        again = f"\nPlease retry in {letter.retry / SECOND:g}s." if letter.retry is not None else ""
        return (
            "You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: "
            f"{_METRIC}_{_counted(problem)}, limit: {limit}, model: {self.model}{again}"
        )

    def _details(self, letter: Letterhead, problem: Problem) -> list[Table]:
        if problem.kind == "bad_key":
            return [
                _detail(
                    "ErrorInfo",
                    {"reason": "API_KEY_INVALID", "domain": _DOMAIN, "metadata": {"service": _METRIC}},
                )
            ]
        if not problem.is_limit or self._vertex:
            return []
        violation = {
            "quotaMetric": f"{_METRIC}_{_counted(problem)}",
            "quotaId": _quota_id(problem),
            "quotaDimensions": {"location": "global", "model": self.model},
            "quotaValue": str(problem.exceeded.limit if problem.exceeded is not None else 0),
        }
        details = [_detail("QuotaFailure", {"violations": [violation]})]
        if letter.retry is not None:
            details.append(_detail("RetryInfo", {"retryDelay": f"{letter.retry / SECOND:g}s"}))
        return details


def _counted(problem: Problem) -> str:
    tokens = problem.exceeded is not None and problem.exceeded.of_tokens
    return "input_token_count" if tokens else "requests"


def _quota_id(problem: Problem) -> str:
    """The name that says what was counted, and for how long."""
    name = problem.exceeded.name if problem.exceeded is not None else ""
    period = "Day" if problem.kind == "quota" or "per day" in name else "Minute"
    if problem.exceeded is not None and problem.exceeded.of_tokens:
        return f"GenerateContentInputTokensPerModelPer{period}-FreeTier"
    return f"GenerateRequestsPer{period}PerProjectPerModel-FreeTier"


def _detail(kind: str, members: Table) -> Table:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}"} | members
