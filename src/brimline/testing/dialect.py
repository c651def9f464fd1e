"""What a dialect looks like: replies as its service writes them, and the means to try its provider on them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from brimline.providers.base import Provider, StreamingProvider
from brimline.types import Delta, Fault, FaultKind, HttpReply, Request, Response, Usage

KEY = "sk-contract-0123456789"
PROMPT, FOLLOW_UP, ANSWER = "What is the first colour?", "And which one is next?", "It is indigo."
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}}
"""The call that `tool_call` makes; its id may be another."""

_K = FaultKind


def http_reply(document: Any, status: int = 200, **headers: str) -> HttpReply:
    """Return a reply with a JSON body, or with these very bytes; names of headers are written with `_` for `-`."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, {"content-type": "application/json", **named}, body)


class Dialect:
    """A provider and what it is tried on.

    Attributes:
        provider: The provider.
        model: A model reference.
        text: The text of the answers that `good` and `stream` give.
        usage: What they used, or None if the dialect does not say.
        kinds: What refusals mean, by status.
        reserved: Parameters that the provider sets itself.
        params: Parameters that pass.
        has_conversations: Whether there is more than one text in, one text out.
    """

    provider: Provider
    model = "lab/some-model"
    text: str = "Hello"
    usage: Usage | None = Usage(9, 2)
    kinds: Mapping[int, FaultKind] = {
        401: _K.AUTH,
        403: _K.AUTH,
        404: _K.NOT_FOUND,
        429: _K.RATE_LIMITED,
        500: _K.SERVER_ERROR,
        503: _K.OVERLOADED,
    }
    reserved: ClassVar[Sequence[str]] = ("model",)
    params: ClassVar[Mapping[str, Any]] = {"temperature": 0}
    has_conversations = True

    # What the dialect looks like.

    def good(self) -> HttpReply:
        """Return an answer with `text`."""
        raise NotImplementedError

    def refusal(self, status: int) -> HttpReply:
        """Return a refusal as the dialect words it, with `Retry-After: 3` where it is a 429."""
        headers = {"retry_after": "3"} if status == 429 else {}
        return http_reply({"error": {"message": "It cannot be."}}, status, **headers)

    def tool_call(self) -> HttpReply | None:
        """Return an answer that makes the call `CALL`, or None if the dialect has no tools."""
        return None

    def stream(self) -> tuple[bytes, ...] | None:
        """Return the same answer as a stream, event by event, or None; without its last event it is not over."""
        return None

    def vectors(self, count: int) -> HttpReply | None:  # noqa: ARG002  those who have some look at it
        """Return the embeddings `[0.0, 0.5]`, `[1.0, 0.5]`, ... of so many texts, or None if the dialect has none."""
        return None

    # Means.

    def request(self, **more: Any) -> Request:
        """Return a request for a chat, or what `more` makes of it."""
        given = {"id": 0, "model": self.model, "messages": ({"role": "user", "content": PROMPT},), **more}
        return Request(**given)

    def decode(self, reply: HttpReply) -> Response | Fault:
        """Return what the provider makes of a reply to such a request."""
        result = self.provider.decode(reply, self.request())
        assert isinstance(result, Response | Fault), f"decoding {reply.body[:80]!r} gives {result!r}"
        return result

    def is_sound(self, reply: HttpReply, result: Response | Fault) -> None:
        """See that a result can be kept."""
        if isinstance(result, Response):
            assert 200 <= reply.status < 300, f"HTTP {reply.status} is taken for an answer"
            texts = [result.text] if isinstance(result.text, str) else result.text
            assert all(isinstance(text, str) for text in texts), texts
        else:
            assert isinstance(result.kind, FaultKind), result
            assert result.http_status == reply.status, "the fault does not say the status"
            assert result.retry_after is None or result.retry_after > 0, result
        msgspec.json.encode(result)

    def read(self, pieces: Iterable[bytes]) -> tuple[Response | Fault, list[Delta]]:
        """Return what comes of a stream in these pieces, and all its deltas."""
        assert isinstance(self.provider, StreamingProvider), (
            "the provider has no `encode_stream` and `reader`"
        )
        reader = self.provider.reader(HttpReply(200, {}, b""), self.request())
        deltas = [delta for piece in pieces for delta in reader.feed(piece)]
        result = reader.result()
        assert reader.is_over or isinstance(result, Fault), "the answer is there and the stream is not over"
        return result, deltas


def heard(read: tuple[Response | Fault, list[Delta]]) -> tuple[object, ...]:
    """Return what two readings of one stream have in common; where deltas end depends on the cuts."""
    result, deltas = read
    assert isinstance(result, Response), result
    thoughts = "".join(delta.reasoning for delta in deltas)
    return result.text, result.usage, result.finish_reason, "".join(delta.text for delta in deltas), thoughts


def texts_in(body: bytes) -> list[str]:
    """Return every text in a JSON body, in order."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner)

    look(json.loads(body))
    return found
