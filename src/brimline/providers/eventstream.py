"""AWS's binary event streams (`application/vnd.amazon.eventstream`): bytes, cut anywhere, to events.

A frame is its length, the length of its headers and a checksum of both; the headers; the payload; a checksum of it all.
"""

from functools import lru_cache
from struct import Struct
from zlib import crc32

from brimline.providers.sse import Event, EventParser

DAMAGED = Event("damaged", b"")
"""Stands for a frame that is none; nothing can be read after it."""

_LONGEST = 32 << 20
"""Bytes; AWS sends no frame as long as that."""

_PRELUDE = Struct(">III")
_NUMBER = Struct(">I")
_TEXT, _BYTES = 7, 6
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""The sizes of headers that are neither text nor bytes, by their type."""

_NAMES = (b":exception-type", b":event-type", b":error-code")


class FrameParser(EventParser):
    """Splits a stream into its frames; the name of an event is its type, or that of its exception."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = bytearray()
        self._is_damaged = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are whole now. Never raises, whatever the bytes are."""
        if self._is_damaged:
            return []
        self._frames += data
        events = []
        while not self._is_damaged and len(self._frames) >= _PRELUDE.size:
            length, of_headers, checksum = _PRELUDE.unpack_from(self._frames)
            is_sound = of_headers + 16 <= length <= _LONGEST and crc32(self._frames[:8]) == checksum
            if is_sound and len(self._frames) < length:
                break
            event = _event(bytes(self._frames[:length]), of_headers) if is_sound else None
            self._is_damaged = event is None
            events.append(event or DAMAGED)
            del self._frames[:length]
        return events

    def end(self) -> list[Event]:
        """Return nothing: half a frame is none."""
        return []


def _event(frame: bytes, of_headers: int) -> Event | None:
    """Return the event of a whole frame, or None if it is damaged."""
    if crc32(frame[:-4]) != _NUMBER.unpack_from(frame, len(frame) - 4)[0]:
        return None
    payload = _PRELUDE.size + of_headers
    name = _name(frame[_PRELUDE.size : payload])
    return None if name is None else Event(name, frame[payload:-4])


@lru_cache(maxsize=64)
def _name(headers: bytes) -> str | None:
    """Return the name that headers give, or None if they are none; nearly all frames of a stream have the same."""
    texts = {}
    at = 0
    while at < len(headers):
        end = at + 1 + headers[at]
        kind = headers[end] if end < len(headers) else -1
        name = headers[at + 1 : end]
        at = end + 1
        if kind in {_TEXT, _BYTES}:
            size, at = int.from_bytes(headers[at : at + 2]), at + 2
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            return None
        if kind == _TEXT:
            texts[name] = headers[at : at + size].decode("utf-8", "replace")
        at += size
    if at != len(headers):
        return None
    return next((texts[name] for name in _NAMES if name in texts), "")
