"""What an error means, an OpenAI-like server's, Anthropic's or Google's: status, code, type and words to one fault.

The policy follows the official SDK and the providers' documentation; the message is looked at only where servers
use one code for different things (a 429 for an empty account, a 400 for a prompt that is too long).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from brimline.providers.refusals import (
    DIMENSIONS,
    adverts_of,
    bare_reset,
    named_dimension,
    named_limit,
    wait_for,
    what_ran_out,
)
from brimline.providers.waits import duration, named_wait, wait_in_words
from brimline.types import Advert, Fault, FaultKind, HttpReply

_K = FaultKind

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises; the last where it is nested too deep."""

_EXHAUSTED_CODES = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
}
_EXHAUSTED = re.compile(
    r"exceeded your current quota|used all available credits|monthly spending limit|credit balance is too low|"
    r"specified API usage limits|account.{0,20}suspended|calls ?/ ?month|credits are depleted|"
    r"reached your (daily|weekly|monthly) usage limit",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.{0,20}(length|size|limit|window|overflow)|maximum context|too long|too many tokens|"
    r"max_new_tokens.{0,5}must be|reduce the length|exceeds the maximum number of tokens",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
_FILTERED = re.compile(r"content.{0,3}(filter|polic|management)|moderation|safety system", re.IGNORECASE)
_BAD_KEY = re.compile(r"(incorrect|invalid) api key|api key not valid", re.IGNORECASE)

_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)
"""What a page of a proxy's says for people."""

_UNSERVED = re.compile(r"location is not supported|not available in your country|billing", re.IGNORECASE)
"""Google's words for an account that it does not serve (FAILED_PRECONDITION)."""
_NO_FILE = re.compile(r"permission to access the file", re.IGNORECASE)
"""Google's words for an uploaded file that is gone; the credential is all right."""

_KINDS = {
    401: _K.AUTH,
    402: _K.QUOTA_EXHAUSTED,
    404: _K.NOT_FOUND,
    405: _K.NOT_FOUND,
    407: _K.AUTH,
    408: _K.SERVER_ERROR,
    409: _K.SERVER_ERROR,
    410: _K.NOT_FOUND,
    413: _K.TOO_LONG,
    424: _K.SERVER_ERROR,
    425: _K.OVERLOADED,
    429: _K.RATE_LIMITED,
    498: _K.OVERLOADED,
    503: _K.OVERLOADED,
    529: _K.OVERLOADED,
}

_STATUSES = {
    **dict.fromkeys(_EXHAUSTED_CODES, 429),
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "slow_down": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "invalid_request_error": 400,
    "overloaded_error": 503,
    "billing_error": 402,
    "request_too_large": 413,
    "server_is_overloaded": 503,
}
"""The status that an error inside a 200 would have had, by its code or type."""


class _Error(NamedTuple):
    """The parts of an error body that say something."""

    message: str = ""
    code: str = ""
    type: str = ""
    metadata: Mapping[str, Any] = {}
    details: tuple[Mapping[str, Any], ...] = ()


def classify(reply: HttpReply) -> Fault:
    """Return the fault that an error reply, or an error inside a 200, means."""
    error = _read(reply.body)
    status = reply.status
    if 200 <= status < 300:
        status = _inner_status(error)
    wait = named_wait(reply.headers, error.message) or _named_in(error.details)
    kind = _insisted(_kind(status, error), reply, wait)
    dimension = None
    if kind is _K.RATE_LIMITED:
        adverts = adverts_of(reply.headers, error.metadata)
        dimension = _dimension(error) or what_ran_out(adverts)
        wait = wait or (wait_for(dimension, adverts) if dimension else bare_reset(reply.headers))
    return Fault(
        kind,
        error.message or _words(reply),
        retry_after=wait,
        http_status=reply.status,
        provider_code=error.type
        if error.type and error.code.isdecimal()
        else error.code or error.type or None,
        dimension=dimension,
    )


def advertised(reply: HttpReply) -> tuple[Advert, ...]:
    """Return the limit that a refusal names in its body, where its headers are silent."""
    return named_limit(_read(reply.body).message)


