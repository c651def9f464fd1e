"""Stopping at any moment: nothing is lost, nothing is doubled, nothing goes on working."""

import asyncio

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint
from brimline.testing.virtual import run_virtual
from brimline.types import Fault, FaultKind
from tests.engine.bench import (
    BROKEN_DISK,
    DOWN,
    FULL_DISK,
    STOP,
    Notebook,
    engine_over,
    now,
    open_run,
    others,
    refused,
    requests,
)
from tests.thorough import examples

RESULTS = [
    None,
    None,
    None,
    Fault(FaultKind.SERVER_ERROR),
    refused(3.0),
    refused(),
    DOWN,
    RuntimeError("a bug"),
]

replies = st.builds(
    Reply,
    result=st.sampled_from(RESULTS),
    latency=st.sampled_from([0.0, 0.1, 1.0, 7.0, FOREVER]),
    connect=st.sampled_from([0.0, 0.0, 0.5, 3.0]),
)


def conversation_and_other_requests():
    return [
        *requests(20, follow_ups=("and?",)),
        *requests(20, "lab/b", first=100, priority=5),
        *requests(20, "far/c", first=200),
    ]


@examples(120)
@given(
    script=st.lists(replies, min_size=1, max_size=12),
    moments=st.tuples(st.sampled_from([0.0, 0.3, 1.0, 5.0, 40.0]), st.sampled_from([0.0, 0.1, 2.0, 30.0])),
    delay=st.sampled_from([0.0, 0.2]),
    limits=st.sampled_from([None, {"lab/*": "5/s"}, {"*": "60/min"}]),
    seconds=st.booleans(),
)
def test_no_request_is_lost_and_no_task_left_whenever_it_is_stopped(script, moments, delay, limits, seconds):
    """A first Ctrl-C lets what is in flight end, a second drops it; the sink knows of every request."""

    async def main():
        lab = ScriptedEndpoint(lambda exchange: script[exchange.place % len(script)])
        sink = Notebook()
        sink.delay = delay
        async with engine_over(lab, lab, limits=limits, concurrency=3) as engine:
            run = await open_run(engine, conversation_and_other_requests(), sink, timeout=20.0)
            await asyncio.sleep(moments[0])
            event("over" if run.done.is_set() else "under way")
            left, leaving = len(lab.departures), sum(not attempt.departed for attempt in engine.pump._sending)
            engine.pump.drain(run, STOP)
            await asyncio.sleep(moments[1])
            if seconds:
                event("dropped in flight" if lab.in_flight else "nothing in flight")
                engine.pump.cancel(run, STOP)
                begun = len(lab.exchanges)
                await asyncio.sleep(delay + 0.001)
                assert (lab.in_flight, run.done.is_set()) == (0, True)
                await asyncio.sleep(100)
                assert len(lab.exchanges) == begun
            await run.done.wait()
            engine.end(run)
            await run.join()
            assert run.error is None
            assert len(lab.departures) <= left + leaving, "nothing is sent after the first"
            never_read = sum(map(len, run.source.left.values()))
            assert len(sink.kept) + len(sink.given_up) + never_read == 60
            limits_in_use = [scope.limits.in_flight for scope in engine.pump._dispatcher._scopes.values()]
            assert limits_in_use == [0] * len(limits_in_use)
            assert all(meter.in_flight == 0 for meter in run.meters.values())
            assert not engine.pump._sending
        assert not others()

    run_virtual(main())


async def test_what_is_in_flight_at_the_first_stop_still_ends(lab):
    lab.script = lambda _: Reply(latency=10.0)
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(20))
        await asyncio.sleep(15)
        engine.pump.drain(run, STOP)
        await run.done.wait()
        assert now() == 20.0
        assert (len(run.sink.kept), len(run.sink.given_up)) == (8, 12)
        assert {*run.sink.given_up.values()} == {STOP}


async def test_what_fails_after_the_first_stop_is_not_tried_again(lab):
    lab.script = lambda _: Reply(Fault(FaultKind.SERVER_ERROR), latency=10.0)
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(20))
        await asyncio.sleep(5)
        engine.pump.drain(run, STOP)
        await run.done.wait()
        assert now() == 10.0
        assert (len(run.sink.kept), len(run.sink.given_up)) == (0, 20)


async def test_an_answer_that_is_being_kept_survives_the_second_stop(lab):
    sink = Notebook()
    sink.delay = 10.0
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(20), sink)
        await asyncio.sleep(5)
        engine.pump.cancel(run, STOP)
        await run.done.wait()
        assert (now(), len(sink.kept), len(sink.given_up)) == (10.0, 4, 16)


async def test_stopping_one_run_leaves_the_others(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=4) as engine:
        one = await open_run(engine, requests(20))
        other = await open_run(engine, requests(20))
        await asyncio.sleep(0.5)
        engine.pump.cancel(one, STOP)
        await other.done.wait()
        assert len(other.sink.kept) == 20
        assert len(one.sink.given_up) == 20
        assert now() == 5.5, "its slots are free at once"


async def test_a_probe_that_is_dropped_makes_room_for_another(lab):
    """The endpoint was down, one run's probe is in flight, and just that run is stopped."""
    lab.script = lambda exchange: Reply(DOWN, leaves=False) if exchange.began_at < 1 else Reply(latency=50.0)
    async with engine_over(lab, concurrency=32) as engine:
        one = await open_run(engine, requests(20))
        other = await open_run(engine, requests(20, "lab/b"))
        await asyncio.sleep(2)
        (probe,) = [exchange for exchange in lab.exchanges if exchange.began_at >= 1]
        stopped, goes_on = (one, other) if probe.request.model == "lab/a" else (other, one)
        engine.pump.cancel(stopped, STOP)
        await goes_on.done.wait()
        assert len(goes_on.sink.kept) == 20
        assert now() == 2.0 + 50.0 + 50.0


async def whole(engine):
    run = await open_run(engine, requests(3))
    await run.done.wait()
    engine.end(run)


async def stopped(engine):
    run = await open_run(engine, requests(300))
    await asyncio.sleep(5)
    engine.end(run)


async def failed(engine):
    run = await open_run(engine, requests(300), sink := Notebook())
    await asyncio.sleep(5)
    sink.disk = BROKEN_DISK
    await run.done.wait()
    engine.end(run)


async def stalled(engine):
    run = await open_run(engine, requests(300), sink := Notebook())
    await asyncio.sleep(5)
    sink.disk = FULL_DISK
    await asyncio.sleep(5)
    engine.end(run)


async def asked_in_vain(engine):
    await engine.ask("lab/a", "hello", timeout=0.5)


async def left_early(engine):
    async for _ in engine.stream(["hello"] * 1000, model="lab/a"):
        break


@pytest.mark.parametrize("use", [whole, stopped, failed, stalled, asked_in_vain, left_early])
async def test_what_has_ended_leaves_nothing_behind_in_the_engine(lab, use):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=4) as engine:
        for _ in range(5):
            await use(engine)
            await asyncio.sleep(100)
        pump, dispatcher = engine.pump, engine.pump._dispatcher
        kept = [
            pump._runs,
            pump._tasks,
            pump._sending,
            pump._starting,
            pump._noted,
            pump._stalls,
            engine._runs,
        ]
        assert not any([*kept, dispatcher._lanes, dispatcher._hungry, dispatcher._timers])
        (scope,) = dispatcher._scopes.values()
        assert (scope.limits.in_flight, len(scope.routes), len(others())) == (0, 0, 1)
