"""What Ollama's endpoints have in common: errors that are one text, and lines of JSON."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.dialect import Dialect, Letterhead, Words
from brimline.sim.errors import SERVER_ERROR, Problem, ProblemKind
from brimline.sim.replies import Usage

LINES = "application/x-ndjson"
encode = msgspec.json.Encoder().encode
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_ERRORS: dict[ProblemKind, tuple[int, str | None]] = {  # the text, where it is not that of the problem
    "invalid": (400, None),
    "bad_json": (400, "invalid character at the end of JSON input"),
    "no_key": (401, "unauthorized"),
    "bad_key": (401, "unauthorized"),
    "not_found": (404, None),
    "too_long": (400, "input length exceeds the context length"),
    "not_recorded": (400, None),
    "filtered": (400, None),
    "rate": (429, None),
    "too_large": (429, None),
    "quota": (429, "you have reached your weekly usage limit, upgrade for higher limits"),
    "server_error": (500, "llama runner process has terminated"),
    "unavailable": (503, _BUSY),
    "overloaded": (503, _BUSY),
}


class OllamaServer(Dialect):
    """Any of Ollama's endpoints; it has no headers of its own."""

    media = "application/json; charset=utf-8"
    stream_media = LINES
    broken = b'{"model":"m","mess\n'

    def lines(self, _letter: Letterhead, _latency: int) -> str:
        """None."""
        return ""

    def error(self, _letter: Letterhead, problem: Problem) -> Words:
        """{"error": text}; too many at a time is a server that is busy."""
        status, text = _ERRORS[problem.kind]
        if problem.kind == "not_found":
            text = f"model '{problem.model}' not found"
        if problem.exceeded is not None and problem.exceeded.name == "concurrent requests":
            status, text = 503, _BUSY
        return Words(status, encode({"error": text or problem.message}), media=self.media)

    def error_event(self, letter: Letterhead) -> bytes:
        """A line like any other."""
        return self.error(letter, SERVER_ERROR).body + b"\n"


def head(letter: Letterhead) -> dict[str, Any]:
    """The members that each line begins with."""
    moment = datetime.fromtimestamp(letter.created, UTC)
    created = f"{moment:%Y-%m-%dT%H:%M:%S}.{letter.wall % SECOND:09d}Z"
    return {"model": letter.model, "created_at": created}


def tail(usage: Usage) -> dict[str, Any]:
    """What it took: times in nanoseconds, made up of the tokens."""
    prompt, answer = usage.input_tokens * 100_000, usage.output_tokens * 10_000_000
    return {
        "total_duration": prompt + answer + 1_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": usage.input_tokens,
        "prompt_eval_duration": prompt,
        "eval_count": usage.output_tokens,
        "eval_duration": answer,
    }
