"""What a dialect is: how one API is read and written. Worlds decide in nouns, dialects have the words.

A dialect turns the body of a request into a `Chat` or an `Embed` and an `Answer` or a `Problem` into bytes.
It knows no time, no limits and no faults; `script` puts its bytes on the wire. Those APIs that name the model
in the path, or the version in a header, make one object for each request; the others share one.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple

from brimline.sim.amounts import SECOND
from brimline.sim.chat import Chat
from brimline.sim.embed import Embed
from brimline.sim.errors import OVERLOADED, SERVER_ERROR, Problem
from brimline.sim.headers import Headers
from brimline.sim.replies import Answer

Request = Chat | Embed
JSON = "application/json"


class Letterhead(NamedTuple):
    """What stands on every reply to one request."""

    number: int
    wall: int
    """When the script starts, Unix time in nanoseconds."""
    model: str = ""
    rates: str = ""
    """The lines about limits and retry-after."""
    retry: int | None = None
    """Nanoseconds that a refusal names in its body, in a dialect that does so; None for no word of it."""

    @property
    def created(self) -> int:
        """Unix time in seconds."""
        return self.wall // SECOND


class Words(NamedTuple):
    """An error as it goes over the wire."""

    status: int
    body: bytes
    lines: str = ""
    """Headers of its own."""
    media: str = JSON


class Event(NamedTuple):
    """One event of a stream, framed, and the bytes of text that it carries."""

    data: bytes
    text_bytes: int = 0
    ends: bool = False
    """Whether it belongs to the end: a stream without those looks as if more should come."""


class Dialect:
    """One API; the defaults are those of server-sent events and bearer keys."""

    form: ClassVar[Headers] = Headers.NONE
    """Its headers about limits, unless the scenario wants others."""
    retry: ClassVar[Literal["ms", "s", "none"]] = "none"
    """Its headers about waiting, likewise."""
    media: ClassVar[str] = JSON
    stream_media: str = "text/event-stream; charset=utf-8"
    broken: bytes = b'data: {"\n\n'
    """An event whose JSON is no JSON."""

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The key that a request shows."""
        return bearer(headers)

    def read(self, body: bytes) -> Request | Problem:
        """Understand the body of a request."""
        raise NotImplementedError

    def lines(self, letter: Letterhead, latency: int) -> str:
        """Headers that stand on every reply; `latency` in nanoseconds."""
        raise NotImplementedError

    def error(self, letter: Letterhead, problem: Problem) -> Words:
        """Say why there is no answer."""
        raise NotImplementedError

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """Write an answer in one piece."""
        raise NotImplementedError

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """Write an answer as a stream, to its very end."""
        raise NotImplementedError

    def error200(self, letter: Letterhead, _request: Request) -> bytes:
        """Write an error where an answer is expected."""
        return self.error(letter, SERVER_ERROR).body

    def error_event(self, letter: Letterhead) -> bytes:
        """Write an error in the middle of a stream."""
        return b"data: %b\n\n" % self.error(letter, OVERLOADED).body


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key behind "Bearer", if there is one."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key if scheme == "Bearer" else None
