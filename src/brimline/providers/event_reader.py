"""Reading an answer that comes as server-sent events, whatever the dialect of the events is."""

from abc import ABC, abstractmethod

from brimline.providers.bodies import bad_reply
from brimline.providers.sse import Event, EventParser
from brimline.types import Delta, Fault, HttpReply, Response


class EventReader(ABC):
    """A `StreamReader`; a dialect says what an event adds, and what all of them make.

    Args:
        head: Status and headers of the reply.
    """

    def __init__(self, head: HttpReply) -> None:
        self.is_over = False
        self._head = head
        self._fault: Fault | None = None
        self._parser = EventParser()
        self._bytes: list[bytes] = []

    def feed(self, data: bytes) -> list[Delta]:
        """Return what the next bytes add to the answer."""
        self._bytes.append(data)
        return self._read_all(self._parser.feed(data))

    def result(self) -> Response | Fault:
        """Return what came of it; an end that is not the dialect's own is a fault."""
        if not self.is_over:
            self._read_all(self._parser.end())
        if self._fault is not None:
            return self._fault
        if not self.is_over:
            return bad_reply(self._head, "the stream broke off before the answer was complete")
        return self._whole(HttpReply(self._head.status, self._head.headers, b"".join(self._bytes)))

    def _read_all(self, events: list[Event]) -> list[Delta]:
        deltas: list[Delta] = []
        for event in events:
            if self.is_over:
                break
            self._read(event, deltas)
        return deltas

    def _fail(self, fault: Fault) -> None:
        self._fault = fault
        self.is_over = True

    @abstractmethod
    def _read(self, event: Event, deltas: list[Delta]) -> None:
        """Take an event, and add to `deltas` what it adds to the answer; never raises."""

    @abstractmethod
    def _whole(self, reply: HttpReply) -> Response | Fault:
        """Return the answer that all events make; `reply` holds the stream byte for byte."""
