"""What replies of OpenAI's Responses mean, whole and in events."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, header, read_body
from brimline.providers.event_reader import EventReader
from brimline.providers.faults import classify
from brimline.providers.reading import members, objects, tool_call, used, word
from brimline.providers.sse import Event
from brimline.types import Delta, Fault, FaultKind, HttpReply, Response, Usage

_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_KINDS = {
    "invalid_prompt": FaultKind.CONTENT_FILTER,
    "bio_policy": FaultKind.CONTENT_FILTER,
    "misalignment_policy_violation": FaultKind.CONTENT_FILTER,
    "image_content_policy_violation": FaultKind.CONTENT_FILTER,
    "data_residency_mismatch": FaultKind.INVALID_REQUEST,
    **dict.fromkeys(
        (
            "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large",
            "image_too_small", "image_parse_error", "invalid_image_mode", "image_file_too_large",
            "unsupported_image_media_type", "empty_image_file", "failed_to_download_image", "image_file_not_found",
        ),
        FaultKind.INVALID_REQUEST,
    ),
}  # fmt: skip
"""What the codes of a failed response mean that no error of HTTP has."""

_TEXTS = {"response.output_text.delta", "response.refusal.delta"}
_THOUGHTS = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
_ENDS = {"response.completed", "response.failed", "response.incomplete"}

_encode = msgspec.json.Encoder().encode


class _Reply(msgspec.Struct):
    """What a response is looked at for; it repeats much of its request besides."""

    status: Any = None
    error: Any = None
    output: Any = None
    incomplete_details: Any = None
    usage: Any = None
    model: Any = None


class _Ended(msgspec.Struct):
    """The last event of a stream."""

    response: _Reply


class _Piece(msgspec.Struct):
    """What most events of a stream are looked at for."""

    type: Any = None
    delta: Any = None
    error: Any = None
    code: Any = None
    message: Any = None


_decode = msgspec.json.Decoder(_Reply).decode
_decode_ended = msgspec.json.Decoder(_Ended).decode
_decode_piece = msgspec.json.Decoder(_Piece).decode


def read_response(reply: HttpReply) -> Response | Fault:
    """Return what a good reply says. Never raises, whatever the bytes are."""
    try:
        return _answer(reply, read_body(_decode, reply.body))
    except NO_BODY as error:
        return bad_reply(reply, f"the reply is no response: {error}")


def _answer(reply: HttpReply, response: _Reply, spoken: str = "") -> Response | Fault:
    """Return what a response says, when it is at its end.

    Args:
        reply: The reply.
        response: The response.
        spoken: The text that has come in pieces before; it stands for one that is left out.
    """
    status = response.status
    if status == "failed" or response.error:
        return _failed(reply, response.error)
    is_ended = status is None or status in ("completed", "incomplete")
    if not is_ended or not isinstance(response.output, list):
        return bad_reply(reply, f"the reply holds no response that is done, but one that is {status}")
    items = objects(response.output)
    text, logprobs = _said(items)
    text = text or spoken
    calls = tuple(
        tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))
        for item in items
        if item.get("type") == "function_call"
    )
    reason = "tool_calls" if calls else "stop"
    if status == "incomplete":
        why = word(members(response.incomplete_details).get("reason"))
        reason = _REASONS.get(why or "", why or "incomplete")
        if reason == "content_filter" and not text:
            words = "the provider's filter withheld the answer"
            return Fault(FaultKind.CONTENT_FILTER, words, http_status=reply.status, provider_code=why)
    return Response(
        text=text,
        finish_reason=reason,
        usage=_used(members(response.usage)),
        model=word(response.model),
        request_id=header(reply, "x-request-id"),
        tool_calls=calls,
        reasoning=_thought(items),
        logprobs=logprobs or None,
        raw=reply.body,
    )


def _used(usage: Mapping[str, Any]) -> Usage | None:
    into, out = members(usage.get("input_tokens_details")), members(usage.get("output_tokens_details"))
    return used(
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        into.get("cached_tokens"),
        into.get("cache_write_tokens"),
        out.get("reasoning_tokens"),
    )


def _said(items: list[dict[str, Any]]) -> tuple[str, list[Any]]:
    """Return text and log probabilities; commentary is left out where there is an answer, a refusal stands for none."""
    messages = [item for item in items if item.get("type") == "message"]
    final = [message for message in messages if message.get("phase") != "commentary"]
    parts = [part for message in final or messages for part in objects(message.get("content"))]
    text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    refusal = "".join(part["refusal"] for part in parts if isinstance(part.get("refusal"), str))
    return text or refusal, [entry for part in parts for entry in objects(part.get("logprobs"))]


def _thought(items: list[dict[str, Any]]) -> str | None:
    """Return the reasoning, or the summary of it that OpenAI shows in its place."""
    thoughts = []
    for item in items:
        if item.get("type") == "reasoning":
            parts = objects(item.get("content")) or objects(item.get("summary"))
            thoughts += [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n\n".join(thoughts) or None


def _failed(reply: HttpReply, error: Any) -> Fault:
    fault = classify(HttpReply(reply.status, reply.headers, _encode({"error": error})))
    kind = _KINDS.get(fault.provider_code or "")
    return fault if kind is None else replace(fault, kind=kind)


class ResponsesReader(EventReader):
    """Reads an answer that comes in named events, until one holds the whole response."""

    def __init__(self, head: HttpReply) -> None:
        super().__init__(head)
        self._texts: list[str] = []
        self._response = _Reply()

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        if event.data == b"[DONE]":
            return
        try:
            piece = read_body(_decode_piece, event.data)
            kind = word(piece.type) or event.name
            if kind in _ENDS:
                self._response, self.is_over = read_body(_decode_ended, event.data).response, True
        except NO_BODY as error:
            self._fail(bad_reply(self._head, f"an event of the stream cannot be read: {error}"))
            return
        if kind in _TEXTS:
            if text := word(piece.delta):
                self._texts.append(text)
                deltas.append(Delta(text))
        elif kind in _THOUGHTS:
            if thought := word(piece.delta):
                deltas.append(Delta(reasoning=thought))
        elif kind == "error" or piece.error:
            flat = {"code": piece.code, "message": piece.message}
            self._fail(_failed(self._head, piece.error or flat))

    def _whole(self, reply: HttpReply) -> Response | Fault:
        return _answer(reply, self._response, "".join(self._texts))
