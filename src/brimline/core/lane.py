"""Tickets and lanes: each request on its way, and the line in which those of one run and model wait."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from brimline.core.estimate import Size, measure
from brimline.core.gate import Gate
from brimline.core.hedging import Hedging
from brimline.core.permit import Demand, Permit
from brimline.core.queue import Queue
from brimline.core.repair import following
from brimline.core.route import Route, Stage
from brimline.types import Advert, Failure, Fault, FaultKind, Request, Response, Success

if TYPE_CHECKING:
    from brimline.core.scope import Scope

FALLEN = 1024
"""So many tickets may wait for fallbacks before they count as what a lane holds ready."""

TOLD = 200
"""So much of an earlier fault's words is told."""


class Ticket:
    """One request on its way: what has been tried and what has been answered so far.

    Attributes:
        request: The request.
        lane: Whose it is.
        stage: Where it waits.
        size: How large its next exchange is, or None: nobody has measured it.
        demand: What its last attempt needed.
        responses: The responses so far, rejected ones included.
        answered: How many of them are not rejected: turns that are through.
        attempts: HTTP requests made for it, refused ones included.
        tries: Tries of the present exchange that count.
        faults: How those tries ended.
        earlier: The stages that it has left for a fallback, by what they are called, and why.
        served_by: The model reference that its last attempt went to, or None if nothing was sent.
        sent_at: When the last attempt of the first exchange was sent, ns on the dispatcher's clock.
        latency: How long the final attempts took together, ns.
    """

    __slots__ = (
        "answered",
        "attempts",
        "demand",
        "earlier",
        "faults",
        "lane",
        "latency",
        "request",
        "responses",
        "sent_at",
        "served_by",
        "size",
        "stage",
        "tries",
    )

    def __init__(self, request: Request, lane: "Lane", responses: tuple[Response, ...] = ()) -> None:
        self.request = request
        self.lane = lane
        self.stage = lane.entry
        self.size: Size | None = None
        self.demand = Demand()
        self.responses = responses
        self.answered = sum(response.rejection is None for response in responses) if responses else 0
        self.attempts = 0
        self.tries = 0
        self.faults: list[FaultKind] = []
        self.earlier: tuple[tuple[str, Fault], ...] = ()
        self.served_by: str | None = None
        self.sent_at: int | None = None
        self.latency = 0

    @property
    def refusals(self) -> int:
        """How many of its attempts were refused without counting as tries, or are in flight."""
        return self.attempts - self.tries - len(self.responses)

    @property
    def is_answered(self) -> bool:
        """Whether every turn of the request has its response."""
        return self.answered >= self.request.turns

    @property
    def following(self) -> tuple[Request, tuple[Response, ...]]:
        """Its next exchange as it is sent: a request, and the responses to its turns so far."""
        return following(self.request, self.responses)

    @property
    def measured(self) -> Size:
        """The size of its next exchange; one that came before tokens were limited keeps its place in the queue."""
        return measure(*self.following) if self.size is None else self.size

    def answer(self, response: Response) -> None:
        """Add the response to the present exchange."""
        self.responses = (*self.responses, response)
        self.answered += response.rejection is None
        self.tries = 0
        self.faults.clear()

    def blame(self, fault: Fault) -> int:
        """Count a try that ended with `fault`; return how many ended like it."""
        self.tries += 1
        self.faults.append(fault.kind)
        return self.faults.count(fault.kind)

    def fall(self, stage: Stage, what: str, fault: Fault) -> None:
        """Go on in the stage of a fallback, with tries anew: `what` has failed for `fault`."""
        self.stage = stage
        self.earlier = (*self.earlier, (what, fault))
        self.tries = 0
        self.faults.clear()

    def clock(self, started: int, now: int) -> None:
        """Add the time that a final attempt took."""
        if not self.responses:
            self.sent_at = started
        self.latency += now - started

    def success(self, epoch: int) -> Success:
        """Return the outcome of a ticket whose exchanges are all answered."""
        return Success(
            request=self.request,
            responses=self.responses,
            attempts=self.attempts,
            sent_at=None if self.sent_at is None else epoch + self.sent_at,
            latency=self.latency / 1e9 if self.attempts else None,
            served_by=self.served_by,
        )

    def failure(self, fault: Fault, epoch: int) -> Failure:
        """Return the outcome of a ticket that is given up for `fault`."""
        return Failure(
            request=self.request,
            responses=self.responses,
            attempts=self.attempts,
            sent_at=None if self.sent_at is None else epoch + self.sent_at,
            latency=None if self.sent_at is None else self.latency / 1e9,
            served_by=self.served_by,
            fault=self._after_others(fault),
        )

    def _after_others(self, fault: Fault) -> Fault:
        """Name in the last fault those that it was tried for before, elsewhere."""
        if not self.earlier:
            return fault
        told = [f"{what}: {earlier.kind}: {earlier.detail[:TOLD]}" for what, earlier in self.earlier]
        return replace(fault, detail=f"{fault.detail} (before that {'; '.join(told)})")

    def __repr__(self) -> str:
        return (
            f"<Ticket {self.request.id!r}: {self.answered} of {self.request.turns}, {self.attempts} attempts>"
        )


