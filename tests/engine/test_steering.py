"""Pausing, going on and changing limits of a run under way, on the virtual clock."""

import asyncio

import pytest

from brimline.config import LimitRule
from brimline.core.quota import parse_quotas
from brimline.engine.progress import notice, progress_of
from brimline.engine.status import State, Status
from brimline.engine.steering import Steering
from brimline.errors import ConfigError, UsageError
from brimline.testing.scripted import Reply
from tests.engine.bench import (
    FULL_DISK,
    STOP,
    Notebook,
    engine_over,
    most_in_any_window,
    now,
    open_run,
    others,
    requests,
)


class Wheel(Steering):
    """Steering that writes down what it shows."""

    def __init__(self, engine, run):
        self.said = []
        self.ended = []
        models = [*run.lanes]
        status = Status(output="out.jsonl", state=State.RUNNING)
        super().__init__(
            engine, run, "my out.jsonl", models, self.ended.append, lambda: status, self.said.append
        )


def rule(text=None, pattern="*", concurrency=None):
    return LimitRule(pattern=pattern, quotas=parse_quotas(text) if text else (), concurrency=concurrency)


async def test_a_paused_run_finishes_what_is_in_flight_and_starts_nothing(lab):
    lab.script = lambda _: Reply(latency=2.0)
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(20))
        wheel = Wheel(engine, run)
        await asyncio.sleep(1)
        assert wheel.pause() == "paused: 4 still in flight"
        assert wheel.pause() == "it is paused already"
        await asyncio.sleep(1000)
        assert (len(lab.exchanges), len(run.sink.kept)) == (4, 4)
        assert "`brimline resume 'my out.jsonl'`" in notice(run)
        (model,) = progress_of([run], 0, totals={"lab/a": 20}).models
        assert (model.limited_by, model.eta, model.wait) == ("paused", None, None)
        began = now()
        assert wheel.resume() == "resumed"
        assert wheel.resume() == "it is not paused"
        await run.done.wait()
        assert now() == began + 8.0, "at once"
        assert (len(run.sink.kept), notice(run)) == (20, "")
    assert not others()


async def test_a_pause_stops_conversations_between_their_turns(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(3, follow_ups=("and?", "and?")))
        wheel = Wheel(engine, run)
        await asyncio.sleep(0.5)
        wheel.pause()
        await asyncio.sleep(100)
        assert len(lab.exchanges) == 3
        wheel.resume()
        await run.done.wait()
        assert len(lab.exchanges) == 9


async def test_other_runs_go_on(lab):
    async with engine_over(lab, limits={"lab/a": "60/min burst 1"}) as engine:
        paused = await open_run(engine, requests(5))
        run = await open_run(engine, requests(10))
        Wheel(engine, paused).pause()
        await run.done.wait()
        assert len(run.sink.kept) == 10
        assert now() <= 10.0, "with all of the limit"
        engine.pump.cancel(paused, STOP)
        await paused.done.wait()
    assert not others()


async def test_a_model_whose_endpoint_gets_ready_while_it_is_paused_waits_too(lab):
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(1))
        await run.done.wait()
        engine.pump.pause(run, "paused")
        run.source.left["lab/b"].extend(requests(5, "lab/b"))
        await engine.open_lane(run, "lab/b")
        await asyncio.sleep(10)
        assert len(lab.exchanges) == 1
        assert run.meters["lab/b"].in_flight == 0
        engine.pump.resume(run)
        await asyncio.sleep(10)
        assert len(lab.exchanges) == 6


@pytest.mark.parametrize("how", ["drain", "cancel"])
async def test_a_paused_run_can_be_stopped(lab, how):
    async with engine_over(lab, concurrency=2) as engine:
        run = await open_run(engine, requests(20), sink := Notebook())
        wheel = Wheel(engine, run)
        wheel.pause()
        await asyncio.sleep(5)
        getattr(engine.pump, how)(run, STOP)
        await run.done.wait()
        assert now() == 5.0
        assert len(sink.kept) + len(sink.given_up) + len(run.source.left["lab/a"]) == 20
        with pytest.raises(UsageError, match="ending"):
            wheel.resume()
        with pytest.raises(UsageError, match="ending"):
            wheel.declare([rule("5/s")])
    assert not others()


async def test_what_a_full_disk_has_kept_back_does_not_leave_while_it_is_paused(lab):
    sink = Notebook()
    sink.disk = FULL_DISK
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(8), sink)
        wheel = Wheel(engine, run)
        await asyncio.sleep(5)
        wheel.pause()
        sink.disk = None
        await asyncio.sleep(50)
        assert lab.exchanges == []
        wheel.resume()
        await run.done.wait()
        assert len(sink.kept) == 8


