"""The dispatcher: the scheduler, and what follows from an attempt that has ended.

Settling comes first: what a reply says of limits is heard, its permit is settled with what was used, the endpoint's
health and what is learned take note. Then the verdict: an outcome, the next turn, another try, or a stop. The slot
stays taken until `release`, when what came of it is kept.
"""

import heapq
from collections.abc import Iterable, Sequence

from brimline.core.bundle import is_divisible
from brimline.core.faults import CONSEQUENCES, Reach
from brimline.core.lane import Attempt, Lane, Ticket
from brimline.core.queue import Queue
from brimline.core.repair import hopeless
from brimline.core.retry import GiveUp
from brimline.core.route import Route
from brimline.core.scheduler import Scheduler
from brimline.core.steps import (
    Divided,
    Final,
    LeftToRival,
    NextTurn,
    Stopped,
    TryAgain,
    Verdict,
)
from brimline.types import Fault, Response, Usage

OFTEN = 3
"""A ticket that was refused for a rate so often lets the others go first: it may be the only one that is refused."""


class Dispatcher(Scheduler):
    """Starts attempts as the limits allow, and settles them."""

    def depart(self, now: int, attempt: Attempt) -> None:
        """Count the attempt as gone only now: its connection had to be made first."""
        attempt.route.scope.limits.depart(now, attempt.permit)
        if attempt.ticket.lane.hedging is not None and attempt.rival is None and not attempt.beaten:
            self._watch(now, attempt)

    def settle(self, now: int, attempt: Attempt, result: Response | Fault) -> Verdict:
        """Settle an ended attempt's permit and say what follows; its slot stays taken until `release`."""
        scope = attempt.route.scope
        if attempt.adverts and scope.limits.hear(now, attempt.permit, attempt.adverts):
            self._revise(scope)
        rival = self._part(attempt)
        if isinstance(result, Response):
            return self._succeed(now, attempt, result, rival)
        if rival is not None and rival.departed:
            self._watch(now, rival)
        return self._fail(now, attempt, result, is_left=rival is not None or attempt.beaten)

    def release(self, attempt: Attempt) -> None:
        """Free the attempt's slot."""
        scope = attempt.route.scope
        scope.limits.release(attempt.permit)
        if scope.wake_at is None or scope.wants_slot:
            self._ready(scope)

    def proceed(self, ticket: Ticket) -> Verdict | None:
        """Queue a conversation's next turn before other requests; return a verdict if it cannot be sent."""
        return self._admit(ticket, first=True)

    def cancel(self, attempt: Attempt) -> bool:
        """Forget an attempt that is not waited for any more.

        Returns whether nothing is in flight for its ticket any more, which is still to be given up and concluded.
        """
        scope = attempt.route.scope
        rival = self._part(attempt)
        if attempt.departed:
            scope.limits.settle(attempt.permit, None)
        elif scope.limits.refund(attempt.permit):
            self._revise(scope)
        self._endpoint_lives(attempt, replied=False)
        self.release(attempt)
        return rival is None and not attempt.beaten

    def _watch(self, now: int, attempt: Attempt) -> None:
        """Note that an attempt is in flight, alone from now on."""
        hedging = attempt.ticket.lane.hedging
        assert hedging is not None
        hedging.watch(now, attempt)
        self._review(attempt.ticket.lane)

    def _part(self, attempt: Attempt) -> Attempt | None:
        """Let go of an attempt that has ended; return the rival that it leaves in flight."""
        lane = attempt.ticket.lane
        if lane.hedging is None:
            return None
        self._review(lane)
        return lane.hedging.part(attempt)

    def _succeed(self, now: int, attempt: Attempt, response: Response, loser: Attempt | None) -> Verdict:
        ticket, route = attempt.ticket, attempt.route
        hedging, limits = ticket.lane.hedging, route.scope.limits
        route.scope.accept()
        self._health[route.scope.key.endpoint].answered(route.model)
        limits.accept(now, attempt.permit, response.usage)
        self._endpoint_lives(attempt, replied=True)
        if response.usage is not None and limits.counts_tokens and not attempt.beaten:
            self._learn(attempt, response.usage)
        self._settle(attempt, response.usage)
        if attempt.beaten:
            return LeftToRival(ticket, response)
        if hedging is not None:
            hedging.answer(now - attempt.started)
        if loser is not None:
            loser.beaten = True
        ticket.served_by = route.model
        ticket.clock(attempt.started, now)
        ticket.answer(response)
        fault = hopeless(ticket.responses)
        if fault is not None and fault.kind in ticket.lane.falls_on and ticket.stage.following is not None:
            return self._fall(ticket, route.model, fault) or TryAgain(ticket, fault, now)
        if fault is not None:
            return Final(ticket, ticket.failure(fault, self._epoch), loser)
        if not ticket.is_answered:
            return NextTurn(ticket, response, loser)
        return Final(ticket, ticket.success(self._epoch), loser)

    def _learn(self, attempt: Attempt, usage: Usage) -> None:
        """Correct the estimates; what waits may need less than was thought."""
        route = attempt.route
        if self._estimators[route.model].learn(attempt.ticket.measured, usage):
            self._revise(route.scope)

    def _fail(self, now: int, attempt: Attempt, fault: Fault, *, is_left: bool) -> Verdict:
        """Book a fault and say what follows; where `is_left`, that is up to the attempt's rival."""
        ticket = attempt.ticket
        endpoint = attempt.route.scope.key.endpoint
        consequence = CONSEQUENCES[fault.kind]
        self._settle(attempt, None if consequence.billed or attempt.is_heard else Usage())
        hopeless, when = fault if consequence.stops else None, now
        if consequence.reach is Reach.ENDPOINT:
            hopeless = self._endpoint_failed(now, attempt, fault)
        else:
            self._endpoint_lives(attempt, replied=fault.http_status is not None)
        if consequence.reach is Reach.SCOPE:
            hopeless, when = self._refused(now, attempt, fault)
        if hopeless is not None:
            return self._stop(now, attempt, hopeless, consequence.reach, is_left=is_left)
        if is_left:
            return LeftToRival(ticket, fault)
        if attempt.is_heard:
            ticket.served_by = attempt.route.model
            ticket.clock(attempt.started, now)
            return self._finish(ticket, fault)
        is_outage = consequence.reach is Reach.ENDPOINT and self._health[endpoint].breaker.is_open
        if is_outage or not consequence.counts:
            return self._again(now, ticket, fault, when)
        return self._try_again(now, attempt, fault)

    def _refused(self, now: int, attempt: Attempt, fault: Fault) -> tuple[Fault | None, int]:
        """Return why the scope is given up, or None, and when the request is tried again."""
        scope = attempt.route.scope
        verdict = scope.refuse(
            now, attempt, fault, policy=self._policy, rng=self._rng, max_wait=self._max_wait
        )
        self._revise(scope)
        return (verdict, now) if isinstance(verdict, Fault) else (None, verdict.when)

    def _try_again(self, now: int, attempt: Attempt, fault: Fault) -> Verdict:
        ticket = attempt.ticket
        alike = ticket.blame(fault)
        decision = self._policy.decide(now, fault, tries=ticket.tries, alike=alike, rng=self._rng)
        if isinstance(decision, GiveUp) or decision.when - now > self._max_wait:
            return self._lose(now, attempt, fault)
        spread = self._health[attempt.route.scope.key.endpoint].budget.spend(now)
        return self._again(now, ticket, fault, max(decision.when, now + spread))

    def _lose(self, now: int, attempt: Attempt, fault: Fault) -> Verdict:
        """Let a request fall back, or fail; or stop its model, where one after another fails in the very same way.

        A bundle may have failed for one of its requests only; its halves are tried.
        """
        ticket, route = attempt.ticket, attempt.route
        if is_divisible(ticket.request, fault.kind):
            return Divided(ticket, fault)
        hopeless = self._health[route.scope.key.endpoint].refused(route.model, fault)
        if hopeless is not None:
            return self._stop(now, attempt, hopeless, Reach.MODEL)
        if fault.kind in ticket.lane.falls_on and ticket.stage.following is not None:
            return self._fall(ticket, route.model, fault) or TryAgain(ticket, fault, now)
        ticket.served_by = route.model
        ticket.clock(attempt.started, now)
        return self._finish(ticket, fault)

    def _again(self, now: int, ticket: Ticket, fault: Fault, when: int) -> Verdict:
        lane, stage = ticket.lane, ticket.stage
        if lane.closed is not None:
            return self._drop(ticket)
        if not stage.routes:
            return self._leave(ticket) or TryAgain(ticket, fault, now)
        refusal = self._impossible(ticket, ticket.demand)  # limits may have been lowered while it was away
        if refusal is not None:
            return self._fall(ticket, stage.model, refusal) or TryAgain(ticket, fault, now)
        if when > now:
            lane.later[ticket] = when
            heapq.heappush(self._timers, (when, next(self._sequence), ticket))
        else:
            self._queue(ticket, first=ticket.refusals < OFTEN)
        return TryAgain(ticket, fault, when)

    def _stop(
        self, now: int, attempt: Attempt, fault: Fault, reach: Reach, *, is_left: bool = False
    ) -> Verdict:
        """Close every route that the fault makes hopeless, and the lanes that have no other one.

        The ticket goes on elsewhere or is given up, unless it is left to a rival.
        """
        ticket, own = attempt.ticket, attempt.route
        what = own.model if reach in {Reach.MODEL, Reach.SCOPE} else own.scope.key.endpoint
        tickets: list[Ticket] = []
        lanes: list[Lane] = []
        for lane in (*self._lanes,):
            if gone := [route for route in lane.routes if _concerns(reach, own, route)]:
                lanes.append(lane)
                tickets += self._shut(lane, gone, what, fault)
        verdict: Verdict | None = None
        if attempt.is_heard:  # it goes nowhere else
            verdict = Stopped(what, fault, (ticket,))
        elif not is_left:
            verdict = self._again(now, ticket, fault, now)
        if not lanes:
            return verdict or LeftToRival(ticket, fault)
        if verdict is not None and not isinstance(verdict, TryAgain):
            tickets.insert(0, ticket)
        closed = tuple(lane for lane in lanes if lane.closed is not None)
        spared = tuple(lane for lane in lanes if lane.closed is None)
        self._hungry.extend(spared)  # what they held ready may have been given up
        return Stopped(what, fault, tuple(tickets), closed, spared)

    def _shut(self, lane: Lane, routes: Sequence[Route], what: str, fault: Fault) -> Iterable[Ticket]:
        """Close some routes of a lane; return the tickets that are given up."""
        stopped = [stage for stage in lane.stages if stage.routes and {*stage.routes} <= {*routes}]
        for route in routes:
            self._unline(route)
            route.stage.remove(route)
            if lane.hedging is not None:
                self._revise(route.scope)  # it may wait for a second attempt that it will not have
            self._tell(route.stage)  # others may have left to it what they cannot hold
        for stage in stopped:
            stage.stopped = what, fault
        if lane.entry in stopped:
            fallback = lane.entry.fallback() if fault.kind in lane.falls_on else None
            if fallback is None or fallback.stopped is not None:
                return self.close(lane, fault)
            lane.entry = fallback
        waiting = [ticket for ticket in lane.waiting() if ticket.stage in stopped]
        for stage in stopped:
            stage.queue = Queue()
        for ticket in waiting:
            lane.later.pop(ticket, None)
        return [ticket for ticket in reversed(waiting) if self._leave(ticket) is not None]

    def _settle(self, attempt: Attempt, usage: Usage | None) -> None:
        scope = attempt.route.scope
        if scope.limits.settle(attempt.permit, usage):
            self._revise(scope)

    def _endpoint_lives(self, attempt: Attempt, *, replied: bool) -> None:
        """Tell the breaker about an attempt that was not the endpoint's fault."""
        endpoint = attempt.route.scope.key.endpoint
        breaker = self._health[endpoint].breaker
        was_open = breaker.is_open
        if replied:
            breaker.succeed()
        else:
            breaker.abandon(probe=attempt.probe)
        if was_open:
            self._look_again(endpoint)

    def _endpoint_failed(self, now: int, attempt: Attempt, fault: Fault) -> Fault | None:
        """Tell the breaker about an endpoint-wide fault; return why the endpoint is given up, or None."""
        endpoint = attempt.route.scope.key.endpoint
        breaker = self._health[endpoint].breaker
        breaker.fail(now, probe=attempt.probe)
        if attempt.probe:
            self._look_again(endpoint)
        return fault if breaker.is_hopeless(now) else None

    def _look_again(self, endpoint: str) -> None:
        for scope in self._scopes.values():
            if scope.key.endpoint == endpoint:
                self._revise(scope)


def _concerns(reach: Reach, own: Route, other: Route) -> bool:
    """Whether what is hopeless in `own` is hopeless in `other`."""
    if reach is Reach.MODEL:
        return other.model == own.model
    if reach is Reach.SCOPE:
        return other.scope is own.scope
    return other.scope.key.endpoint == own.scope.key.endpoint
