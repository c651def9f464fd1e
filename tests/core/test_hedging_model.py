"""The dispatcher against everything at once, with lanes that come to their end and hedge what is late there."""

import random
import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from brimline.core import hedging
from brimline.core.steps import Wait
from brimline.testing.strategies import WAITS
from brimline.types import Fault, FaultKind, Response, Usage
from tests.core.test_dispatcher_model import PASSING, REACHED, Scheduling


class Ending(Scheduling):
    """There is room for a second attempt in every scope, and every example comes to the end of its lanes."""

    hedge = True

    def boot(self, sources):
        self.concurrency = {scope: max(3, number) for scope, number in self.concurrency.items()}
        super().boot(sources)

    @precondition(lambda self: self.number > 3 and self.flying())
    @rule(rng=st.randoms())
    def near_the_end(self, rng):
        """The sources of a scope have no more, and all but a few attempts are answered; those take long."""
        scope = rng.choice(self.flying()).scope
        self.run_out(
            [line for line in self.lines.values() if line.lane.scope.key == scope], rng.randint(1, 3)
        )
        for flight in self.flying():
            if flight.scope == scope and flight.left_at is None and rng.random() < 0.8:
                self.leave(flight)
        self.pump()
        for _ in range(rng.randint(0, 4)):
            for _ in range(10):
                if isinstance(self.step, Wait) and not self.rivals():
                    self.jump()
            if self.rivals():
                rng.choice([self.answer_one, self.answer_one, self.fail_one, self.stop_one])(rng)

    def run_out(self, lines, spared):
        """Answer all but so many attempts of some lanes, until nothing waits there."""
        for _ in range(40):
            for line in lines:
                if line.asked:
                    line.left = 0
                    self.offer(line, [line.again.popleft() for _ in range(min(line.asked, len(line.again)))])
            self.pump()
            flights = [flight for flight in self.flying() if self.line(flight.attempt.ticket) in lines]
            is_stuck = any(line.waiting for line in lines) and not isinstance(self.step, Wait)
            for flight in flights[0 if is_stuck else spared :]:
                self.end(flight, Response(text=repr(flight.attempt), usage=Usage(5, 5)))
            self.pump()
            if not any(line.waiting or line.later or line.asked for line in lines):
                return
            if isinstance(self.step, Wait):
                self.now = self.step.until
                self.pump()

    def answer_one(self, rng):
        """One of two rivals is answered; the other one is cancelled, or answered all the same, or neither yet."""
        flight = rng.choice(self.rivals())
        loser, usage = flight.rival, rng.choice([None, Usage(10, 5), Usage(400, 700)])
        self.end(flight, Response(text=repr(flight.attempt), usage=usage), is_slow=rng.random() < 0.5)
        if rng.random() < 0.3:
            self.end(loser, Response(text="late", usage=usage))
        elif rng.random() < 0.5:
            self.drop(loser)
        self.pump()

    def fail_one(self, rng):
        """One of two rivals fails or is given up, and perhaps the other one, too."""
        flight = rng.choice(self.rivals())
        other, fault = flight.rival, self.fault(rng)
        if rng.random() < 0.7:
            self.end(flight, fault, is_slow=rng.random() < 0.5)
        else:
            self.drop(flight)
        if rng.random() < 0.5:
            REACHED["both failed"] += 1
            self.end(other, self.fault(rng))
        self.pump()

    def fault(self, rng):
        kind, wait, status = rng.choice(PASSING), rng.choice(WAITS), rng.choice([None, 400])
        return Fault(kind, "scripted", retry_after=wait, http_status=status)

    def stop_one(self, rng):
        """One of two rivals says that going on is hopeless."""
        kind = rng.choice([FaultKind.AUTH, FaultKind.NOT_FOUND])
        self.end(rng.choice(self.rivals()), self.hopeless(kind))
        self.pump()

    def rivals(self):
        return [flight for flight in self.flying() if flight.rival is not None]

    def teardown(self):
        if sys.exc_info()[0] is None and hasattr(self, "lines"):
            rng = random.Random(self.now + self.number)
            for _ in range(3):
                if self.flying():
                    self.near_the_end(rng)
        super().teardown()


ENOUGH = {
    "hedges": 40,
    "hedges that had to wait": 10,
    "hedges won": 8,
    "hedges lost": 8,
    "turns hedged": 10,
    "answered too late": 10,
    "losers cancelled": 3,
    "rivals cancelled": 1,
    "failed beside a rival": 12,
    "both failed": 2,
    "stops beside a rival": 6,
}


@pytest.mark.timeout(240)  # a failure is made small before it is shown
def test_hedges_keep_every_promise_of_the_dispatcher(monkeypatch):
    monkeypatch.setattr(hedging, "ENOUGH", 3)  # so that small runs come to hedges
    monkeypatch.setattr(hedging, "ANSWERS", 2)
    REACHED.clear()
    run_state_machine_as_test(
        Ending,
        settings=settings(
            max_examples=250, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    missed = {what: REACHED[what] for what, number in ENOUGH.items() if REACHED[what] < number}
    assert not missed, "the machine must get there to find anything"
