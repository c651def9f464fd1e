"""What an error of an OpenAI-like server means: status, code, type and words to one fault.

The policy follows the official SDK and the providers' documentation; the message is looked at only where servers
use one code for different things (a 429 for an empty account, a 400 for a prompt that is too long).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from brimline.providers.waits import duration, named_wait
from brimline.types import Fault, FaultKind, HttpReply

_K = FaultKind

_EXHAUSTED_CODES = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
}
_EXHAUSTED = re.compile(
    r"exceeded your current quota|used all available credits|monthly spending limit", re.IGNORECASE
)
_TOO_LONG = re.compile(
    r"context.{0,20}length|maximum context|too long|too many tokens|context window", re.IGNORECASE
)
_FILTERED = re.compile(r"content.{0,3}(filter|polic|management)|moderation|safety system", re.IGNORECASE)
_BAD_KEY = re.compile(r"(incorrect|invalid) api key", re.IGNORECASE)

_KINDS = {
    401: _K.AUTH,
    402: _K.QUOTA_EXHAUSTED,
    403: _K.AUTH,
    404: _K.NOT_FOUND,
    405: _K.NOT_FOUND,
    407: _K.AUTH,
    408: _K.SERVER_ERROR,
    409: _K.SERVER_ERROR,
    413: _K.TOO_LONG,
    424: _K.SERVER_ERROR,
    425: _K.OVERLOADED,
    429: _K.RATE_LIMITED,
    498: _K.OVERLOADED,
    503: _K.OVERLOADED,
    529: _K.OVERLOADED,
}


class _Error(NamedTuple):
    """The parts of an error body that say something."""

    message: str
    code: str
    type: str
    metadata: Mapping[str, Any]


def classify(reply: HttpReply) -> Fault:
    """Return the fault that an error reply, or an error inside a 200, means."""
    error = _read(reply.body)
    status = reply.status
    if status == 200:
        status = int(error.code) if error.code.isdecimal() and 400 <= int(error.code) < 600 else 500
    kind = _kind(status, error)
    dimension = error.type if error.type in {"requests", "tokens"} else None
    return Fault(
        kind,
        error.message or _words(reply),
        retry_after=named_wait(reply.headers, error.message) or _reset(reply.headers, dimension, kind),
        http_status=reply.status,
        provider_code=error.code or error.type or None,
        dimension=dimension,
    )


def _kind(status: int, error: _Error) -> FaultKind:
    if status in {429, 403} and (
        error.code in _EXHAUSTED_CODES or error.type in _EXHAUSTED_CODES or _EXHAUSTED.search(error.message)
    ):
        return _K.QUOTA_EXHAUSTED
    if status == 402 and error.metadata.get("limit_source") == "openrouter_in_flight_budget":
        return _K.RATE_LIMITED
    if status in {400, 403, 422}:
        return _refused(status, error)
    if 300 <= status < 400:
        return _K.NOT_FOUND
    default = _K.SERVER_ERROR if status >= 500 else _K.INVALID_REQUEST
    return _KINDS.get(status, default)


def _refused(status: int, error: _Error) -> FaultKind:
    """Tell apart what servers refuse with 400, 403 and 422."""
    if error.code == "context_length_exceeded" or _TOO_LONG.search(error.message):
        return _K.TOO_LONG
    if error.code in {"content_filter", "content_policy_violation"} or _FILTERED.search(error.message):
        return _K.CONTENT_FILTER
    if status == 403 or error.code == "invalid_api_key" or _BAD_KEY.search(error.message):
        return _K.AUTH
    return _K.INVALID_REQUEST


def _read(body: bytes) -> _Error:
    """Read an error body in any of its forms; what cannot be read is an empty error."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Error("", "", "", {})
    if isinstance(document, list) and document:
        document = document[0]
    error = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return _Error(error if isinstance(error, str) else "", "", "", {})
    message = error.get("message") or error.get("detail") or ""
    metadata = error.get("metadata")
    return _Error(
        message if isinstance(message, str) else msgspec.json.encode(message).decode(),
        str(error.get("code") or ""),
        str(error.get("type") or ""),
        metadata if isinstance(metadata, dict) else {},
    )


def _words(reply: HttpReply) -> str:
    """Describe a reply that does not describe itself: a proxy's page, a redirect, an empty body."""
    if location := reply.headers.get("location"):
        return f"HTTP {reply.status}: the base URL redirects to {location}"
    text = reply.body[:200].decode("utf-8", "replace").strip()
    return f"HTTP {reply.status}: {text}" if text else f"HTTP {reply.status}"


def _reset(headers: Mapping[str, str], dimension: str | None, kind: FaultKind) -> int | None:
    """A refusal without a named wait may still say when its bucket is full again; that is late, but certain."""
    if kind is not _K.RATE_LIMITED or dimension is None:
        return None
    return duration(headers.get(f"x-ratelimit-reset-{dimension}", ""))
