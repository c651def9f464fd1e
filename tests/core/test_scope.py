"""The scope: a refusal is news about the server, and holds everything, its request alone, or ends the scope."""

import random

import pytest

from brimline.core.lane import Attempt, Lane, Ticket
from brimline.core.learned import Learned
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryAt, RetryPolicy
from brimline.core.route import Route
from brimline.core.scope import LONGEST, ODD, ODD_AMONG, PASSING, STARVED, LimitScope, Scope
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.types import Advert, Fault, FaultKind, Request


class Client:
    """Sends attempts of one scope, and has them refused."""

    def __init__(self, quota="", *, learned=None):
        self.scope = Scope(
            LimitScope("lab", "x"), LimitSet(parse_quotas(quota) if quota else (), learned=learned)
        )
        self.limits = self.scope.limits
        self.lane = Lane("run", "lab/x", 10)
        self.route = Route(self.lane.entry, "lab/x", self.scope, 1)
        self.lane.entry.add(self.route)
        self.now = 0

    def send(self):
        while isinstance(permit := self.limits.acquire(self.now, Demand()), NotUntil):
            self.now = permit.when
        ticket = Ticket(Request(id=1, model="lab/x", messages=()), self.lane)
        return Attempt(ticket, self.route, permit, started=self.now, probe=False)

    def refuse(self, attempt=None, after=0, **fault):
        attempt = attempt or self.send()
        self.now += after
        made = Fault(FaultKind.RATE_LIMITED, "slow down", **fault)
        verdict = self.scope.refuse(
            self.now, attempt, made, policy=RetryPolicy(), rng=self.rng(), max_wait=HOUR
        )
        self.limits.settle(attempt.permit, None)
        self.limits.release(attempt.permit)
        return verdict

    def rng(self):
        return random.Random(3)

    def wait(self):
        answer = self.limits.acquire(self.now, Demand())
        if isinstance(answer, NotUntil):
            return answer.when - self.now
        self.limits.refund(answer)
        self.limits.release(answer)
        return 0

    def hear(self, remaining):
        attempt = self.send()
        self.limits.hear(self.now, attempt.permit, (Advert("requests", 600, remaining, MINUTE),))
        self.limits.settle(attempt.permit, None)
        self.limits.release(attempt.permit)


def test_a_wait_that_is_named_is_kept_exactly_and_the_request_is_queued_at_once():
    client = Client()
    assert client.refuse(retry_after=7 * SECOND) == RetryAt(0)
    assert client.wait() == 7 * SECOND


def test_a_wait_beyond_the_longest_gives_the_scope_up():
    client = Client()
    attempt = client.send()
    verdict = client.refuse(attempt, retry_after=HOUR + 1)
    assert isinstance(verdict, Fault)
    assert "3600 s" in verdict.detail
    assert "slow down" in verdict.detail
    assert client.refuse(retry_after=HOUR) == RetryAt(0)


def test_without_a_wait_it_grows_with_each_burst_up_to_the_longest():
    client, waits = Client(), []
    for _ in range(12):
        client.refuse(after=1)
        waits.append(client.wait())
        client.now += waits[-1]
    assert waits[1] == pytest.approx(2 * waits[0], rel=0.01)
    assert waits[2] == pytest.approx(4 * waits[0], rel=0.01)
    assert waits[-1] == LONGEST
    client.scope.accept()
    client.refuse(after=1)
    assert client.wait() == pytest.approx(waits[0], rel=0.01), "an answer makes it patient anew"


def test_those_in_flight_together_are_one_burst():
    client = Client()
    attempts = [client.send() for _ in range(8)]
    for attempt in attempts:
        client.refuse(attempt, after=1)
    assert client.wait() < SECOND // 2


def test_where_a_pace_is_known_nothing_is_held():
    client = Client(learned=Learned())
    for _ in range(30):
        attempt = client.send()
        client.now += SECOND // 10
        client.limits.accept(client.now, attempt.permit, None)
        client.limits.settle(attempt.permit, None)
        client.limits.release(attempt.permit)
    assert client.refuse() == RetryAt(client.now)
    assert client.limits.learned.paces[0].found == pytest.approx(10, rel=0.25)
    assert 0 < client.wait() < SECOND // 2
    assert "learned" in client.limits.acquire(client.now, Demand()).by.words


def test_nothing_but_refusals_for_a_quarter_of_an_hour_gives_the_scope_up():
    client = Client()
    assert client.refuse() == RetryAt(0)
    client.now = STARVED - 1
    assert isinstance(client.refuse(), RetryAt)
    client.now = STARVED
    client.limits._books.closed_until = 0
    verdict = client.refuse()
    assert isinstance(verdict, Fault)
    assert "15 minutes" in verdict.detail
    client.scope.accept()
    assert isinstance(client.refuse(), RetryAt)


def test_a_refusal_in_spite_of_plenty_concerns_its_request_alone():
    client = Client(learned=Learned())
    client.hear(500)
    verdict = client.refuse()
    assert isinstance(verdict, RetryAt)
    assert verdict.when > client.now, "it is tried again later"
    assert client.wait() == 0, "and the others go on"


def test_a_refusal_with_little_left_or_with_a_named_wait_holds_everything():
    client = Client(learned=Learned())
    client.hear(200)
    client.refuse()
    assert client.wait() > 0
    named = Client(learned=Learned())
    named.hear(500)
    named.refuse(retry_after=SECOND)
    assert named.wait() == SECOND


def test_many_refusals_close_together_are_no_accident_whatever_is_advertised():
    client = Client(learned=Learned())
    for number in range(1, ODD + 1):
        client.hear(590)
        verdict = client.refuse()
        assert (verdict.when > client.now) is (number < ODD)


def test_few_refusals_among_many_attempts_stay_an_accident():
    client = Client(learned=Learned())
    for _ in range(3 * ODD):
        for _ in range(ODD_AMONG // ODD + 1):
            client.hear(590)
        assert client.refuse().when > client.now


def test_one_more_than_was_accepted_is_refused_for_its_crowd_however_much_is_left():
    """Ten refusals each time would be the price of taking it for an accident."""
    client = Client(learned=Learned())
    crowd = client.limits.learned.crowd
    client.hear(590)
    crowd.cut(0, 4, is_refused=True)
    crowd.accept(1, 1, 4, most=0)
    crowd.size = crowd.ceiling = 5
    attempts = [client.send() for _ in range(5)]
    client.refuse(attempts[-1], after=1)
    assert crowd.ceiling == 4


def test_smaller_ones_pass_a_large_one_for_twice_what_it_would_have_waited():
    client = Client()
    large, other = (Ticket(Request(id=n, model="lab/x", messages=()), client.lane) for n in range(2))
    assert client.scope.passing_ends(100, large, 110) == 100 + PASSING * 10
    assert client.scope.passing_ends(105, large, 500) == 100 + PASSING * 10, "however late it becomes"
    assert client.scope.passing_ends(105, other, 115) == 105 + PASSING * 10
    assert client.scope.passing_ends(200, large, 200) == 200
