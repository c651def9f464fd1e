"""The dispatcher against everything at once, with lanes that come to their end and hedge what is late there."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from brimline.core import hedging
from brimline.core.steps import Wait
from brimline.testing import strategies
from brimline.types import FaultKind, Response, Usage
from tests.core.test_dispatcher_model import PASSING, REACHED, Scheduling


class Ending(Scheduling):
    """There is room for a second attempt in every scope."""

    hedge = True

    def boot(self, sources):
        self.concurrency = {scope: max(3, number) for scope, number in self.concurrency.items()}
        super().boot(sources)

    @precondition(lambda self: self.number > 3 and self.flying())
    @rule(data=st.data(), spared=st.sampled_from([1, 2, 3]), rounds=st.integers(0, 4))
    def near_the_end(self, data, spared, rounds):
        """The sources of a scope have no more, and all but a few attempts are answered; those take long."""
        scope = data.draw(st.sampled_from(self.flying())).scope
        self.run_out([line for line in self.lines.values() if line.lane.scope.key == scope], spared)
        for flight in self.flying():
            if flight.scope == scope and flight.left_at is None:
                self.leave(flight)
        self.pump()
        for _ in range(rounds):
            for _ in range(10):
                if isinstance(self.step, Wait) and not self.rivals():
                    self.jump()
            if self.rivals():
                data.draw(st.sampled_from([self.answer_one, self.answer_one, self.fail_one, self.stop_one]))(
                    data
                )

    def run_out(self, lines, spared):
        """Answer all but so many attempts of some lanes, until nothing waits there."""
        for _ in range(40):
            for line in lines:
                if line.asked:
                    line.left = 0
                    self.offer(line, [line.again.popleft() for _ in range(min(line.asked, len(line.again)))])
            flights = [flight for flight in self.flying() if self.line(flight.attempt.ticket) in lines]
            self.pump()
            if not any(line.waiting or line.later for line in lines):
                spared = min(spared, len(flights))
            elif not isinstance(self.step, Wait):
                spared = 0
            for flight in flights[spared:]:
                self.end(flight, Response(text=repr(flight.attempt), usage=Usage(5, 5)))
            self.pump()
            if not any(line.waiting or line.later or line.asked for line in lines):
                return
            if isinstance(self.step, Wait):
                self.now = self.step.until
                self.pump()

    def answer_one(self, data):
        """One of two rivals is answered; the other one is cancelled, or answered all the same, or neither yet."""
        flight = data.draw(st.sampled_from(self.rivals()))
        loser = flight.rival
        self.end(
            flight, data.draw(strategies.responses(repr(flight.attempt))), is_slow=data.draw(st.booleans())
        )
        fate = data.draw(st.sampled_from([None, self.end, self.drop]))
        if fate == self.end:
            self.end(loser, Response(text="late", usage=data.draw(st.none() | strategies.usages())))
        elif fate == self.drop:
            self.drop(loser)
        self.pump()

    def fail_one(self, data):
        """One of two rivals fails or is given up, and perhaps the other one, too."""
        flight = data.draw(st.sampled_from(self.rivals()))
        other, fault = flight.rival, data.draw(strategies.faults(st.sampled_from(PASSING)))
        if data.draw(st.booleans()):
            self.end(flight, fault, is_slow=data.draw(st.booleans()))
        else:
            self.drop(flight)
        if data.draw(st.booleans()):
            REACHED["both failed"] += 1
            self.end(other, fault)
        self.pump()

    def stop_one(self, data):
        """One of two rivals says that going on is hopeless."""
        kind = data.draw(st.sampled_from([FaultKind.AUTH, FaultKind.NOT_FOUND]))
        self.end(data.draw(st.sampled_from(self.rivals())), self.hopeless(kind))
        self.pump()

    more = again = near_the_end
    """Rules are drawn alike, and this one is what it is about."""

    def rivals(self):
        return [flight for flight in self.flying() if flight.rival is not None]


ENOUGH = {
    "hedges": 20,
    "hedges that had to wait": 4,
    "hedges won": 5,
    "hedges lost": 5,
    "turns hedged": 3,
    "answered too late": 3,
    "losers cancelled": 3,
    "failed beside a rival": 2,
    "stops beside a rival": 2,
}


def test_hedges_keep_every_promise_of_the_dispatcher(monkeypatch):
    monkeypatch.setattr(hedging, "ENOUGH", 3)  # so that small runs come to hedges
    monkeypatch.setattr(hedging, "ANSWERS", 2)
    REACHED.clear()
    run_state_machine_as_test(
        Ending,
        settings=settings(
            max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    missed = {what: REACHED[what] for what, number in ENOUGH.items() if REACHED[what] < number}
    assert not missed, "the machine must get there to find anything"