async def test_a_higher_limit_is_used_from_now_on_and_a_lower_one_is_never_passed(lab):
    lab.script = lambda _: Reply(latency=0.5)
    async with engine_over(lab, limits={"lab/a": "60/min"}, concurrency=100) as engine:
        run = await open_run(engine, requests(900))
        wheel = Wheel(engine, run)
        await asyncio.sleep(120)
        slow = len(lab.departures)
        assert slow == pytest.approx(120, abs=2)
        assert wheel.declare([rule("600/min")]) == "lab/a: 600 requests/min burst 9 smooth, concurrency 100"
        await asyncio.sleep(60)
        assert len(lab.departures) - slow == pytest.approx(600, abs=10)
        wheel.declare([rule("120/min, 3/s")])
        changed = now()
        await run.done.wait()
    late = [time for time in lab.departures if time > changed]
    assert most_in_any_window(lab.departures, 60) <= 600
    assert late
    for time in late:
        assert sum(time - 60 < other <= time for other in lab.departures) <= 120
        assert sum(time - 1 < other <= time for other in lab.departures) <= 3


async def test_concurrency_changes_at_once(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=2) as engine:
        run = await open_run(engine, requests(400))
        wheel = Wheel(engine, run)
        await asyncio.sleep(0.5)
        wheel.declare([rule(concurrency=100)])
        await asyncio.sleep(0.1)
        assert lab.in_flight == 100
        wheel.declare([rule(concurrency=1)])
        await asyncio.sleep(0.2)
        assert lab.in_flight == 100, "what is in flight ends"
        await asyncio.sleep(5)
        assert lab.in_flight == 1
        wheel.declare([rule(concurrency=300)])
        await run.done.wait()
        (scope,) = engine.pump._dispatcher._scopes.values()
        assert scope.limits.in_flight == 0


async def test_only_the_models_that_match_change(lab):
    async with engine_over(lab, concurrency=3) as engine:
        run = await open_run(engine, [*requests(1), *requests(1, "lab/b", first=5)])
        wheel = Wheel(engine, run)
        assert wheel.declare([rule("5/s", "lab/b")]) == "lab/b: 5 requests/s burst 5 window, concurrency 3"
        assert engine.config.limits("lab/a").quotas == ()
        assert wheel.said == ["limits were changed: lab/b: 5 requests/s burst 5 window, concurrency 3"]


async def test_limits_that_make_no_sense_change_nothing(lab):
    async with engine_over(lab, limits={"lab/*": "500/min"}) as engine:
        long = requests(200, params={"max_tokens": 4000})
        run = await open_run(engine, [*long, *requests(1, "lab/b", first=500)])
        wheel = Wheel(engine, run)
        await asyncio.sleep(1)
        before = engine.config
        with pytest.raises(ConfigError, match="'far/\\*' matches no model of this run: lab/a, lab/b"):
            wheel.declare([rule("5/s"), rule("5/s", "far/*")])
        with pytest.raises(ConfigError, match="more than 100 tokens/min ever allows"):
            wheel.declare([rule("100 tokens/min", "lab/a")])
        assert engine.config is before
        assert wheel.said == []
        engine.end(run)


async def test_models_that_share_a_scope_keep_the_same_limits(lab):
    shared = [LimitRule(pattern="lab/*", scope="team", concurrency=5)]
    async with engine_over(lab) as engine:
        engine.config = engine.config.outranked(shared)
        lab.script = lambda _: Reply(latency=1.0)
        run = await open_run(engine, [*requests(50), *requests(50, "lab/b", first=50)])
        wheel = Wheel(engine, run)
        await asyncio.sleep(0.5)
        with pytest.raises(ConfigError, match="lab/a and lab/b share the limits 'team'"):
            wheel.declare([rule(concurrency=9, pattern="lab/a")])
        wheel.declare([rule(concurrency=9)])
        await asyncio.sleep(0.1)
        assert lab.in_flight == 9
        engine.end(run)


async def test_ending_says_what_becomes_of_what_is_in_flight(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=2) as engine:
        run = await open_run(engine, requests(5))
        wheel = Wheel(engine, run)
        await asyncio.sleep(0.5)
        assert wheel.halt(now=False) == "stopping: nothing more is sent, 2 in flight to be finished"
        assert wheel.halt(now=True) == "stopping: nothing more is sent, 2 in flight dropped"
        assert wheel.ended == [False, True]
        engine.end(run)
