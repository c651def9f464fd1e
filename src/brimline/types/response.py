"""A response: the provider's answer, normalised."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as billed. The first two are totals; the others are parts of them.

    Attributes:
        input_tokens: All input, cached and cache-written tokens included.
        output_tokens: All output, reasoning included.
        cached_input_tokens: The part of the input that was read from a cache.
        cache_write_tokens: The part of the input that was written to a cache.
        reasoning_tokens: The part of the output that is reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an answer is not what its request's schema asks for.

    Attributes:
        text: The answer, or that of several which is not.
        reason: What is wrong with it, for people and for the model.
    """

    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer to one exchange.

    Attributes:
        text: The answer; a list where the request asked for several (`n`).
        finish_reason: Why it stopped: `stop`, `length`, `tool_calls` or `content_filter`, whatever the provider calls
            it; another reason is the provider's own word.
        usage: What it used, or None where the provider does not say.
        model: The model that served it, as the provider names it.
        request_id: The provider's id of the exchange, for its support.
        tool_calls: Calls the model asks for, each `{"id", "type": "function", "function": {"name", "arguments"}}` with
            its arguments as JSON text, whatever the provider's form.
        reasoning: What the model thought before it answered, where the provider shows it.
        logprobs: Log probabilities as the provider wrote them, or None.
        embeddings: One vector for each text that was embedded; an `array('f')` where the provider sent 32-bit floats.
        raw: The body of the reply, byte for byte; of a streamed answer all that came until its end; empty where the
            reply was for other requests, too.
        document: Where the request has a schema, the JSON in the text, which follows it: all of the text unless something
            stands around it. A list where the request asked for several answers.
        rejection: Where the request has a schema, why the text does not follow it; then the next response is that to the
            same turn, asked again.
        time_to_first_token: Seconds from sending to the first piece of a streamed answer; None: it was not streamed.
        time_per_output_token: Seconds from one token of a streamed answer to the next, on average, or None.
    """

    text: str | list[str]
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    request_id: str | None = None
    tool_calls: tuple[object, ...] = ()
    reasoning: str | None = None
    logprobs: object | None = None
    embeddings: tuple[Sequence[float], ...] = ()
    raw: bytes = b""
    document: str | list[str] | None = None
    rejection: Rejection | None = None
    time_to_first_token: float | None = None
    time_per_output_token: float | None = None

    @property
    def is_repaired(self) -> bool:
        """Whether something was taken away from the text to make JSON of it."""
        return self.document is not None and self.document != self.text


@dataclass(slots=True)
class Delta:
    """A piece of an answer, as it comes. One without text says only that the answer goes on, as with a tool call.

    Attributes:
        text: The next piece of the answer.
        reasoning: The next piece of what the model thinks.
        choice: Which answer goes on, where the request asked for several; from 0.
        turn: Which exchange of a conversation it answers, from 0; providers leave that to the engine.
    """

    text: str = ""
    reasoning: str = ""
    choice: int = 0
    turn: int = 0
