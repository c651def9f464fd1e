"""OpenAI's Responses, plain and as named events."""

from collections.abc import Iterator
from typing import Any

import msgspec

from brimline.sim.chat import Chat
from brimline.sim.dialect import Event, Letterhead, Request
from brimline.sim.dialects.openai_items import read_response
from brimline.sim.dialects.openai_words import OpenAI
from brimline.sim.errors import OVERLOADED, SERVER_ERROR, Problem
from brimline.sim.replies import Answer, Choice, Usage, words

_encode = msgspec.json.Encoder().encode
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
Table = dict[str, Any]


class OpenAIResponses(OpenAI):
    """POST /v1/responses. There is no `n`, and what failed is a 200 whose status says so."""

    broken = b'event: response.output_text.delta\ndata: {"type":"response.\n\n'

    def read(self, body: bytes) -> Request | Problem:
        """Read instructions and items as a conversation."""
        return read_response(body)

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """A response with all its output."""
        assert isinstance(request, Chat)
        return _encode(_final(letter, request, made))

    def error200(self, letter: Letterhead, request: Request) -> bytes:
        """A response that failed."""
        assert isinstance(request, Chat)
        error = {"code": "server_error", "message": SERVER_ERROR.message}
        return _encode(_response(letter, request, "failed") | {"error": error})

    def error_event(self, _letter: Letterhead) -> bytes:
        """Its members lie flat, beside the type."""
        flat = {"type": "error", "code": "server_error", "message": OVERLOADED.message, "param": None}
        return b"event: error\ndata: %b\n\n" % _encode(flat | {"sequence_number": 999})

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """Every event has its number; the whole response comes with the last one."""
        assert isinstance(request, Chat)
        opening = _response(letter, request, "in_progress")
        steps: list[tuple[Table, int]] = [
            ({"type": f"response.{what}", "response": opening}, 0) for what in ("created", "in_progress")
        ]
        final = _final(letter, request, made)
        for index, item in enumerate(final["output"]):
            steps += _item_events(index, item)
        for number, (step, size) in enumerate(steps):
            yield _event(step, number, size)
        last = {"type": f"response.{final['status']}", "response": final}
        yield _event(last, len(steps), ends=True)


def _event(step: Table, number: int, size: int = 0, *, ends: bool = False) -> Event:
    data = _encode(step | {"sequence_number": number})
    return Event(b"event: %b\ndata: %b\n\n" % (step["type"].encode(), data), size, ends)


def _item_events(index: int, item: Table) -> Iterator[tuple[Table, int]]:
    """One item of the output, from its announcement to its end."""
    at = {"item_id": item["id"], "output_index": index}
    blank = {"content": [], "status": "in_progress"} if item["type"] == "message" else {}
    blank |= {"arguments": "", "status": "in_progress"} if item["type"] == "function_call" else {}
    yield {"type": "response.output_item.added", "output_index": index, "item": item | blank}, 0
    if item["type"] == "message":
        for number, part in enumerate(item["content"]):
            yield from _part_events(at | {"content_index": number}, part)
    elif item["type"] == "function_call":
        for word in words(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **at, "delta": word}, len(word.encode())
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **at, **done}, 0
    yield {"type": "response.output_item.done", "output_index": index, "item": item}, 0


def _part_events(at: Table, part: Table) -> Iterator[tuple[Table, int]]:
    yield {"type": "response.content_part.added", **at, "part": part | {"text": ""}}, 0
    for word in words(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": word, "logprobs": []}, len(word.encode())
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}, 0
    yield {"type": "response.content_part.done", **at, "part": part}, 0


def _final(letter: Letterhead, request: Chat, made: Answer) -> Table:
    [choice] = made.choices
    reason = _REASONS.get(choice.finish)
    status = "completed" if reason is None else "incomplete"
    return _response(letter, request, status) | {
        "output": _output(letter, choice, status),
        "incomplete_details": {"reason": reason} if reason is not None else None,
        "usage": _usage(made.usage),
    }


def _output(letter: Letterhead, choice: Choice, status: str) -> list[Table]:
    number = f"{letter.number:024d}"
    items: list[Table] = []
    if choice.thought is not None:
        summary = [{"type": "summary_text", "text": choice.thought}]
        items.append({"id": f"rs_sim{number}", "type": "reasoning", "summary": summary})
    if choice.text is not None:
        part = {"type": "output_text", "text": choice.text, "annotations": [], "logprobs": []}
        message = {"id": f"msg_sim{number}", "type": "message", "status": status, "role": "assistant"}
        items.append(message | {"content": [part]})
    if choice.call is not None:
        call = {"name": choice.call.name, "arguments": choice.call.arguments, "status": status}
        items.append(
            {"id": f"fc_sim{number}", "type": "function_call", "call_id": f"call_sim{number}"} | call
        )
    return items


def _response(letter: Letterhead, request: Chat, status: str) -> Table:
    system = next((each.text for each in request.messages if each.role == "system"), None)
    form = request.response_format
    return {
        "id": f"resp_sim{letter.number:024d}",
        "object": "response",
        "created_at": letter.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": system,
        "max_output_tokens": request.limit,
        "model": letter.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": request.reasoning_effort, "summary": None},
        "service_tier": "default",
        "store": True,
        "text": {"format": {"type": form.type if form is not None else "text"}},
        "tool_choice": "auto",
        "tools": [],
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }


def _usage(usage: Usage) -> Table:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total,
    }
