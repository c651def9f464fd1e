"""What Converse's replies mean: answers whole and in frames, exceptions."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, header
from brimline.providers.event_reader import EventReader
from brimline.providers.eventstream import FrameParser
from brimline.providers.faults import classify
from brimline.providers.reading import members, objects, read_object, tool_call, used, word
from brimline.providers.sse import Event
from brimline.types import Delta, Fault, FaultKind, HttpReply, Response

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_WITHOUT_ANSWER = {
    "guardrail_intervened": (FaultKind.CONTENT_FILTER, "a guardrail withheld the answer"),
    "content_filtered": (FaultKind.CONTENT_FILTER, "the provider's filter withheld the answer"),
    "malformed_model_output": (FaultKind.SERVER_ERROR, "the model's output was malformed"),
    "malformed_tool_use": (FaultKind.SERVER_ERROR, "the model's tool call was malformed"),
}
"""Stop reasons that mean a fault where there is neither a text nor a call."""

_KINDS = {
    "ModelNotReadyException": FaultKind.OVERLOADED,
    "ServiceQuotaExceededException": FaultKind.QUOTA_EXHAUSTED,
    "IncompleteSignatureException": FaultKind.AUTH,
    "IncompleteSignature": FaultKind.AUTH,
}
"""What exceptions mean whose status says something else."""

_NO_MODEL = re.compile(
    r"model identifier is invalid|on-demand throughput|inference profile|access to the model", re.IGNORECASE
)
_RAN_OUT = re.compile(r"too many (requests|tokens)(?:.*(per day))?", re.IGNORECASE)
_STATUSES = {
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "ValidationException": 400,
    "ServiceUnavailableException": 503,
}
"""The statuses of exceptions within a stream; those of others are 500."""

_encode = msgspec.json.Encoder().encode


def answer(reply: HttpReply, document: Mapping[str, Any]) -> Response | Fault:
    """Return what an answer says."""
    message = members(document.get("output")).get("message")
    if not isinstance(message, dict):
        return bad_reply(reply, "the reply holds no message")
    blocks = objects(message.get("content"))
    text = "".join(_texts(blocks))
    uses = [members(block["toolUse"]) for block in blocks if "toolUse" in block]
    calls = tuple(tool_call(use.get("toolUseId"), use.get("name"), use.get("input")) for use in uses)
    reason = word(document.get("stopReason"))
    if reason in _WITHOUT_ANSWER and not text and not calls:
        kind, words = _WITHOUT_ANSWER[reason]
        return Fault(kind, words, http_status=reply.status, provider_code=reason)
    thoughts = (
        members(members(block.get("reasoningContent")).get("reasoningText")).get("text") for block in blocks
    )
    usage, router = (
        members(document.get("usage")),
        members(members(document.get("trace")).get("promptRouter")),
    )
    return Response(
        text=text,
        finish_reason=_REASONS.get(reason or "", reason),
        usage=used(
            usage.get("inputTokens"),
            usage.get("outputTokens"),
            usage.get("cacheReadInputTokens"),
            usage.get("cacheWriteInputTokens"),
            is_apart=True,
        ),
        model=word(router.get("invokedModelId")),
        request_id=header(reply, "x-amzn-requestid"),
        tool_calls=calls,
        reasoning="".join(filter(None, map(word, thoughts))) or None,
        raw=reply.body,
    )


def _texts(blocks: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Return the texts of blocks; a text with citations has a block of its own."""
    for block in blocks:
        cited = objects(members(block.get("citationsContent")).get("content"))
        yield from (part["text"] for part in (block, *cited) if isinstance(part.get("text"), str))


def refusal(reply: HttpReply) -> Fault:
    """Return what an exception means; its name is in a header or in the body."""
    try:
        body = read_object(reply.body)
    except NO_BODY:
        body = {}
    named = reply.headers.get("x-amzn-errortype") or word(body.get("__type")) or ""
    name = named.partition(":")[0].rpartition("#")[2]
    words = word(body.get("message")) or word(body.get("Message")) or ""
    if name or words:
        reply = HttpReply(reply.status, reply.headers, _encode({"message": words or name, "code": name}))
    fault = classify(reply)
    kind = _KINDS.get(name, fault.kind)
    if name in {"ValidationException", "AccessDeniedException"} and _NO_MODEL.search(words):
        kind = FaultKind.NOT_FOUND
    ran_out = _RAN_OUT.match(words) if kind is FaultKind.RATE_LIMITED else None
    if ran_out and ran_out[2]:
        kind = FaultKind.QUOTA_EXHAUSTED
    return replace(fault, kind=kind, dimension=ran_out[1].lower() if ran_out else fault.dimension)


class BedrockReader(EventReader):
    """Reads an answer that comes in frames, until the one that says what was used."""

    def __init__(self, head: HttpReply) -> None:
        super().__init__(head)
        self._parser = FrameParser()
        self._blocks: dict[Any, _Block] = {}
        self._last: dict[str, Any] = {}

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        name, data = event
        if name.endswith("Exception"):
            self._fail(self._exception(name[0].upper() + name[1:], data))
            return
        try:
            document = read_object(data)
        except NO_BODY:
            self._fail(bad_reply(self._head, "a frame of the stream is damaged"))
            return
        if name in {"contentBlockStart", "contentBlockDelta"}:
            index = str(document.get("contentBlockIndex"))
            block = self._blocks.get(index) or self._blocks.setdefault(index, _Block())
            block.begin(members(document.get("start")))
            if (delta := block.add(members(document.get("delta")))) is not None:
                deltas.append(delta)
        elif name == "messageStop":
            self._last = document
        elif name == "metadata":
            self._last, self.is_over = {**document, **self._last}, bool(self._last)

    def _exception(self, name: str, data: bytes) -> Fault:
        status = _STATUSES.get(name, 500)
        fault = refusal(HttpReply(status, {"x-amzn-errortype": name}, data))
        return replace(fault, http_status=self._head.status)

    def _whole(self, reply: HttpReply) -> Response | Fault:
        content = [block.whole() for block in self._blocks.values()]
        return answer(reply, {**self._last, "output": {"message": {"content": content}}})


class _Block:
    """A content block that comes in pieces."""

    def __init__(self) -> None:
        self._use: dict[str, Any] = {}
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._input: list[str] = []

    def begin(self, start: Mapping[str, Any]) -> None:
        """Take what a block begins with: the name of a tool."""
        if "toolUse" in start:
            self._use |= members(start["toolUse"])

    def add(self, delta: Mapping[str, Any]) -> Delta | None:
        """Take a piece; return what of it people can see."""
        if "toolUse" in delta:
            self._input.append(word(members(delta["toolUse"]).get("input")) or "")
        text, thought = word(delta.get("text")) or "", ""
        if "reasoningContent" in delta:
            thought = word(members(delta["reasoningContent"]).get("text")) or ""
        if not text and not thought:
            return None
        self._texts.append(text)
        self._thoughts.append(thought)
        return Delta(text, thought)

    def whole(self) -> dict[str, Any]:
        """Return the block as it would have come at once."""
        block: dict[str, Any] = {"text": "".join(self._texts)}
        if self._use or self._input:
            block["toolUse"] = {**self._use, "input": "".join(self._input) or "{}"}
        if thought := "".join(self._thoughts):
            block["reasoningContent"] = {"reasoningText": {"text": thought}}
        return block
