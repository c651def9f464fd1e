"""What is booked before it is known: refunds, departures that come late, and how long refusals last."""

import random

from brimline.core.dispatcher import Dispatcher
from brimline.core.limiter import Limiter
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil, Permit
from brimline.core.quota import Dimension, Quota, parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import STARVED, LimitScope
from brimline.core.steps import Start, TryAgain
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.types import Fault, FaultKind, Request, Response

QUOTA = Quota.of(60, MINUTE, Dimension.TOKENS, burst=20)


def test_a_refund_gives_back_all_that_still_counts():
    limiter = Limiter(QUOTA)
    limiter.take(0, 20)
    assert limiter.earliest(0, 10) == 10 * SECOND
    limiter.amend(0, -15)
    assert limiter.earliest(0, 15) <= 0
    assert limiter.earliest(0, 16) == SECOND


def test_what_has_not_left_yet_counts_until_it_does():
    """Connections that take longer than a window must not let two windows' worth leave together."""
    limits = LimitSet(parse_quotas("2/s"))
    waiting, now, departures = [], 0, []
    for now in range(0, 5 * SECOND, SECOND // 10):
        limits.linger(now)
        permit = limits.acquire(now, Demand())
        if isinstance(permit, Permit):
            waiting.append(permit)
    for permit in waiting:
        limits.depart(now, permit)
        departures.append(now)
    limits.linger(now)
    assert len(departures) == 2
    assert isinstance(limits.acquire(now + SECOND, Demand()), NotUntil), "and from then on"


def test_what_never_left_is_forgotten():
    limits = LimitSet(parse_quotas("2/s"))
    permits = [limits.acquire(0, Demand()) for _ in range(2)]
    limits.settle(permits[0], None)
    limits.refund(permits[1])
    limits.linger(HOUR)
    assert [limiter.used(HOUR) for limiter in limits.limiters] == [0]


def refused_after(idle):
    """An answer, an idle spell, then a refusal; return what follows from it."""
    dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(1), max_wait=HOUR)
    lane = dispatcher.open(
        "run", "lab/a", [Way("lab/a", LimitScope("lab", "a"), lambda: LimitSet((), 1))], room=8
    )
    verdicts = []
    for now, result in [(0, Response(text="yes")), (idle, Fault(FaultKind.RATE_LIMITED, retry_after=SECOND))]:
        dispatcher.offer(lane, [Request(id=now, model="lab/a", messages=())])
        while not isinstance(step := dispatcher.next(now), Start):
            pass
        verdicts.append(dispatcher.settle(now, step.attempt, result))
        dispatcher.release(step.attempt)
    return verdicts[-1]


def test_the_first_refusal_after_an_idle_spell_is_no_starvation():
    assert isinstance(refused_after(2 * STARVED), TryAgain)
