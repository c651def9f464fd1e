"""What Anthropic's replies mean: messages, whole or in events."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, header, read_body
from brimline.providers.event_reader import EventReader
from brimline.providers.faults import UNREADABLE, classify, clean
from brimline.providers.sse import Event
from brimline.types import Delta, Fault, FaultKind, HttpReply, Response, Usage

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

_Tokens = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class _Details(msgspec.Struct):
    thinking_tokens: _Tokens | None = None


class _Usage(msgspec.Struct):
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    output_tokens_details: _Details | None = None


class _Block(msgspec.Struct):
    type: Any = None
    text: str | None = None
    thinking: str | None = None
    id: Any = None
    name: Any = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    content: list[_Block] | None = None
    stop_reason: Any = None
    stop_details: Any = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    model: Any = None
    error: Any = None


class _Delta(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: Any = None
    stop_details: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None


_decode = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_usage = msgspec.json.Decoder(_Usage | None, strict=False).decode
_encode = msgspec.json.Encoder().encode


def read_message(reply: HttpReply) -> Response | Fault:
    """Return the answer in a reply, or why there is none. Never raises, whatever the bytes are."""
    if not 200 <= reply.status < 300:
        return classify(reply)
    try:
        message = read_body(_decode, reply.body)
    except NO_BODY as error:
        return bad_reply(reply, f"the reply is no message: {error}")
    if message.error:
        return classify(reply)
    if message.content is None:
        return bad_reply(reply, "the reply holds no content")
    return _response(reply, message, message.content)


class MessageReader(EventReader):
    """Reads the events of one message; it is over with `message_stop` and with nothing else."""

    def __init__(self, head: HttpReply) -> None:
        super().__init__(head)
        self._message: _Message | None = None
        self._blocks: dict[int, _Block] = {}
        self._pieces: dict[int, list[str]] = {}
        self._usage: dict[str, Any] = {}

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        try:
            said = read_body(_decode_event, event.data)
        except NO_BODY as error:
            self._fail(bad_reply(self._head, f"an event of the stream cannot be read: {error}"))
            return
        kind = said.type or event.name
        if kind == "content_block_delta":
            self._add(said, deltas)
        elif kind == "content_block_start" and said.content_block is not None:
            self._start(said.index, said.content_block, deltas)
        elif kind == "message_start":
            self._message = said.message or _Message()
            self._used(self._message.usage)
        elif kind == "message_delta":
            self._change(said)
        elif kind == "message_stop":
            self.is_over = True
        elif kind == "error":
            self._fail(classify(HttpReply(self._head.status, self._head.headers, event.data)))

    def _start(self, index: int, block: _Block, deltas: list[Delta]) -> None:
        self._blocks[index] = block
        self._pieces[index] = [piece for piece in (block.text, block.thinking) if piece]
        if block.text or block.thinking:
            deltas.append(Delta(block.text or "", block.thinking or ""))

    def _add(self, said: _Event, deltas: list[Delta]) -> None:
        pieces, delta = self._pieces.get(said.index), said.delta
        if delta is None or pieces is None:
            return
        if delta.text:
            pieces.append(delta.text)
            deltas.append(Delta(delta.text))
        elif delta.thinking:
            pieces.append(delta.thinking)
            deltas.append(Delta("", delta.thinking))
        elif delta.partial_json:
            pieces.append(delta.partial_json)

    def _change(self, said: _Event) -> None:
        """Take why it stopped and what was used until now; the numbers are totals, not more on top."""
        if self._message is not None and said.delta is not None:
            self._message.stop_reason = said.delta.stop_reason or self._message.stop_reason
            self._message.stop_details = said.delta.stop_details or self._message.stop_details
        if isinstance(said.usage, dict):
            self._usage.update({name: value for name, value in said.usage.items() if value is not None})

    def _used(self, raw: msgspec.Raw) -> None:
        try:
            usage = msgspec.json.decode(raw)
        except UNREADABLE:
            return
        if isinstance(usage, dict):
            self._usage.update(usage)

    def _whole(self, reply: HttpReply) -> Response | Fault:
        if self._message is None:
            return bad_reply(reply, "the stream holds no message")
        for index, block in self._blocks.items():
            text = "".join(self._pieces[index])
            if block.type == "tool_use":
                block.input = msgspec.Raw(text.encode()) if text else block.input
            elif block.type == "thinking":
                block.thinking = text
            else:
                block.text = text
        self._message.usage = msgspec.Raw(_encode(self._usage))
        return _response(reply, self._message, [self._blocks[index] for index in sorted(self._blocks)])


def _response(reply: HttpReply, message: _Message, blocks: Iterable[_Block]) -> Response | Fault:
    text = "".join(block.text for block in blocks if block.text and block.type == "text")
    thoughts = [block.thinking for block in blocks if block.thinking and block.type == "thinking"]
    reason = message.stop_reason if isinstance(message.stop_reason, str) else None
    if reason == "refusal" and not text:
        return _refusal(reply, message.stop_details)
    return Response(
        text=text,
        finish_reason=_REASONS.get(reason, reason) if reason else None,
        usage=_usage(message.usage),
        model=message.model if isinstance(message.model, str) else None,
        request_id=header(reply, "request-id"),
        tool_calls=tuple(_call(block) for block in blocks if block.type == "tool_use"),
        reasoning="\n\n".join(thoughts) if thoughts else None,
        raw=reply.body,
    )


def _call(block: _Block) -> object:
    """Return a call in the canonical form, its arguments as the model wrote them."""
    arguments = clean(bytes(block.input).decode("utf-8", "replace"))
    return {
        "id": block.id,
        "type": "function",
        "function": {"name": block.name, "arguments": arguments},
    }


def _refusal(reply: HttpReply, details: Any) -> Fault:
    explained = details.get("explanation") if isinstance(details, dict) else None
    words = f"the model refused: {explained}" if isinstance(explained, str) else "the model refused"
    return Fault(FaultKind.CONTENT_FILTER, words, http_status=reply.status, provider_code="refusal")


def _usage(raw: msgspec.Raw) -> Usage | None:
    """Read what was used. `input_tokens` are without those that a cache gave or took, which are input all the same."""
    try:
        usage = _decode_usage(raw)
    except UNREADABLE:
        return None
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Usage(
        (usage.input_tokens or 0) + read + written,
        usage.output_tokens or 0,
        read,
        written,
        (usage.output_tokens_details or _Details()).thinking_tokens or 0,
    )
