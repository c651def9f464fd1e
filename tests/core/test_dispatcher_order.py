"""Who comes next, and who is woken by what: the cases that the model test seldom gets to."""

import random

import pytest

from brimline.core.dispatcher import Dispatcher
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import STARVED, LimitScope
from brimline.core.steps import Final, NeedRequests, NextTurn, Start, Stopped, TryAgain, Wait
from brimline.core.time import HOUR, SECOND
from brimline.types import Fault, FaultKind, Request, Response

OK = Response(text="yes")
DOWN = Fault(FaultKind.CONNECTION, "refused")
STOPPED = Fault(FaultKind.CANCELLED, "stopped")


class Desk:
    """A dispatcher, and everything that may start now."""

    def __init__(self):
        self.dispatcher = Dispatcher(policy=RetryPolicy(max_tries=4), rng=random.Random(1), max_wait=HOUR)
        self.now = 0

    def lane(self, model, count, quota="", concurrency=None, **kind):
        limits = LimitSet(parse_quotas(quota) if quota else (), concurrency)
        scope = LimitScope(model.partition("/")[0], model)
        lane = self.dispatcher.open("run", model, [Way(model, scope, lambda: limits)], room=100)
        self.dispatcher.offer(lane, [Request(id=n, model=model, messages=(), **kind) for n in range(count)])
        return lane

    def starts(self):
        attempts = []
        while isinstance(step := self.dispatcher.next(self.now), Start | NeedRequests):
            if isinstance(step, Start):
                attempts.append(step.attempt)
        self.step = step
        return attempts

    def end(self, attempt, result=OK):
        verdict = self.dispatcher.settle(self.now, attempt, result)
        if isinstance(verdict, NextTurn):
            self.dispatcher.proceed(verdict.ticket)
        self.dispatcher.release(attempt)
        return verdict

    def until_the_next(self):
        """Sleep exactly as long as told, until something starts."""
        assert self.starts() == []
        while not (attempts := self.starts()):
            self.now = self.step.until
        return attempts


@pytest.fixture
def desk():
    return Desk()


def test_scopes_take_turns(desk):
    desk.lane("lab/a", 3)
    desk.lane("far/b", 3)
    assert [attempt.ticket.lane.model for attempt in desk.starts()] == ["lab/a", "far/b"] * 3


def test_a_conversation_goes_on_before_others_begin(desk):
    desk.lane("lab/a", 3, concurrency=1, follow_ups=("and?",))
    order = []
    for _ in range(6):
        (attempt,) = desk.starts()
        order.append((attempt.ticket.request.id, len(attempt.ticket.responses)))
        desk.end(attempt)
    assert order == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_what_is_tried_again_goes_before_what_has_not_waited(desk):
    desk.lane("lab/a", 3, concurrency=1)
    (first,) = desk.starts()
    desk.end(first, Fault(FaultKind.RATE_LIMITED, retry_after=SECOND))
    (again,) = desk.until_the_next()
    assert again.ticket is first.ticket


def test_each_turn_of_a_conversation_has_its_own_tries(desk):
    desk.lane("lab/a", 1, follow_ups=("and?", "so?"))
    verdicts = []
    for turn in range(3):
        for _ in range(3):
            (attempt,) = desk.starts() or desk.until_the_next()
            assert isinstance(desk.end(attempt, Fault(FaultKind.BAD_REPLY)), TryAgain), turn
        (attempt,) = desk.until_the_next()
        verdicts.append(desk.end(attempt))
    assert isinstance(verdicts[-1], Final)
    assert verdicts[-1].outcome.attempts == 12


def broken(desk):
    """Break the endpoint of two models, and return the one probe there is."""
    for attempt in desk.starts():
        desk.end(attempt, DOWN)
    (probe,) = desk.until_the_next()
    return probe


@pytest.fixture
def probing(desk):
    """Two models of an endpoint that is down, and a probe of one of them in flight."""
    for model in ("lab/a", "lab/b"):
        desk.lane(model, 8, concurrency=6)
    return broken(desk)


def test_a_probe_whose_run_was_stopped_and_that_fails_makes_room_for_another_models(desk, probing):
    desk.dispatcher.close(probing.ticket.lane, STOPPED)
    assert isinstance(desk.end(probing, DOWN), Stopped)
    (other,) = desk.until_the_next()
    assert other.probe
    assert other.ticket.lane.model != probing.ticket.lane.model


def test_a_probe_that_is_cancelled_makes_room_for_another_models(desk, probing):
    desk.dispatcher.close(probing.ticket.lane, STOPPED)
    desk.dispatcher.cancel(probing)
    (other,) = desk.starts()
    assert other.probe


def test_a_probe_that_is_answered_opens_every_model_of_its_endpoint(desk, probing):
    desk.end(probing)
    assert {attempt.ticket.lane.model for attempt in desk.starts()} == {"lab/a", "lab/b"}


def test_a_refusal_of_a_stopped_run_holds_the_others_of_its_scope_without_waking_them_for_nothing(desk):
    own, other = (desk.lane("lab/a", 5, quota="60/min") for _ in range(2))
    (attempt,) = desk.starts()
    lane = attempt.ticket.lane
    desk.dispatcher.close(lane, STOPPED)
    desk.starts()
    desk.end(attempt, Fault(FaultKind.RATE_LIMITED, retry_after=20 * SECOND))
    desk.starts()
    assert desk.step == Wait(20 * SECOND)
    assert (other if lane is own else own).scope.blocked.words == "refused (429), the provider says when"


@pytest.mark.parametrize("idle", [STARVED - 1, 2 * STARVED])
def test_refusals_are_starvation_only_while_nothing_is_accepted(desk, idle):
    """A refusal, an answer, an idle spell, a refusal: that is an ordinary day."""
    desk.lane("lab/a", 5, concurrency=1)
    refusal = Fault(FaultKind.RATE_LIMITED, retry_after=SECOND)
    for attempt in desk.starts():
        assert isinstance(desk.end(attempt, refusal), TryAgain)
    desk.end(*desk.until_the_next())
    desk.now += idle
    (attempt,) = desk.starts()
    assert isinstance(desk.end(attempt, refusal), TryAgain)


def test_a_stop_closes_the_lanes_of_its_endpoint_and_no_other(desk):
    here, also_here, elsewhere = desk.lane("lab/a", 2), desk.lane("lab/b", 2), desk.lane("far/a", 2)
    attempt = next(attempt for attempt in desk.starts() if attempt.ticket.lane is here)
    verdict = desk.end(attempt, Fault(FaultKind.AUTH, "bad key"))
    assert {*verdict.lanes} == {here, also_here}
    assert elsewhere.closed is None