class Attempt:
    """One exchange on the wire for a ticket, with the permit that lets it go.

    Attributes:
        ticket: The request on its way.
        route: Which way it goes.
        permit: Its permit.
        started: When it started, ns.
        probe: Whether it tries out an endpoint that has been failing.
        number: Its number for the request, from 1.
        departed: Whether it has left this process.
        ended: Whether it has ended on the wire; what came of it is being kept.
        adverts: What its reply advertises of limits.
        is_hedge: Whether it was started beside one that is late.
        rival: The other attempt in flight for the same exchange, or None.
        beaten: Whether its rival has been answered: it does not matter any more but for the bill.
        is_heard: Whether somebody has been told a part of its answer; then no other attempt may tell it anew.
    """

    __slots__ = (
        "adverts", "beaten", "departed", "ended", "is_heard", "is_hedge", "number", "permit", "probe", "rival", "route",
        "started", "ticket",
    )  # fmt: skip

    def __init__(self, ticket: Ticket, route: Route, permit: Permit, *, started: int, probe: bool) -> None:
        self.ticket = ticket
        self.route = route
        self.permit = permit
        self.started = started
        self.probe = probe
        self.number = ticket.attempts
        self.departed = False
        self.ended = False
        self.adverts: tuple[Advert, ...] = ()
        self.is_hedge = False
        self.is_heard = False
        self.rival: Attempt | None = None
        self.beaten = False

    @property
    def exchange(self) -> tuple[Request, tuple[Response, ...]]:
        """What is sent: a request, to the model that its route leads to, and the responses to its turns so far."""
        request, responses = self.ticket.following
        if request.model != self.route.model:
            request = replace(request, model=self.route.model)
        return request, responses

    def __repr__(self) -> str:
        return f"<Attempt {self.number} of request {self.ticket.request.id!r}>"


