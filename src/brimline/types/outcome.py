"""An outcome: the last word on a request."""

from array import array
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from brimline.types.fault import Fault
from brimline.types.request import Request
from brimline.types.response import Response, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    request: Request
    responses: tuple[Response, ...] = ()
    attempts: int = 0
    sent_at: int | None = None
    latency: float | None = None
    served_by: str | None = None

    @property
    def cached(self) -> bool:
        """Whether the answer comes from the cache; then nothing was sent and nothing is billed."""
        return False

    @property
    def usage(self) -> Usage | None:
        """What all exchanges used together, or None where the provider did not say or the answer is cached."""
        if self.cached:
            return None
        if len(self.responses) == 1:
            return self.responses[0].usage
        known = [response.usage for response in self.responses if response.usage is not None]
        return sum(known[1:], start=known[0]) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Success(_Outcome):
    """The request was answered.

    Attributes:
        request: The request.
        responses: One response for each exchange, in order, those rejected that were asked again.
        attempts: HTTP requests made for it, refused ones included.
        sent_at: When the final attempt of the first exchange was sent, Unix nanoseconds.
        latency: Seconds from sending to reply, of the final attempts; of a conversation their sum.
        served_by: The model reference that answered: another than the request's own where that names a pool or a
            fallback has answered; of a conversation the last one; None if the answer is cached.
        value: What the answer says where a schema was asked for: an instance of its type, or of a JSON schema what JSON
            means in Python; a list where the request asked for several answers; of a conversation the last answer's.
    """

    value: Any = None
    ok: Literal[True] = True

    @property
    def cached(self) -> bool:
        """Whether the answer comes from the cache; then nothing was sent and nothing is billed."""
        return self.attempts == 0

    @property
    def response(self) -> Response:
        """The last response; the only one unless the request is a conversation."""
        return self.responses[-1]

    @property
    def text(self) -> str | list[str]:
        """The answer's text; of a conversation the last answer's."""
        return self.response.text

    @property
    def embedding(self) -> "array[float] | None":
        """The vector of the text, or None where no embedding was asked for; `memoryview` and NumPy take it as it is."""
        vectors = self.response.embeddings
        if not vectors:
            return None
        return vectors[0] if isinstance(vectors[0], array) else array("d", vectors[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(_Outcome):
    """The request was not answered, and why.

    Attributes:
        request: The request.
        fault: Why the last attempt failed.
        responses: The exchanges that were answered before: turns of a conversation, and what did not follow a schema.
        attempts: HTTP requests made for it, refused ones included.
        sent_at: When the final attempt was sent, Unix nanoseconds, or None if nothing was.
        latency: Seconds the final attempt took, or None if nothing was sent.
        served_by: The model reference that the final attempt went to, or None if nothing was sent.
        partial: What had been handed out of a streamed answer that broke off; it is not tried again then.
    """

    fault: Fault
    partial: str = ""
    ok: Literal[False] = False

    @property
    def text(self) -> None:
        """Nothing: a failure has no text."""
        return None

    @property
    def embedding(self) -> None:
        """Nothing: a failure has no vector."""
        return None

    @property
    def value(self) -> None:
        """Nothing: a failure has no value."""
        return None


Outcome: TypeAlias = Success | Failure
