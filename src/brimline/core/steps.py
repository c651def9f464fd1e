"""What the dispatcher says: the next step, and the verdict on an attempt that has ended. Plain values.

Not frozen: they are made for every request and seen by nobody else, and freezing costs a microsecond each time.
"""

from dataclasses import dataclass
from typing import TypeAlias

from brimline.core.lane import Attempt, Lane, Ticket
from brimline.types import Fault, Outcome, Response


@dataclass(slots=True)
class Start:
    """Perform this attempt now; its permit is taken."""

    attempt: Attempt


@dataclass(slots=True)
class NeedRequests:
    """Ask the lane's source for up to `room` requests and offer what comes."""

    lane: Lane
    room: int


@dataclass(slots=True)
class Wait:
    """Nothing can start before `until`, ns, unless something is offered, settled or released before."""

    until: int


@dataclass(slots=True)
class Idle:
    """Nothing can start until something is offered, settled or released."""


Step: TypeAlias = Start | NeedRequests | Wait | Idle
IDLE = Idle()


@dataclass(slots=True)
class Final:
    """The last word on a request. The `loser` is to be cancelled: its rival was answered first."""

    ticket: Ticket
    outcome: Outcome
    loser: Attempt | None = None


@dataclass(slots=True)
class NextTurn:
    """A turn of a conversation is answered, or a turn's answer is not valid and is asked for again.

    Make the response durable, then `Dispatcher.proceed` with the ticket.

    The `loser` is to be cancelled: its rival was answered first.
    """

    ticket: Ticket
    response: Response
    loser: Attempt | None = None


@dataclass(slots=True)
class TryAgain:
    """The attempt failed and the request is tried again, at `when` or as soon as its limits allow after it."""

    ticket: Ticket
    fault: Fault
    when: int


@dataclass(slots=True)
class Divided:
    """A bundle was refused and one of its requests may be to blame: `Dispatcher.divide` sends its halves."""

    ticket: Ticket
    fault: Fault


@dataclass(slots=True)
class LeftToRival:
    """The attempt is settled and nothing follows: its rival decides, or has decided."""

    ticket: Ticket
    result: Response | Fault


@dataclass(slots=True)
class Stopped:
    """Nothing of this kind is sent any more.

    Attributes:
        what: The endpoint or the model reference that stops.
        fault: Why.
        tickets: Requests that are given up without an outcome, those that waited included; none with attempts in flight.
        lanes: The lanes that this closed.
        spared: The lanes that go on without it: they have other members of a pool, or a fallback.
    """

    what: str
    fault: Fault
    tickets: tuple[Ticket, ...]
    lanes: tuple[Lane, ...] = ()
    spared: tuple[Lane, ...] = ()


Verdict: TypeAlias = Final | NextTurn | TryAgain | Divided | LeftToRival | Stopped
