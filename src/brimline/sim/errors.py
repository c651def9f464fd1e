"""Why a request gets no answer: the kind, the numbers, and a sentence. Each dialect puts it into its own words."""

from typing import Literal, NamedTuple

import msgspec

from brimline.sim.amounts import go_duration

ProblemKind = Literal[
    "invalid",  # something in the body
    "bad_json",
    "no_key",
    "bad_key",
    "not_found",  # the model
    "too_long",
    "not_recorded",
    "filtered",
    "rate",  # a limit, for now
    "too_large",  # a limit, for ever
    "quota",  # nothing left until somebody pays
    "server_error",
    "unavailable",
    "overloaded",
]
_LIMITS = frozenset({"rate", "too_large", "quota"})


class Exceeded(NamedTuple):
    """The limit that a request ran into."""

    name: str
    """As OpenAI calls it: "requests per min (RPM)"."""
    limit: int
    used: int
    requested: int

    def error(self, model: str, wait: int | None) -> "Problem":
        """The limit is reached for now; `wait` in nanoseconds, None if nobody knows."""
        message = (
            f"Rate limit reached for {model} in organization org-sim on {self.name}: Limit {self.limit}, "
            f"Used {self.used}, Requested {self.requested}.{_again(wait)}"
        )
        return Problem("rate", message, model=model, exceeded=self, wait=wait)

    def never(self, model: str) -> "Problem":
        """The request by itself is above the limit."""
        message = (
            f"Request too large for {model} in organization org-sim on {self.name}: Limit {self.limit}, "
            f"Requested {self.requested}. The input or output tokens must be reduced in order to run "
            "successfully."
        )
        return Problem("too_large", message, model=model, exceeded=self)

    @property
    def of_tokens(self) -> bool:
        """Whether it counts tokens rather than requests."""
        return "tokens" in self.name


class Problem(msgspec.Struct, frozen=True):
    """What a request gets instead of an answer."""

    kind: ProblemKind
    message: str
    """In OpenAI's words, which are as plain as any; a dialect whose clients read its texts has its own."""
    param: str | None = None
    """The place in the body, of an invalid one."""
    code: str | None = None
    """What is wrong there, in a word."""
    model: str = ""
    exceeded: Exceeded | None = None
    wait: int | None = None
    """Nanoseconds that the answer asks for."""
    limit: int = 0
    """The context, of what is too long for it; `tokens` is its length."""
    tokens: int = 0

    @property
    def is_limit(self) -> bool:
        """Whether a limit of any sort is behind it."""
        return self.kind in _LIMITS


class Refusal(NamedTuple):
    """A request turned away at the door: it costs nothing and is answered at once."""

    kind: str
    error: Problem
    wait: int | None = None
    """Nanoseconds that the answer asks for; None when it names no time."""


NOT_JSON = Problem(
    "bad_json",
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The API expects a JSON payload, but what was sent was not valid JSON.)",
)
NO_KEY = Problem(
    "no_key",
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
    "auth (i.e. Authorization: Bearer YOUR_KEY).",
)
QUOTA = Problem(
    "quota",
    "You exceeded your current quota, please check your plan and billing details.",
    code="insufficient_quota",
)
SERVER_ERROR = Problem(
    "server_error", "The server had an error while processing your request. Sorry about that!"
)
UNAVAILABLE = Problem("unavailable", "The engine is currently overloaded, please try again later.")
OVERLOADED = Problem("overloaded", "Overloaded")
BAD_VALUE = Problem(
    "invalid",
    "Invalid value for 'messages': this request was refused on purpose.",
    code="invalid_value",
    param="messages",
)
FILTERED = Problem(
    "filtered",
    "The response was filtered due to the prompt triggering the content management policy. Please modify your "
    "prompt and retry.",
)


def invalid(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """A well-formed body that cannot be meant."""
    return Problem("invalid", message, param=param, code=code)


def bad_key(key: str) -> Problem:
    """The key is masked as OpenAI does it."""
    shown = f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return Problem("bad_key", f"Incorrect API key provided: {shown}.")


def no_such_model(model: str) -> Problem:
    """There is no model of that name."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Problem("not_found", message, model=model)


def too_long(limit: int, tokens: int) -> Problem:
    """The messages exceed the context of the model."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} "
        "tokens. Please reduce the length of the messages."
    )
    return Problem("too_long", message, limit=limit, tokens=tokens)


def not_recorded(file: str) -> Problem:
    """A replay has no answer to this conversation."""
    return Problem("not_recorded", f"{file} holds no response to this prompt.")


def asked_to_wait(model: str, wait: int | None) -> Problem:
    """A refusal without a limit behind it."""
    message = f"Rate limit reached for {model} in organization org-sim.{_again(wait)}"
    return Problem("rate", message, model=model, wait=wait)


def _again(wait: int | None) -> str:
    return f" Please try again in {go_duration(wait)}." if wait is not None else ""
