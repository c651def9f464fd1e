"""Limits of groups: rows of several models and endpoints share one, and rows of one model may be under several."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.dispatcher import Dispatcher
from brimline.core.gate import Gate, Group
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Final, NeedRequests, Start, TryAgain, Wait
from brimline.core.time import HOUR, MINUTE, SECOND
from brimline.types import Fault, FaultKind, Request, Response
from tests.thorough import examples

OK = Response(text="yes")
REFUSED = Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=10 * SECOND)


class Desk:
    """A dispatcher whose attempts take a while, on a clock that jumps; it notes who left when."""

    def __init__(self, rates, took=SECOND):
        self.dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(1), max_wait=HOUR)
        self.rates = {name: parse_quotas(quota) for name, quota in rates.items()}
        self.now = 0
        self.took = took
        self.left = []  # (when, model, group)
        self.flying = []
        self.faults = {}

    def lane(self, model, group, count, quota="", concurrency=None):
        way = Way(
            model,
            LimitScope(model.partition("/")[0], model),
            lambda: LimitSet(parse_quotas(quota) if quota else (), concurrency),
        )
        named = Group(group, lambda: Gate(self.rates[group])) if group else None
        lane = self.dispatcher.open("run", model, [way], room=1000, group=named)
        requests = [Request(id=n, model=model, group=group, messages=()) for n in range(count)]
        self.dispatcher.offer(lane, requests)
        self.dispatcher.exhaust(lane)
        return lane

    def run(self, until=HOUR):
        """Play until nothing happens any more."""
        while self.now <= until:
            step = self.dispatcher.next(self.now)
            if isinstance(step, Start):
                self._start(step.attempt)
            elif not isinstance(step, NeedRequests):
                ends = min((end for end, _ in self.flying), default=None)
                wakes = step.until if isinstance(step, Wait) else None
                moments = [moment for moment in (ends, wakes) if moment is not None]
                if not moments:
                    return
                self.now = max(self.now, min(moments))
                self._end()

    def _start(self, attempt):
        lane = attempt.ticket.lane
        self.left.append((self.now, lane.model, lane.group))
        self.dispatcher.depart(self.now, attempt)
        self.flying.append((self.now + self.took, attempt))

    def _end(self):
        due = [attempt for end, attempt in self.flying if end <= self.now]
        self.flying = [(end, attempt) for end, attempt in self.flying if end > self.now]
        for attempt in due:
            fault = self.faults.pop(attempt.ticket.lane.model, None)
            verdict = self.dispatcher.settle(self.now, attempt, fault or OK)
            assert isinstance(verdict, Final | TryAgain)
            self.dispatcher.release(attempt)
            if isinstance(verdict, Final):
                self.dispatcher.conclude(verdict.ticket)

    def moments(self, **which):
        return [
            when for when, model, group in self.left
            if which.get("group", group) == group and which.get("model", model) == model
        ]  # fmt: skip


def most_in_a_minute(moments):
    return max(sum(since <= other < since + MINUTE for other in moments) for since in moments)


def test_a_group_of_two_endpoints_flows_at_its_own_rate_from_the_first_moment():
    desk = Desk({"g": "60/min"})
    desk.lane("one/a", "g", 60)
    desk.lane("two/b", "g", 60)
    desk.run()
    moments = desk.moments()
    assert moments[0] == 0
    assert most_in_a_minute(moments) <= 60
    assert moments[-1] < 119.1 * SECOND
    early = [model for when, model, _ in desk.left if when < 30 * SECOND]
    assert abs(early.count("one/a") - early.count("two/b")) <= 1


def test_groups_of_one_model_do_not_wait_for_each_other():
    desk = Desk({"slow": "6/min", "fast": "120/min"})
    desk.lane("one/a", "slow", 6)
    desk.lane("one/a", "fast", 120)
    desk.run()
    assert desk.moments(group="slow") == [n * 10 * SECOND for n in range(6)]
    assert most_in_a_minute(desk.moments(group="fast")) <= 120
    assert desk.moments(group="fast")[-1] < 61 * SECOND


def test_the_limit_of_a_model_holds_for_all_its_groups_together():
    desk = Desk({"a": "120/min", "b": "120/min"})
    desk.lane("one/a", "a", 60, quota="60/min")
    desk.lane("one/a", "b", 60, quota="60/min")
    desk.run()
    assert most_in_a_minute(desk.moments()) <= 60
    assert desk.moments()[-1] < 119.1 * SECOND


def test_a_model_that_is_refused_leaves_its_group_to_the_others():
    desk = Desk({"g": "60/min"})
    desk.lane("one/a", "g", 30)
    desk.lane("two/b", "g", 30)
    desk.faults["one/a"] = REFUSED
    desk.run()
    waited = [when for when in desk.moments(model="one/a") if SECOND < when < 11 * SECOND]
    assert not waited
    between = [when for when in desk.moments(model="two/b") if SECOND < when < 11 * SECOND]
    assert len(between) >= 9
    assert len(desk.left) == 61  # the refused one left, too, and counts
    assert most_in_a_minute(desk.moments()) <= 60


def test_a_lane_without_a_group_passes_one_whose_group_has_to_wait():
    desk = Desk({"g": "1/min"})
    desk.lane("one/a", "g", 2)
    desk.lane("one/a", "", 50)
    desk.run()
    assert desk.moments(group="") == [0] * 50
    assert desk.moments(group="g") == [0, MINUTE]


def test_what_never_left_is_given_back_to_its_group():
    desk = Desk({"g": "1/min"})
    desk.lane("one/a", "g", 1)
    other = desk.lane("two/b", "g", 1)
    step = desk.dispatcher.next(0)
    desk.dispatcher.cancel(step.attempt)
    assert other.gate.opens(0) is None


def test_a_connection_that_takes_long_moves_the_window_of_its_group():
    desk = Desk({"g": "2/min"})
    lane = desk.lane("one/a", "g", 3)
    first = desk.dispatcher.next(0).attempt
    desk.dispatcher.depart(20 * SECOND, first)
    second = desk.dispatcher.next(30 * SECOND).attempt
    desk.dispatcher.depart(30 * SECOND, second)
    assert 80 * SECOND <= lane.gate.opens(61 * SECOND).when < 80.1 * SECOND


@examples(60)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 90), min_size=1),
    st.lists(st.tuples(st.sampled_from(["one/x", "one/y", "two/x"]), st.sampled_from("abc"), st.integers(1, 25)),
             min_size=1, max_size=6),
    st.integers(1, 5),
)  # fmt: skip
def test_no_group_is_ever_over_and_none_is_starved(rates, lanes, concurrency):
    desk = Desk({name: f"{rate}/min" for name, rate in rates.items()})
    lanes = [(model, group, count) for model, group, count in lanes if group in rates]
    for model, group, count in lanes:
        desk.lane(model, group, count, concurrency=concurrency)
    desk.run(until=3 * HOUR)
    assert len(desk.left) == sum(count for *_, count in lanes)
    for group, rate in rates.items():
        moments = desk.moments(group=group)
        assert not moments or most_in_a_minute(moments) <= rate


@pytest.mark.parametrize("name", ["", "g"])
def test_a_lane_is_called_by_its_model_and_its_group(name):
    desk = Desk({"g": "1/min"})
    lane = desk.lane("one/a", name, 1)
    assert lane.name == ("one/a (g)" if name else "one/a")
