"""An answer as server-sent events: the chunks OpenAI sends, their pace, and streams that break."""

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

import msgspec

from brimline.sim.amounts import SECOND
from brimline.sim.errors import SERVER_ERROR
from brimline.sim.replies import Answer, Choice
from brimline.sim.script import Ending, Letterhead, Script, usage_table

_WORD = re.compile(r"\S{1,16}\s*|\s+")
_encode = msgspec.json.Encoder().encode


class Event(NamedTuple):
    """One `data:` line and the bytes of text that it carries."""

    data: bytes
    text_bytes: int = 0


_WHOLE: tuple[list[Event], Ending] = ([Event(b"[DONE]")], "keep")
_BREAKS: dict[str, tuple[list[Event], Ending]] = {
    "error200": ([Event(SERVER_ERROR.body())], "keep"),
    "malformed": ([Event(b'{"id":"chatcmpl-')], "keep"),
    "truncate": ([], "keep"),  # the worst kind: it ends in good order, but nothing says that it is whole
    "reset": ([], "reset"),
    "stall": ([], "stall"),
}


def stream_script(
    letter: Letterhead,
    made: Answer,
    latency: int,
    fault: str | None = None,
    *,
    pace: float | None = None,
    usage: bool = False,
) -> Script:
    """A stream that starts after `latency` ns and brings `pace` tokens a second; faults break it half way."""
    events = list(_events(letter, made, usage=usage))
    if fault in _BREAKS:
        events = events[: len(events) // 2]
    last, ending = _BREAKS.get(fault or "", _WHOLE)
    head = letter.head(200, latency, None, "text/event-stream; charset=utf-8")
    pieces = [(latency, head), *_paced([*events, *last], latency, pace)]
    if ending == "keep":
        pieces.append((pieces[-1][0], b"0\r\n\r\n"))
    return Script(200, tuple(_joined(pieces)), ending)


def _events(letter: Letterhead, made: Answer, *, usage: bool) -> Iterator[Event]:
    """All chunks in order, those of several choices in turn."""
    absent: dict[str, Any] = {"usage": None} if usage else {}
    for row in zip_longest(*(_deltas(letter, i, choice) for i, choice in enumerate(made.choices))):
        for index, step in enumerate(row):
            if step is not None:
                delta, finish, size = step
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                yield Event(_encode(letter.completion("chat.completion.chunk", [choice]) | absent), size)
    if usage:
        final = {"usage": usage_table(made.usage)}
        yield Event(_encode(letter.completion("chat.completion.chunk", []) | final))


def _deltas(
    letter: Letterhead, index: int, choice: Choice
) -> Iterator[tuple[dict[str, Any], str | None, int]]:
    """What is new in each chunk of one choice, its finish reason and its size."""
    first: dict[str, Any] = {"role": "assistant", "content": choice.text and "", "refusal": None}
    if choice.call is not None:
        call = letter.tool_call(index, choice.call._replace(arguments=""))
        first["tool_calls"] = [{"index": 0} | call]
    yield first, None, 0
    for word in _WORD.findall(choice.text or ""):
        yield {"content": word}, None, len(word.encode())
    for word in _WORD.findall(choice.call.arguments if choice.call else ""):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": word}}]}, None, len(word.encode())
    yield {}, choice.finish, 0


def _paced(events: Iterable[Event], latency: int, pace: float | None) -> Iterator[tuple[int, bytes]]:
    size = 0
    for event in events:
        size += event.text_bytes
        line = b"data: %b\n\n" % event.data
        yield latency + (round(size / 4 * SECOND / pace) if pace else 0), b"%x\r\n%b\r\n" % (len(line), line)


def _joined(pieces: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Put together what is due at the same moment: one write costs less than many."""
    moment, data = 0, b""
    for at, piece in pieces:
        if at != moment and data:
            yield moment, data
            data = b""
        moment, data = at, data + piece
    yield moment, data
