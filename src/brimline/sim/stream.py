"""An answer as a stream: the pace of its events, and streams that break."""

from collections.abc import Iterable, Iterator

from brimline.sim.amounts import SECOND
from brimline.sim.dialect import Event, Request
from brimline.sim.replies import Answer
from brimline.sim.script import Ending, Script, Sheet

_ENDINGS: dict[str, Ending] = {"reset": "reset", "stall": "stall", "idle": "stall"}


def stream_script(
    sheet: Sheet,
    request: Request,
    made: Answer,
    latency: int,
    fault: str = "",
    *,
    pace: float | None = None,
) -> Script:
    """A stream that starts after `latency` ns and brings `pace` tokens a second; faults break it."""
    events = _broken(sheet, list(sheet.dialect.events(sheet.letter, request, made)), fault)
    ending = _ENDINGS.get(fault, "keep")
    head = sheet.head(200, latency, None, sheet.dialect.stream_media)
    pieces = [(latency, head), *_paced(events, latency, pace)]
    if ending == "keep":
        pieces.append((pieces[-1][0], b"0\r\n\r\n"))
    return Script(200, tuple(_joined(pieces)), ending)


def _broken(sheet: Sheet, events: list[Event], fault: str) -> list[Event]:
    """The events that come, where a fault keeps the rest from coming."""
    if fault in {"truncate", "reset", "stall", "idle"}:
        return _first_half(events)  # truncate is the worst: it ends in good order, but is not whole
    if fault == "cut":
        return [event for event in events if not event.ends]
    if fault in {"error200", "stream_error"}:
        return [*_first_half(events), Event(sheet.dialect.error_event(sheet.letter))]
    if fault == "malformed":
        return [*_first_half(events), Event(sheet.dialect.broken)]
    return events


def _first_half(events: list[Event]) -> list[Event]:
    """The events before the middle of the text."""
    texts = [i for i, event in enumerate(events) if event.text_bytes]
    return events[: texts[len(texts) // 2] if texts else len(events) // 2]


def _paced(events: Iterable[Event], latency: int, pace: float | None) -> Iterator[tuple[int, bytes]]:
    size = 0
    for data, text_bytes, _ in events:
        size += text_bytes
        at = latency + (round(size / 4 * SECOND / pace) if pace else 0)
        yield at, b"%x\r\n%b\r\n" % (len(data), data)


def _joined(pieces: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Put together what is due at the same moment: one write costs less than many."""
    moment, parts = 0, list[bytes]()
    for at, piece in pieces:
        if at != moment and parts:
            yield moment, b"".join(parts)
            parts = []
        moment = at
        parts.append(piece)
    yield moment, b"".join(parts)
