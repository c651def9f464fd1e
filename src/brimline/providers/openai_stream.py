"""A chat completion that comes in pieces: OpenAI's chunks, and what other servers make of them.

The pieces are put together to the completion that the server would have sent at once, and that is read like any
other: so an answer means the same however it came. What other servers do differently and is accepted here: usage on
every chunk, or in `x_groq`; a chunk without choices (Azure's first); content as a list; thinking as `reasoning_content`
or `reasoning`; tool calls without an index; comments in between (DeepSeek, OpenRouter); an error as one of the chunks.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from brimline.providers.bodies import NO_BODY, read_body
from brimline.providers.faults import UNREADABLE
from brimline.providers.openai_message import Message, reasoning_of, text_of
from brimline.providers.sse import EventParser
from brimline.types import Delta, Fault, FaultKind, HttpReply, Response

DONE = b"[DONE]"

_encode = msgspec.json.Encoder().encode


class _Piece(msgspec.Struct, gc=False):
    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _ChunkChoice(msgspec.Struct, gc=False):
    index: Any = 0
    delta: _Piece | None = None
    text: Any = None
    logprobs: Any = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_ChunkChoice] | None = None
    usage: Any = None
    error: Any = None
    id: Any = None
    model: Any = None
    x_groq: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class ChatStreamReader:
    """Reads the chunks of one chat completion.

    Args:
        head: Status and headers of the reply.
        decode: Reads a whole completion.
        refuse: Reads an error.

    Attributes:
        is_over: Whether `[DONE]` or an error has come.
    """

    def __init__(
        self,
        head: HttpReply,
        decode: Callable[[HttpReply], Response | Fault],
        refuse: Callable[[HttpReply], Fault],
    ) -> None:
        self.is_over = False
        self._head = head
        self._decode = decode
        self._refuse = refuse
        self._parser = EventParser()
        self._raw: list[bytes] = []
        self._choices: dict[int, _Choice] = {}
        self._names: dict[str, Any] = {}
        self._usage: Any = None
        self._fault: Fault | None = None

    def feed(self, data: bytes) -> list[Delta]:
        """Return what the next bytes add. An empty delta says that a tool call goes on."""
        if self.is_over:
            return []
        self._raw.append(data)
        deltas: list[Delta] = []
        self._take_all(self._parser.feed(data), deltas)
        if self._parser.is_overrun:
            self._end(Fault(FaultKind.BAD_REPLY, "an event of the stream is too large"))
        return deltas

    def result(self) -> Response | Fault:
        """Return the answer; without `[DONE]` nobody knows whether it is whole."""
        if not self.is_over:
            self._take_all(self._parser.end(), [])
        if not self.is_over:
            self._end(
                Fault(FaultKind.BAD_REPLY, "the stream ended before its [DONE]; the answer is not whole")
            )
        if self._fault is not None:
            return replace(self._fault, http_status=self._head.status)
        result = self._decode(self._reply(_encode(self._completion())))
        return replace(result, raw=b"".join(self._raw)) if isinstance(result, Response) else result

    def _end(self, fault: Fault) -> None:
        self.is_over = True
        self._fault = fault

    def _take_all(self, events: list[Any], deltas: list[Delta]) -> None:
        for _, data in events:
            if data == DONE:
                self.is_over = True
            else:
                self._take(data, deltas)
            if self.is_over:
                return

    def _take(self, data: bytes, deltas: list[Delta]) -> None:
        try:
            chunk = _decode(data)
        except UNREADABLE:
            chunk = self._read_odd(data)
        if chunk.error:
            self._end(self._refuse(self._reply(data)))
            return
        if chunk.usage is not None:
            self._usage = chunk.usage
        elif chunk.x_groq is not None:
            self._hear_groq(chunk.x_groq)
        if not self._names and (chunk.id or chunk.model):  # Azure's first chunk has neither
            self._names = {"id": chunk.id, "model": chunk.model}
        for piece in chunk.choices or ():
            index = piece.index if type(piece.index) is int else 0
            choice = self._choices.get(index) or self._choices.setdefault(index, _Choice(index))
            delta = choice.take(piece)
            if delta is not None:
                deltas.append(delta)
            if piece.finish_reason == "error":
                words = "the provider failed while it was answering"
                self._end(Fault(FaultKind.SERVER_ERROR, words, provider_code="error"))

    def _read_odd(self, data: bytes) -> _Chunk:
        """Read what is no plain chunk: halves of characters are repaired, other documents are none of ours."""
        try:
            document = read_body(msgspec.json.decode, data)
        except NO_BODY as error:
            self._end(Fault(FaultKind.BAD_REPLY, f"a chunk of the stream cannot be read: {error}"))
            return _Chunk()
        if not isinstance(document, dict):
            return _Chunk()
        try:
            return msgspec.convert(document, _Chunk)
        except msgspec.ValidationError as error:
            self._end(
                Fault(FaultKind.BAD_REPLY, f"a chunk of the stream is no part of a chat completion: {error}")
            )
            return _Chunk()

    def _hear_groq(self, said: Any) -> None:
        """Groq reports usage and errors in a member of its own."""
        if not isinstance(said, dict):
            return
        self._usage = said.get("usage") or self._usage
        if said.get("error"):
            self._end(self._refuse(self._reply(_encode({"error": said["error"]}))))

    def _reply(self, body: bytes) -> HttpReply:
        return HttpReply(self._head.status, self._head.headers, body)

    def _completion(self) -> dict[str, Any]:
        choices = [choice.whole() for _, choice in sorted(self._choices.items())]
        return {**self._names, "choices": choices, "usage": self._usage}


class _Choice:
    """One answer, as far as it has come."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._logprobs: dict[str, Any] | None = None
        self._finish_reason: Any = None

    def take(self, choice: _ChunkChoice) -> Delta | None:
        """Add a piece; return what of it is to be seen."""
        if choice.finish_reason is not None:
            self._finish_reason = choice.finish_reason
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)
        piece = choice.delta or _Piece(choice.text)
        text, thought = piece.content, piece.reasoning_content or piece.reasoning
        if type(text) is list:
            message = Message(text)
            text, thought = text_of(message), reasoning_of(message)
        if text and type(text) is str:
            self._texts.append(text)
        elif piece.refusal and type(piece.refusal) is str:
            text = piece.refusal
            self._refusals.append(text)
        else:
            text = ""
        if thought and type(thought) is str:
            self._thoughts.append(thought)
        else:
            thought = ""
        is_call = (piece.tool_calls or piece.function_call) is not None and self._add_calls(piece)
        return Delta(text, thought, self._index) if text or thought or is_call else None

    def whole(self) -> dict[str, Any]:
        """Return the choice as it would have come at once."""
        text = "".join(self._texts)
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if self._refusals:
            message["refusal"] = "".join(self._refusals)
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._calls:
            message["tool_calls"] = [*self._calls.values()]
        whole = {"index": self._index, "message": message, "text": text, "finish_reason": self._finish_reason}
        return whole if self._logprobs is None else {**whole, "logprobs": self._logprobs}

    def _add_calls(self, piece: _Piece) -> bool:
        """Put fragments of tool calls together: by their index, or as they follow each other."""
        fragments = piece.tool_calls
        if piece.function_call is not None:
            fragments = [{"index": 0, "function": piece.function_call}]
        if not fragments or type(fragments) is not list:
            return False
        for fragment in fragments:
            if isinstance(fragment, dict):
                self._add_call(fragment)
        return True

    def _add_call(self, fragment: dict[str, Any]) -> None:
        begun = {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        call = self._calls.setdefault(self._place(fragment), begun)
        call["id"] = fragment.get("id") or call["id"]
        function = fragment.get("function")
        if not isinstance(function, dict):
            return
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # Mistral's, and then all at once
            arguments = _encode(arguments).decode()
        if isinstance(arguments, str):
            call["function"]["arguments"] += arguments

    def _place(self, fragment: dict[str, Any]) -> int:
        """Return which call a fragment belongs to; without an index, a new id begins a new one."""
        index = fragment.get("index")
        if type(index) is int:
            return index
        begins = fragment.get("id") is not None or not self._calls
        return len(self._calls) if begins else len(self._calls) - 1

    def _add_logprobs(self, logprobs: Any) -> None:
        """Join the lists of tokens."""
        if not isinstance(logprobs, dict):
            return
        known = self._logprobs = self._logprobs or {}
        for name, value in logprobs.items():
            joined = known.get(name)
            if isinstance(value, list) and isinstance(joined, list):
                joined += value
            elif joined is None:
                known[name] = value
