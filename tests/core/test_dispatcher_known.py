"""Requests whose answer is known already: through at once, past every limit, and asked for no further than is of use."""

import random

from brimline.core.dispatcher import Dispatcher
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Final, Idle, NeedRequests, Start
from brimline.types import Request, Response

KNOWN = (Response(text="known"),)


def opened(quotas="1/min, 1 tokens/min", concurrency=1, room=8):
    dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(1))
    make = lambda: LimitSet(parse_quotas(quotas), concurrency)  # noqa: E731
    lane = dispatcher.open("run", "lab/x", [Way("lab/x", LimitScope("lab", "lab/x"), make)], room=room)
    assert dispatcher.next(0) == NeedRequests(lane, room)
    return dispatcher, lane


def requests(number, **more):
    return [
        Request(id=n, model="lab/x", messages=({"role": "user", "content": f"{n}"},), **more)
        for n in range(number)
    ]


def test_what_is_known_is_through_at_once_whatever_the_limits_say():
    dispatcher, lane = opened()
    verdicts = dispatcher.offer(lane, requests(5), answered=[KNOWN] * 5)
    assert all(isinstance(verdict, Final) for verdict in verdicts)
    outcomes = [verdict.outcome for verdict in verdicts]
    assert [(outcome.text, outcome.attempts, outcome.cached) for outcome in outcomes] == [
        ("known", 0, True)
    ] * 5
    assert not lane.entry.queue
    dispatcher.conclude(*(verdict.ticket for verdict in verdicts))
    dispatcher.exhaust(lane)
    assert lane.is_done


def test_what_is_not_known_waits_as_ever():
    dispatcher, lane = opened("60/min")
    known = [KNOWN, (), KNOWN, ()]
    (one, other) = dispatcher.offer(lane, requests(4), answered=known)
    assert [one.ticket.request.id, other.ticket.request.id] == [0, 2]
    assert [ticket.request.id for ticket in lane.entry.queue] == [1, 3]


def test_a_conversation_of_which_a_turn_lacks_is_sent():
    dispatcher, lane = opened("60/min")
    assert dispatcher.offer(lane, requests(1, follow_ups=("and?",)), answered=[KNOWN]) == []
    dispatcher.hold(lane)
    step = dispatcher.next(0)
    assert isinstance(step, Start)
    assert step.attempt.ticket.responses == KNOWN


def test_a_lane_on_hold_asks_for_nothing_until_the_next_offer():
    dispatcher, lane = opened()
    dispatcher.offer(lane, requests(3), answered=[KNOWN] * 3)
    dispatcher.hold(lane)
    assert dispatcher.next(0) == Idle()
    dispatcher.offer(lane, ())
    assert dispatcher.next(0) == NeedRequests(lane, 8)
