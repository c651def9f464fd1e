"""Amazon Bedrock's Converse, plain and as a binary stream of events."""

import re
from collections.abc import Iterator, Mapping
from struct import pack
from typing import Any
from zlib import crc32

import msgspec

from brimline.sim.dialect import JSON, Dialect, Event, Letterhead, Request, Words, bearer
from brimline.sim.dialects.bedrock_intake import read_converse
from brimline.sim.errors import Problem, ProblemKind
from brimline.sim.replies import Answer, Choice, Usage, words

_encode = msgspec.json.Encoder().encode
_ERRORS: dict[ProblemKind, tuple[int, str]] = {
    "invalid": (400, "ValidationException"),
    "bad_json": (400, "SerializationException"),
    "no_key": (403, "AccessDeniedException"),
    "bad_key": (403, "UnrecognizedClientException"),
    "not_found": (404, "ResourceNotFoundException"),
    "too_long": (400, "ValidationException"),
    "not_recorded": (400, "ValidationException"),
    "filtered": (400, "ValidationException"),
    "rate": (429, "ThrottlingException"),
    "too_large": (429, "ThrottlingException"),
    "quota": (400, "ServiceQuotaExceededException"),
    "server_error": (500, "InternalServerException"),
    "unavailable": (503, "ServiceUnavailableException"),
    "overloaded": (503, "ServiceUnavailableException"),
}
_MESSAGES: dict[ProblemKind, str] = {
    "no_key": "Missing Authentication Token",
    "bad_key": "The security token included in the request is invalid.",
    "rate": "Too many requests, please wait before trying again.",
    "too_long": "Input is too long for requested model.",
    "not_found": "Could not resolve the foundation model from the provided model identifier.",
}
_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/")
Table = dict[str, Any]


class Bedrock(Dialect):
    """POST /model/{model}/converse and /converse-stream."""

    stream_media = "application/vnd.amazon.eventstream"

    def __init__(self, model: str, *, stream: bool) -> None:
        """Both stand in the path."""
        self._model, self._stream = model, stream
        self.broken = _frame("contentBlockDelta", b'{"contentBlockIndex":0,"del')

    def key(self, headers: Mapping[str, str]) -> str | None:
        """A bearer key, or the id of the key that signed the request; signatures are not checked."""
        signed = _CREDENTIAL.search(headers.get("Authorization", ""))
        return signed[1] if signed is not None else bearer(headers)

    def read(self, body: bytes) -> Request | Problem:
        """Read blocks as a conversation."""
        return read_converse(body, self._model, stream=self._stream)

    def lines(self, letter: Letterhead, _latency: int) -> str:
        """The id that its support asks for."""
        return f"x-amzn-RequestId: 00000000-0000-4000-8000-{letter.number:012d}\r\n"

    def error(self, _letter: Letterhead, problem: Problem) -> Words:
        """A message; which error it is stands in a header."""
        status, kind = _ERRORS[problem.kind]
        message = _MESSAGES.get(problem.kind, problem.message)
        return Words(status, _encode({"message": message}), f"x-amzn-ErrorType: {kind}\r\n", JSON)

    def error_event(self, _letter: Letterhead) -> bytes:
        """An exception in a frame of its own kind."""
        body = _encode({"message": "The model is overloaded."})
        return _frame("serviceUnavailableException", body, kind="exception")

    def reply(self, letter: Letterhead, _request: Request, made: Answer) -> bytes:
        """A message of blocks; the model is not named."""
        [choice] = made.choices
        message = {"role": "assistant", "content": _blocks(letter, choice)}
        end = {"stopReason": _stop(choice), "usage": _usage(made.usage), "metrics": {"latencyMs": 1}}
        return _encode({"output": {"message": message}} | end)

    def events(self, letter: Letterhead, _request: Request, made: Answer) -> Iterator[Event]:
        """Block after block; usage comes last."""
        [choice] = made.choices
        yield _event("messageStart", {"role": "assistant"})
        for index, block in enumerate(_blocks(letter, choice)):
            at = {"contentBlockIndex": index}
            if "toolUse" in block:
                start = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
                yield _event("contentBlockStart", {"start": {"toolUse": start}} | at)
            for delta, size in _deltas(block):
                yield _event("contentBlockDelta", {"delta": delta} | at, size)
            yield _event("contentBlockStop", at)
        yield _event("messageStop", {"stopReason": _stop(choice)}, ends=True)
        yield _event("metadata", {"usage": _usage(made.usage), "metrics": {"latencyMs": 1}}, ends=True)


def _event(name: str, members: Table, size: int = 0, *, ends: bool = False) -> Event:
    return Event(_frame(name, _encode(members)), size, ends)


def _frame(name: str, payload: bytes, kind: str = "event") -> bytes:
    """AWS's binary framing: lengths, headers and payload, with two checksums."""
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + pack(">H", len(value)) + value.encode()
        for key, value in ((f":{kind}-type", name), (":content-type", JSON), (":message-type", kind))
    )
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack(">I", crc32(prelude)) + headers + payload
    return message + pack(">I", crc32(message))


def _stop(choice: Choice) -> str:
    return "tool_use" if choice.call is not None else _STOPS[choice.finish]


def _blocks(letter: Letterhead, choice: Choice) -> list[Table]:
    blocks: list[Table] = []
    if choice.thought is not None:
        thought = {"text": choice.thought, "signature": "c2ltdWxhdGVk"}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if choice.text is not None:
        blocks.append({"text": choice.text})
    if choice.call is not None:
        arguments = msgspec.json.decode(choice.call.arguments)
        number = f"tooluse_sim{letter.number:012d}"
        blocks.append({"toolUse": {"toolUseId": number, "name": choice.call.name, "input": arguments}})
    return blocks


def _deltas(block: Table) -> Iterator[tuple[Table, int]]:
    if "toolUse" in block:
        for word in words(_encode(block["toolUse"]["input"]).decode()):
            yield {"toolUse": {"input": word}}, len(word.encode())
    elif "text" in block:
        for word in words(block["text"]):
            yield {"text": word}, len(word.encode())
    else:
        for word in words(block["reasoningContent"]["reasoningText"]["text"]):
            yield {"reasoningContent": {"text": word}}, len(word.encode())


def _usage(usage: Usage) -> Table:
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total,
    }
