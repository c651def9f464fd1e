"""What goes over the wire and when: a reply as bytes with their moments, and how the connection ends.

The world writes a script, the server plays it. That keeps every broken reply (half a body, a cut stream,
a reset) as pure and as testable as a good one.
"""

from http import HTTPStatus
from typing import Literal, NamedTuple

from brimline.sim.amounts import SECOND
from brimline.sim.dialect import Dialect, Letterhead, Request
from brimline.sim.errors import Problem
from brimline.sim.headers import http_date
from brimline.sim.replies import Answer

Ending = Literal["keep", "close", "reset", "stall"]
"""Keep the connection; close it; reset it (RST); or leave the client waiting until it goes."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
_HTML = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
    b"</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class Script(NamedTuple):
    """A reply: pieces of the wire, each with its moment in nanoseconds after the start."""

    status: int
    """What the client is told; 0 when it is told nothing."""
    pieces: tuple[tuple[int, bytes], ...]
    ending: Ending = "keep"

    @property
    def lasts(self) -> int:
        """Nanoseconds from the start to the last piece."""
        return self.pieces[-1][0] if self.pieces else 0


SILENCE = Script(0, (), "stall")


class Sheet(NamedTuple):
    """What one reply is written on: whose words it has, and what stands above them."""

    dialect: Dialect
    letter: Letterhead

    def head(self, status: int, latency: int, length: int | None, media: str, lines: str = "") -> bytes:
        """Status line and headers; chunked when the length is None. `latency` in nanoseconds."""
        dialect, letter = self
        size = f"content-length: {length}" if length is not None else "transfer-encoding: chunked"
        date = http_date((letter.wall + latency) // SECOND)
        return (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ndate: {date}\r\ncontent-type: {media}\r\n{size}\r\n"
            f"{dialect.lines(letter, latency)}{lines}{letter.rates}\r\n"
        ).encode()

    def whole(self, status: int, body: bytes, latency: int, media: str, lines: str = "") -> Script:
        """A reply in one piece."""
        head = self.head(status, latency, len(body), media, lines)
        return Script(status, ((latency, head + body),))


def error_script(sheet: Sheet, problem: Problem, latency: int = 0) -> Script:
    """An error of the API."""
    words = sheet.dialect.error(sheet.letter, problem)
    return sheet.whole(words.status, words.body, latency, words.media, words.lines)


def html_script(sheet: Sheet, latency: int) -> Script:
    """What a proxy says when the provider behind it is away."""
    return sheet.whole(502, _HTML, latency, "text/html")


def answer_script(
    sheet: Sheet, request: Request, made: Answer, latency: int, fault: str | None = None
) -> Script:
    """An answer in one piece, perhaps spoiled by a fault of the wire."""
    dialect, letter = sheet
    if fault == "stall":
        return SILENCE
    if fault == "reset":
        return Script(0, ((latency, b""),), "reset")
    if fault == "error200":
        return sheet.whole(200, dialect.error200(letter, request), latency, dialect.media)
    body = dialect.reply(letter, request, made)
    if fault == "malformed":
        return sheet.whole(200, body[: len(body) // 2], latency, dialect.media)
    if fault == "truncate":
        head = sheet.head(200, latency, len(body), dialect.media)
        return Script(200, ((latency, head + body[: len(body) // 2]),), "close")
    return sheet.whole(200, body, latency, dialect.media)
