"""A fault: why one attempt failed. A value, never raised."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What went wrong, in words that do not change. `brimline.core.faults` holds what follows from each."""

    RATE_LIMITED = "rate_limited"
    """The provider refused for a rate limit (429)."""
    OVERLOADED = "overloaded"
    """The provider has no capacity now (503, 529)."""
    SERVER_ERROR = "server_error"
    """The provider failed (5xx)."""
    CONNECTION = "connection"
    """No reply: refused, reset, closed early, DNS or TLS failed."""
    TIMEOUT = "timeout"
    """No complete reply within the attempt's time."""
    BAD_REPLY = "bad_reply"
    """A reply that cannot be read."""
    INTERNAL = "internal"
    """A bug in brimline."""
    INVALID_REQUEST = "invalid_request"
    """The provider will never take this request (400, 422)."""
    TOO_LONG = "too_long"
    """More tokens than the model, or a declared quota, can ever take."""
    CONTENT_FILTER = "content_filter"
    """The provider's filter refused the request or withheld the answer."""
    TRUNCATED = "truncated"
    """The token limit cut the answer off, and what there is does not follow the schema."""
    INVALID_OUTPUT = "invalid_output"
    """The answer does not follow the schema, also not after the model was told so."""
    CANCELLED = "cancelled"
    """Stopped by the user or by a deadline."""
    AUTH = "auth"
    """The credential is refused (401, 403)."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """The account has no money or quota left; waiting does not help."""
    NOT_FOUND = "not_found"
    """There is no such model or path at the endpoint (404)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one attempt failed.

    Attributes:
        kind: What went wrong.
        detail: The provider's words, or ours, for people.
        retry_after: Nanoseconds the provider asks to wait, or None.
        http_status: The status of the reply, or None where there was none.
        provider_code: The provider's own error code, or None.
        dimension: Which limit a `rate_limited` reply names (`requests`, `tokens`), or None.
    """

    kind: FaultKind
    detail: str = ""
    retry_after: int | None = None
    http_status: int | None = None
    provider_code: str | None = None
    dimension: str | None = None