class Lane:
    """The requests of one run for one model reference; flows at its own rate.

    A lane asks for requests when it holds fewer than half of its room, and asks again only when it got some. It likes
    to hold twice as many as are in flight.

    Attributes:
        run: Whose requests they are; opaque here.
        model: The model reference that is asked for.
        group: The group whose limits hold for all of it, or an empty string.
        gate: Those limits, or None.
        name: What tells it from the run's other lanes.
        room: How many requests it likes to hold at least; a bundle is one.
        bundle: How many requests may go in one exchange.
        stages: Who may answer: a pool or an endpoint, and the fallbacks after it.
        entry: The stage where new requests begin.
        falls_on: The kinds of faults for which a ticket goes on in the next stage.
        later: Tickets that wait for their next try, and until when, ns.
        open: Tickets that are not through yet, wherever they are.
        asked: Whether requests were asked for and have not come yet.
        exhausted: Whether there are no more requests to come.
        paused: Whether nothing starts for now.
        closed: Why nothing starts any more, or None.
        hedging: What is late at its end gets a second attempt; None: nothing does.
    """

    __slots__ = (
        "asked", "bundle", "closed", "entry", "exhausted", "falls_on", "gate", "group", "hedging", "later", "model", "name",
        "open", "paused", "room", "run", "stages",
    )  # fmt: skip

    def __init__(
        self,
        run: Any,
        model: str,
        room: int,
        hedging: Hedging | None = None,
        falls_on: frozenset[FaultKind] = frozenset(),
    ) -> None:
        self.run = run
        self.model = model
        self.name = model
        self.group = ""
        self.gate: Gate | None = None
        self.room = room
        self.bundle = 1
        self.entry = Stage(self, model)
        self.stages = [self.entry]
        self.falls_on = falls_on
        self.later: dict[Ticket, int] = {}
        self.open = 0
        self.asked = False
        self.exhausted = False
        self.paused = False
        self.closed: Fault | None = None
        self.hedging = hedging

    def join(self, group: str, gate: Gate) -> None:
        """Let all its requests be in a group, with the limits of that."""
        self.name = f"{self.model} ({group})"
        self.group, self.gate = group, gate

    def add_fallback(self, model: str) -> Stage:
        """Return a new stage, to which tickets fall back after all others."""
        stage = Stage(self, model)
        self.stages[-1].following = stage
        self.stages.append(stage)
        return stage

    @property
    def scope(self) -> "Scope":
        """Whose limits hold on the first of its routes; it is the only one unless there is a pool or a fallback."""
        return self.stages[0].members[0].scope

    @property
    def members(self) -> Iterator[Route]:
        """All its routes, those that have stopped included."""
        return (route for stage in self.stages for route in stage.members)

    @property
    def routes(self) -> Iterator[Route]:
        """The routes that have not stopped."""
        return (route for stage in self.stages for route in stage.routes)

    @property
    def wants(self) -> int:
        """How many requests to ask for now; 0 if there are enough or none to come."""
        if self.asked or self.exhausted or self.closed:
            return 0
        entry = self.entry
        waiting = len(entry.queue)
        if entry.following is not None:
            waiting += max(0, self.waiting_elsewhere - FALLEN)
        in_flight = 0
        for route in entry.routes:
            in_flight += route.scope.limits.in_flight
        room = max(self.room, 2 * in_flight)
        return room - waiting if 2 * waiting < room else 0

    @property
    def waiting_elsewhere(self) -> int:
        """How many tickets wait for fallbacks."""
        return sum(len(stage.queue) for stage in self.stages if stage is not self.entry)

    @property
    def is_waiting(self) -> bool:
        """Whether a ticket may start as soon as limits allow."""
        return any(stage.queue for stage in self.stages)

    @property
    def is_ending(self) -> bool:
        """Whether all that is left of it is in flight."""
        return self.exhausted and not (self.later or self.paused or self.closed or self.is_waiting)

    @property
    def is_done(self) -> bool:
        """Whether everything it will ever hold is through: its outcome is kept, or it was given up."""
        return self.open == 0 and (self.exhausted or self.closed is not None)

    def waiting(self) -> Iterator[Ticket]:
        """Yield all tickets that are not in flight."""
        for stage in self.stages:
            yield from stage.queue
        yield from self.later

    def empty(self) -> tuple[Ticket, ...]:
        """Take out and return all tickets that are not in flight."""
        tickets = (*self.waiting(),)
        for stage in self.stages:
            stage.queue = Queue()
        self.later.clear()
        return tickets

    def __repr__(self) -> str:
        waiting = sum(len(stage.queue) for stage in self.stages)
        return f"<Lane {self.name}: {waiting} waiting, {len(self.later)} later, {self.open} open>"
