"""POST /generate, which two servers of one's own have: prompto's takes a `text`, Hugging Face's TGI takes `inputs`."""

from collections.abc import Iterator
from typing import Any

import msgspec

from brimline.sim.chat import Chat, Count, JsonSchema, Message, ResponseFormat
from brimline.sim.checks import checked
from brimline.sim.dialect import Dialect, Event, Letterhead, Request, Words
from brimline.sim.errors import NOT_JSON, Problem, ProblemKind, invalid
from brimline.sim.replies import Answer, words

_encode = msgspec.json.Encoder().encode
_MODEL = "generate"
"""The name for a scenario: a server has one model, and a request does not name it."""
_ERRORS: dict[ProblemKind, tuple[int, str]] = {
    "no_key": (401, "unauthorized"),
    "bad_key": (401, "unauthorized"),
    "not_found": (404, "not_found"),
    "rate": (429, "overloaded"),
    "too_large": (429, "overloaded"),
    "quota": (429, "overloaded"),
    "server_error": (500, "incomplete_generation"),
    "unavailable": (503, "unhealthy"),
    "overloaded": (429, "overloaded"),
}
_FINISHES = {"length": "length"}
Table = dict[str, Any]


class _Grammar(msgspec.Struct):
    type: str
    value: Any


class _Parameters(msgspec.Struct):
    max_new_tokens: Count | None = None
    details: bool = False
    grammar: _Grammar | None = None


class _Body(msgspec.Struct):
    text: str | None = None
    model: str | None = None
    inputs: str | None = None
    parameters: _Parameters | None = None
    stream: bool = False


_decode = msgspec.json.Decoder(_Body).decode


class Generate(Dialect):
    """Either server; which one is meant is seen in the body."""

    broken = b'data:{"index":1,"tok\n\n'

    def __init__(self, *, stream: bool) -> None:
        """`stream` is what the path says."""
        self._stream, self._details, self._prompto = stream, False, False

    def read(self, body: bytes) -> Request | Problem:
        """Read the one text."""
        try:
            asked: _Body = _decode(body)
        except msgspec.ValidationError as error:
            return invalid(f"Input validation error: {error}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        self._prompto = asked.text is not None
        text = asked.text if asked.text is not None else asked.inputs
        if not text:
            return invalid("Input validation error: `inputs` must have minimum length 1")
        parameters = asked.parameters or _Parameters()
        self._details = parameters.details
        grammar = parameters.grammar
        schema = JsonSchema("output", grammar.value) if grammar and grammar.type == "json" else None
        chat = Chat(
            model=asked.model or _MODEL,
            messages=[Message("user", text)],
            max_tokens=parameters.max_new_tokens,
            stream=self._stream or asked.stream,
            response_format=ResponseFormat("json_schema", schema) if schema is not None else None,
        )
        return checked(chat)

    def lines(self, _letter: Letterhead, latency: int) -> str:
        """Times in milliseconds, as TGI has them."""
        return f"x-total-time: {latency // 1_000_000}\r\n"

    def error(self, _letter: Letterhead, problem: Problem) -> Words:
        """{"error", "error_type"}."""
        status, kind = _ERRORS.get(problem.kind, (422, "validation"))
        message = "Model is overloaded" if kind == "overloaded" else problem.message
        return Words(status, _encode({"error": message, "error_type": kind}))

    def error_event(self, _letter: Letterhead) -> bytes:
        """An event like any other."""
        return b'data:{"error":"Request failed during generation","error_type":"generation"}\n\n'

    def reply(self, letter: Letterhead, _request: Request, made: Answer) -> bytes:
        """The generated text."""
        [choice] = made.choices
        if self._prompto:
            return _encode({"response": [{"generated_text": choice.text}], "model": letter.model})
        details = {"details": _details(made)} if self._details else {}
        return _encode({"generated_text": choice.text} | details)

    def events(self, _letter: Letterhead, _request: Request, made: Answer) -> Iterator[Event]:
        """A token for each word; the last one brings the whole text."""
        [choice] = made.choices
        tokens = words(choice.text or "")
        for index, word in enumerate(tokens, 1):
            token = {"id": index, "text": word, "logprob": -0.25, "special": False}
            yield _event(
                {"index": index, "token": token, "generated_text": None, "details": None}, len(word.encode())
            )
        end = {"id": 2, "text": "</s>", "logprob": -0.25, "special": True}
        whole = {"generated_text": choice.text, "details": _details(made)}
        yield _event({"index": len(tokens) + 1, "token": end} | whole, ends=True)


def _event(data: Table, size: int = 0, *, ends: bool = False) -> Event:
    return Event(b"data:%b\n\n" % _encode(data), size, ends)


def _details(made: Answer) -> Table:
    finish = _FINISHES.get(made.choices[0].finish, "eos_token")
    return {
        "finish_reason": finish,
        "generated_tokens": made.usage.output_tokens,
        "seed": None,
        "prefill": [],
    }
