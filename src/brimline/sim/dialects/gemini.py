"""Gemini's generateContent, plain and streaming; Vertex AI has the same bodies under other paths."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from brimline.sim.chat import Chat
from brimline.sim.dialect import Event, Letterhead, Request, Words
from brimline.sim.dialects.gemini_intake import SHOWN, read_generate
from brimline.sim.dialects.gemini_words import MEDIA, Google
from brimline.sim.errors import Problem
from brimline.sim.files import Files
from brimline.sim.replies import Answer, Choice, Usage, words

_encode = msgspec.json.Encoder().encode
_FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
Table = dict[str, Any]


class Gemini(Google):
    """POST models/{model}:generateContent, and :streamGenerateContent with alt=sse."""

    def __init__(
        self,
        model: str,
        files: Files,
        key: str | None = None,
        *,
        stream: Literal["events", "array"] | None = None,
        vertex: bool = False,
    ) -> None:
        """`files` are those that a request may refer to; a stream is an array unless events were asked for."""
        super().__init__(model, key, vertex=vertex)
        self._files, self._stream = files, stream
        self.stream_media = MEDIA if stream == "array" else "text/event-stream"

    def read(self, body: bytes) -> Request | Problem:
        """Read contents as a conversation."""
        return read_generate(body, self.model, self._files, stream=self._stream is not None)

    def error(self, letter: Letterhead, problem: Problem) -> Words:
        """A blocked prompt is no error here: a 200 without candidates."""
        if problem.kind != "filtered":
            return super().error(letter, problem)
        blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        body = _encode(blocked | _about(letter, Usage(1, 0), ()))
        if self._stream == "events":
            return Words(200, _frame(body), media=self.stream_media)
        return Words(200, b"[%b]" % body if self._stream == "array" else body, media=MEDIA)

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """All candidates with all their parts."""
        assert isinstance(request, Chat)
        candidates = [
            _candidate(index, _parts(request, choice), choice.finish)
            for index, choice in enumerate(made.choices)
        ]
        return _encode({"candidates": candidates} | _about(letter, made.usage, made.choices))

    def events(self, letter: Letterhead, request: Request, made: Answer) -> Iterator[Event]:
        """Fragments, each a response by itself; the last of a candidate says how it ended."""
        assert isinstance(request, Chat)
        fragments = _fragments(letter, request, made)
        if self._stream == "array":
            return _array(fragments)
        return (event._replace(data=_frame(event.data)) for event in fragments)


def _fragments(letter: Letterhead, request: Chat, made: Answer) -> Iterator[Event]:
    about = _about(letter, made.usage, made.choices)
    for index, choice in enumerate(made.choices):
        for part in _parts(request, choice):
            for piece, size in _pieces(part):
                yield Event(_encode({"candidates": [_candidate(index, [piece], None)]} | about), size)
    for index, choice in enumerate(made.choices):
        empty = [{"text": ""}] if choice.text is not None else []
        yield Event(_encode({"candidates": [_candidate(index, empty, choice.finish)]} | about), ends=True)


def _array(fragments: Iterator[Event]) -> Iterator[Event]:
    for index, event in enumerate(fragments):
        yield event._replace(data=(b",\r\n" if index else b"[") + event.data)
    yield Event(b"]", ends=True)


def _frame(body: bytes) -> bytes:
    return b"data: %b\r\n\r\n" % body


def _candidate(index: int, parts: list[Table], finish: str | None) -> Table:
    content: Table = {"role": "model"}
    if parts:
        content["parts"] = parts
    candidate: Table = {"content": content, "index": index}
    if finish is not None:
        candidate["finishReason"] = _FINISHES[finish]
    return candidate


def _parts(request: Chat, choice: Choice) -> list[Table]:
    parts: list[Table] = []
    if choice.thought is not None and request.reasoning_effort == SHOWN:
        parts.append({"text": choice.thought, "thought": True})
    if choice.text is not None:
        parts.append({"text": choice.text})
    if choice.call is not None:
        arguments = msgspec.json.decode(choice.call.arguments)
        parts.append({"functionCall": {"name": choice.call.name, "args": arguments}})
    return parts


def _pieces(part: Table) -> Iterator[tuple[Table, int]]:
    if "text" not in part:
        yield part, len(_encode(part))
    for word in words(part.get("text", "")):
        yield part | {"text": word}, len(word.encode())


def _about(letter: Letterhead, usage: Usage, choices: tuple[Choice, ...]) -> Table:
    """What stands beside the candidates; reasoning is counted apart from them."""
    counts: Table = {"promptTokenCount": usage.input_tokens}
    if choices:
        counts["candidatesTokenCount"] = usage.output_tokens - usage.reasoning_tokens
    if usage.reasoning_tokens:
        counts["thoughtsTokenCount"] = usage.reasoning_tokens
    counts["totalTokenCount"] = usage.total
    counts["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.input_tokens}]
    return {"usageMetadata": counts, "modelVersion": letter.model, "responseId": f"sim{letter.number:019d}"}
