"""The errors of the API, word for word as OpenAI sends them."""

from typing import NamedTuple

import msgspec


class ApiError(msgspec.Struct, frozen=True):
    """What a request gets instead of an answer."""

    status: int
    message: str
    type: str | None = "invalid_request_error"
    code: str | None = None
    param: str | None = None

    def body(self) -> bytes:
        """The JSON that goes over the wire."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error})


class Refusal(NamedTuple):
    """A request turned away at the door: it costs nothing and is answered at once."""

    kind: str
    error: ApiError
    wait: int | None = None
    """Nanoseconds that the answer asks for; None when it names no time."""


NOT_JSON = ApiError(
    400,
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The API expects a JSON payload, but what was sent was not valid JSON.)",
)
NO_MODEL = ApiError(400, "you must provide a model parameter")
NO_KEY = ApiError(
    401,
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
    "auth (i.e. Authorization: Bearer YOUR_KEY).",
)
QUOTA = ApiError(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    type="insufficient_quota",
    code="insufficient_quota",
)
SERVER_ERROR = ApiError(
    500,
    "The server had an error while processing your request. Sorry about that!",
    type="server_error",
)
UNAVAILABLE = ApiError(
    503,
    "The engine is currently overloaded, please try again later.",
    type="service_unavailable_error",
    code="server_is_overloaded",
)
OVERLOADED = ApiError(529, "Overloaded", type="overloaded_error", code="overloaded")
BAD_VALUE = ApiError(
    400,
    "Invalid value for 'messages': this request was refused on purpose.",
    code="invalid_value",
    param="messages",
)
FILTERED = ApiError(
    400,
    "The response was filtered due to the prompt triggering the content management policy. Please modify your "
    "prompt and retry.",
    code="content_filter",
    param="prompt",
)


def bad_key(key: str) -> ApiError:
    """401; the key is masked as OpenAI does it."""
    shown = f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return ApiError(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def no_such_model(model: str) -> ApiError:
    """404."""
    return ApiError(
        404,
        f"The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def too_long(limit: int, tokens: int) -> ApiError:
    """400: the messages exceed the context of the model."""
    return ApiError(
        400,
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} "
        "tokens. Please reduce the length of the messages.",
        code="context_length_exceeded",
        param="messages",
    )


def not_recorded(file: str) -> ApiError:
    """400: a replay has no answer to this conversation."""
    return ApiError(400, f"{file} holds no response to this prompt.", code="not_recorded", param="messages")


class Exceeded(NamedTuple):
    """The limit that a request ran into."""

    name: str
    """As OpenAI calls it: "requests per min (RPM)"."""
    limit: int
    used: int
    requested: int

    def error(self, model: str, wait: int | None) -> ApiError:
        """429: the limit is reached for now; `wait` in nanoseconds, None if nobody knows."""
        again = f" Please try again in {go_duration(wait)}." if wait is not None else ""
        return self._error(
            f"Rate limit reached for {model} in organization org-sim on {self.name}: Limit {self.limit}, "
            f"Used {self.used}, Requested {self.requested}.{again}"
        )

    def never(self, model: str) -> ApiError:
        """429: the request by itself is above the limit."""
        return self._error(
            f"Request too large for {model} in organization org-sim on {self.name}: Limit {self.limit}, "
            f"Requested {self.requested}. The input or output tokens must be reduced in order to run "
            "successfully."
        )

    def _error(self, message: str) -> ApiError:
        what = "tokens" if "tokens" in self.name else "requests"
        return ApiError(429, message, type=what, code="rate_limit_exceeded")


def asked_to_wait(model: str, wait: int | None) -> ApiError:
    """429 without a limit behind it."""
    again = f" Please try again in {go_duration(wait)}." if wait is not None else ""
    return ApiError(
        429,
        f"Rate limit reached for {model} in organization org-sim.{again}",
        type="requests",
        code="rate_limit_exceeded",
    )


def go_duration(ns: int) -> str:
    """A time as Go prints it, rounded up to the millisecond: "12ms", "1.5s", "6m0s", "1h2m0s"."""
    ms = -(-ns // 1_000_000)
    if ms < 1_000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{rest / 1_000:g}s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"
