"""What goes over the wire and when: a reply as bytes with their moments, and how the connection ends.

The world writes a script, the server plays it. That keeps every broken reply (half a body, a cut stream,
a reset) as pure and as testable as a good one.
"""

from http import HTTPStatus
from typing import Any, Literal, NamedTuple

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.errors import SERVER_ERROR, ApiError
from brimline.sim.headers import http_date
from brimline.sim.replies import Answer, Call, Choice, Usage

Ending = Literal["keep", "close", "reset", "stall"]
"""Keep the connection; close it; reset it (RST); or leave the client waiting until it goes."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
_VENDOR = "openai-version: 2020-10-01\r\nopenai-organization: org-sim\r\n"
_HTML = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
    b"</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_encode = msgspec.json.Encoder().encode


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


class Letterhead(NamedTuple):
    """What stands on every reply to one request."""

    number: int
    wall: int
    """When the script starts, Unix time in nanoseconds."""
    model: str = ""
    rates: str = ""
    """The lines about limits and retry-after."""

    @property
    def created(self) -> int:
        """Unix time in seconds."""
        return self.wall // SECOND

    def head(self, status: int, latency: int, length: int | None, media: str = "application/json") -> bytes:
        """Status line and headers; chunked when the length is None. `latency` in nanoseconds."""
        size = f"content-length: {length}" if length is not None else "transfer-encoding: chunked"
        date = http_date((self.wall + latency) // SECOND)
        return (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ndate: {date}\r\ncontent-type: {media}\r\n{size}\r\n{_VENDOR}"
            f"openai-processing-ms: {latency // 1_000_000}\r\nx-request-id: req_sim{self.number:025d}\r\n"
            f"{self.rates}\r\n"
        ).encode()

    def completion(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """The members that a completion and each chunk of a stream begin with."""
        return {
            "id": f"chatcmpl-sim{self.number:024d}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": "fp_sim",
        }

    def tool_call(self, index: int, call: Call) -> dict[str, Any]:
        """A function call of the choice with that index."""
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": f"call_sim{self.number:017d}{index:03d}", "type": "function", "function": function}


def error_script(letter: Letterhead, error: ApiError, latency: int = 0) -> Script:
    """An error of the API."""
    return _whole(letter, error.status, error.body(), latency)


def html_script(letter: Letterhead, latency: int) -> Script:
    """What a proxy says when the provider behind it is away."""
    return Script(502, ((latency, letter.head(502, latency, len(_HTML), "text/html") + _HTML),))


def answer_script(letter: Letterhead, made: Answer, latency: int, fault: str | None = None) -> Script:
    """An answer in one piece, perhaps spoiled by a fault of the wire."""
    if fault == "stall":
        return SILENCE
    if fault == "reset":
        return Script(0, ((latency, b""),), "reset")
    if fault == "error200":
        return _whole(letter, 200, SERVER_ERROR.body(), latency)
    choices = [_choice(letter, index, choice) for index, choice in enumerate(made.choices)]
    body = _encode(letter.completion("chat.completion", choices) | {"usage": usage_table(made.usage)})
    if fault == "malformed":
        return _whole(letter, 200, body[: len(body) // 2], latency)
    if fault == "truncate":
        head = letter.head(200, latency, len(body))
        return Script(200, ((latency, head + body[: len(body) // 2]),), "close")
    return _whole(letter, 200, body, latency)


def usage_table(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's words."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _whole(letter: Letterhead, status: int, body: bytes, latency: int) -> Script:
    return Script(status, ((latency, letter.head(status, latency, len(body)) + body),))


def _choice(letter: Letterhead, index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text,
        "refusal": None,
        "annotations": [],
    }
    if choice.call is not None:
        message["tool_calls"] = [letter.tool_call(index, choice.call)]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": choice.finish}
