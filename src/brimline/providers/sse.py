"""Server-sent events: bytes, cut anywhere, to events. As the WHATWG's HTML standard (9.2) says, but for retry and id."""

from typing import NamedTuple


class Event(NamedTuple):
    """One event of a stream.

    Attributes:
        name: What the `event` field says, or an empty string.
        data: Its `data` lines, joined with line feeds.
    """

    name: str
    data: bytes


class EventParser:
    """Splits a stream into its events. Comments, and fields that nobody needs, are left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are whole now. Never raises, whatever the bytes are."""
        *lines, self._rest = _lines(self._rest + data)
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(self._flush())
            else:
                self._name = ""
        return events

    def end(self) -> list[Event]:
        """Return the event that lacks nothing but its blank line; some servers leave that out at the end."""
        events = self.feed(b"\n") if self._rest else []
        return [*events, self._flush()] if self._data else events

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")

    def _flush(self) -> Event:
        event = Event(self._name, b"\n".join(self._data))
        self._name, self._data = "", []
        return event


def _lines(data: bytes) -> list[bytes]:
    """Split at line feeds, carriage returns or both; a carriage return at the end may be half of both."""
    if b"\r" in data:
        held = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        return [*lines, rest + held]
    return data.split(b"\n")