def clean(text: str) -> str:
    """Return text with U+FFFD for each half of a surrogate pair; in headers it stands for a byte that is no UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _inner_status(error: _Error) -> int:
    """An error inside a 200 has its status as its code (OpenRouter), or says in words what it is."""
    if re.fullmatch(r"[45]\d\d", error.code):
        return int(error.code)
    return _STATUSES.get(error.code) or _STATUSES.get(error.type) or 500


def _kind(status: int, error: _Error) -> FaultKind:
    if status in {400, 403, 412, 429} and _is_exhausted(error):
        return _K.QUOTA_EXHAUSTED
    if status == 402 and error.metadata:
        return _budget(error.metadata)
    if status in {400, 403, 422}:
        return _refused(status, error)
    if status == 429 and _TOO_LARGE.search(error.message):
        return (
            _K.TOO_LONG
        )  # OpenAI says so of a request that is above the minute's tokens, and always will be
    if 300 <= status < 400:
        return _K.NOT_FOUND
    default = _K.SERVER_ERROR if status >= 500 else _K.INVALID_REQUEST
    return _KINDS.get(status, default)


def _insisted(kind: FaultKind, reply: HttpReply, wait: int | None) -> FaultKind:
    """Follow `x-should-retry`, the server's own verdict, where it says more than the status.

    "true" makes a passing fault of a refusal that nobody understands; "false" to a rate limit that names no moment
    means that none will come. What failed in the server stays as it is: the tries of one request are few.
    """
    verdict = reply.headers.get("x-should-retry")
    if verdict == "true" and kind is _K.INVALID_REQUEST:
        return _K.SERVER_ERROR
    if verdict == "false" and kind is _K.RATE_LIMITED and wait is None:
        return _K.QUOTA_EXHAUSTED
    return kind


def _is_exhausted(error: _Error) -> bool:
    """Whether an account has nothing left. Google uses the same words for a minute's quota, and names it."""
    if quotas := _quotas(error):
        return any("PerDay" in name for name in quotas)
    codes = {error.code, error.type, *(str(detail.get("error_code")) for detail in error.details)}
    names_a_wait = wait_in_words(error.message) or _named_in(error.details)
    says_so = _EXHAUSTED.search(error.message) is not None and not names_a_wait
    return says_so or not codes.isdisjoint(_EXHAUSTED_CODES)


def _quotas(error: _Error) -> list[str]:
    """Return the ids of the quotas that Google says are violated."""
    violations = (each for detail in error.details for each in _objects(detail.get("violations")))
    return [str(violation.get("quotaId")) for violation in violations]


def _dimension(error: _Error) -> str | None:
    """Return the limit that an error names, as its type if not in words."""
    named = named_dimension(error.message, f"{error.code} {error.type}", _quotas(error))
    return named or next((word for word in (error.type, error.code) if word in DIMENSIONS), None)


def _budget(metadata: Mapping[str, Any]) -> FaultKind:
    """OpenRouter refuses with 402 for good, for now, or because one request is above the budget."""
    if metadata.get("limit_source") == "openrouter_in_flight_budget":
        return _K.RATE_LIMITED
    return _K.TOO_LONG if "weight_exceeds_budget" in metadata.values() else _K.QUOTA_EXHAUSTED


def _refused(status: int, error: _Error) -> FaultKind:
    """Tell apart what servers refuse with 400, 403 and 422."""
    if error.code == "context_length_exceeded" or _TOO_LONG.search(error.message):
        return _K.TOO_LONG
    if error.code in {"content_filter", "content_policy_violation"} or _FILTERED.search(error.message):
        return _K.CONTENT_FILTER
    if status == 403:
        return _K.INVALID_REQUEST if _NO_FILE.search(error.message) else _K.AUTH
    return _K.AUTH if _is_unknown(error) else _K.INVALID_REQUEST


def _is_unknown(error: _Error) -> bool:
    """Whether a 400 means the credential or the account; Google says so with it."""
    if error.code == "invalid_api_key" or _BAD_KEY.search(error.message):
        return True
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in error.details):
        return True
    return error.type == "FAILED_PRECONDITION" and _UNSERVED.search(error.message) is not None


def _read(body: bytes) -> _Error:
    """Read an error body in any of its forms; what cannot be read is an empty error."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE:
        return _Error()
    if isinstance(document, list) and document:
        document = document[0]
    error = (document.get("error") or document) if isinstance(document, dict) else document
    if isinstance(error, str):
        error = {**(document if isinstance(document, dict) else {}), "message": error}
    if not isinstance(error, dict):
        return _Error()
    message = error.get("message") or error.get("detail") or ""
    metadata = error.get("metadata")
    details = error.get("details")
    return _Error(
        message if isinstance(message, str) else msgspec.json.encode(message).decode(),
        _word(error.get("code")) or _inner_code(error.get("innererror")),
        _word(error.get("type") or error.get("error_type") or error.get("status")),
        metadata if isinstance(metadata, dict) else {},
        tuple(_objects([details] if isinstance(details, dict) else details)),
    )


def _word(value: Any) -> str:
    """Return a code or a type as text; what is neither text nor a number says nothing."""
    return str(value) if isinstance(value, str | int) and value else ""


def _inner_code(value: Any) -> str:
    """Azure's filter says more precisely what it is."""
    code = value.get("code") if isinstance(value, dict) else None
    return "content_filter" if code == "ResponsibleAIPolicyViolation" else _word(code)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _words(reply: HttpReply) -> str:
    """Describe a reply that does not describe itself: a proxy's page, a redirect, an empty body."""
    if location := reply.headers.get("location"):
        return f"HTTP {reply.status}: the base URL redirects to {clean(location)}"
    text = reply.body[:2000].decode("utf-8", "replace")
    if title := _TITLE.search(text):
        text = title[1]
    words = " ".join(text.split())[:200]
    return f"HTTP {reply.status}: {words}" if words else f"HTTP {reply.status}"


def _named_in(details: tuple[Mapping[str, Any], ...]) -> int | None:
    """Return the wait in Google's RetryInfo."""
    named = (duration(str(detail["retryDelay"])) for detail in details if "retryDelay" in detail)
    return next((wait for wait in named if wait), None)
