"""Anthropic's Messages, plain and as named events."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from brimline.sim.chat import Chat
from brimline.sim.dialect import Dialect, Event, Letterhead, Request, Words, bearer
from brimline.sim.dialects.anthropic_intake import read_message
from brimline.sim.errors import OVERLOADED, Problem, ProblemKind
from brimline.sim.headers import Headers
from brimline.sim.replies import Answer, Choice, Usage, words

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode
_ORGANIZATION = "anthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\n"
_ERRORS: dict[ProblemKind, tuple[int, str]] = {
    "invalid": (400, "invalid_request_error"),
    "bad_json": (400, "invalid_request_error"),
    "no_key": (401, "authentication_error"),
    "bad_key": (401, "authentication_error"),
    "not_found": (404, "not_found_error"),
    "too_long": (400, "invalid_request_error"),
    "not_recorded": (400, "invalid_request_error"),
    "filtered": (400, "invalid_request_error"),
    "rate": (429, "rate_limit_error"),
    "too_large": (429, "rate_limit_error"),
    "quota": (429, "rate_limit_error"),
    "server_error": (500, "api_error"),
    "unavailable": (503, "api_error"),
    "overloaded": (529, "overloaded_error"),
}
_MESSAGES: dict[ProblemKind, str] = {
    "bad_json": "The request body is not valid JSON.",
    "no_key": "x-api-key header is required",
    "bad_key": "invalid x-api-key",
    "filtered": "Output blocked by content filtering policy",
    "quota": "Your organization has reached its enforced spend limit.",
    "server_error": "Internal server error",
    "unavailable": "Service temporarily unavailable",
    "overloaded": "Overloaded",
}
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
Table = dict[str, Any]


class Anthropic(Dialect):
    """POST /v1/messages."""

    form = Headers.ANTHROPIC
    retry = "s"
    broken = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'

    def __init__(self, version: str | None) -> None:
        """`version` is the header anthropic-version: what is refused depends on it."""
        self._version = version

    def key(self, headers: Mapping[str, str]) -> str | None:
        """Either header: the SDK changed from the one to the other."""
        return headers.get("x-api-key") or bearer(headers)

    def read(self, body: bytes) -> Request | Problem:
        """Read blocks as a conversation."""
        return read_message(body, self._version)

    def lines(self, letter: Letterhead, _latency: int) -> str:
        """The id that its support asks for, and whose account it is."""
        return f"request-id: {_request_id(letter)}\r\n{_ORGANIZATION}"

    def error(self, letter: Letterhead, problem: Problem) -> Words:
        """{"type": "error", "error": {type, message}, "request_id"}."""
        status, kind = _ERRORS[problem.kind]
        error: Table = {"type": kind, "message": _message(problem)}
        if problem.kind == "quota":
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        body = {"type": "error", "error": error, "request_id": _request_id(letter)}
        return Words(status, _encode(body))

    def error_event(self, letter: Letterhead) -> bytes:
        """An event named error."""
        return b"event: error\ndata: %b\n\n" % self.error(letter, OVERLOADED).body

    def reply(self, letter: Letterhead, _request: Request, made: Answer) -> bytes:
        """A message with all its blocks."""
        [choice] = made.choices
        return _encode(_whole(letter, _blocks(letter, choice), choice, made.usage))

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """Block after block; how it ended and what it cost comes at the end."""
        assert isinstance(request, Chat)
        [choice] = made.choices
        start = _whole(letter, [], None, Usage(made.usage.input_tokens, 1))
        yield _event("message_start", {"message": start})
        for index, block in enumerate(_blocks(letter, choice)):
            yield _event("content_block_start", {"index": index, "content_block": _blank(block)})
            if index == 0:
                yield _event("ping", {})
            for delta, size in _deltas(block):
                yield _event("content_block_delta", {"index": index, "delta": delta}, size)
            yield _event("content_block_stop", {"index": index})
        delta = {"stop_reason": _stop(choice), "stop_sequence": None}
        usage = {"usage": _usage(made.usage)}
        yield _event("message_delta", {"delta": delta} | usage, ends=True)
        yield _event("message_stop", {}, ends=True)


def _event(name: str, members: Table, size: int = 0, *, ends: bool = False) -> Event:
    data = _encode({"type": name} | members)
    return Event(b"event: %b\ndata: %b\n\n" % (name.encode(), data), size, ends)


def _request_id(letter: Letterhead) -> str:
    return f"req_sim{letter.number:021d}"


def _message(problem: Problem) -> str:
    if problem.kind == "too_long":
        return f"prompt is too long: {problem.tokens} tokens > {problem.limit} maximum"
    if problem.kind == "not_found":
        return f"model: {problem.model}"
    if problem.kind == "rate" and problem.exceeded is not None:
        return (
            f"This request would exceed your organization's rate limit of {problem.exceeded.limit:,} "
            f"{problem.exceeded.name.partition(' (')[0]}. Please reduce the prompt length or the maximum tokens requested, "
            "or try again later."
        )
    return _MESSAGES.get(problem.kind, problem.message)


def _whole(letter: Letterhead, blocks: list[Table], choice: Choice | None, usage: Usage) -> Table:
    return {
        "id": f"msg_sim{letter.number:021d}",
        "type": "message",
        "role": "assistant",
        "model": letter.model,
        "content": blocks,
        "stop_reason": _stop(choice) if choice is not None else None,
        "stop_sequence": None,
        "usage": _usage(usage),
    }


def _stop(choice: Choice) -> str:
    return "tool_use" if choice.call is not None else _STOPS[choice.finish]


def _blocks(letter: Letterhead, choice: Choice) -> list[Table]:
    blocks: list[Table] = []
    if choice.thought is not None:
        blocks.append({"type": "thinking", "thinking": choice.thought, "signature": "c2ltdWxhdGVk"})
    if choice.text is not None:
        blocks.append({"type": "text", "text": choice.text})
    if choice.call is not None:
        arguments = _decode(choice.call.arguments)
        number = f"toolu_sim{letter.number:019d}"
        blocks.append({"type": "tool_use", "id": number, "name": choice.call.name, "input": arguments})
    return blocks


def _blank(block: Table) -> Table:
    """The block as it is announced, its content still to come."""
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) if name != "type" else value for name, value in block.items()}


def _deltas(block: Table) -> Iterator[tuple[Table, int]]:
    if block["type"] == "text":
        for word in words(block["text"]):
            yield {"type": "text_delta", "text": word}, len(word.encode())
    elif block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": ""}, 0
        for word in words(_encode(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": word}, len(word.encode())
    else:
        for word in words(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": word}, len(word.encode())
        yield {"type": "signature_delta", "signature": block["signature"]}, 0


def _usage(usage: Usage) -> Table:
    table = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
    }
    if usage.reasoning_tokens:
        table["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return table
