"""A disk that is full when an attempt is to be noted: nothing leaves, nothing is lost, and it goes on by itself."""

import asyncio

from brimline.engine.progress import notice
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


async def test_nothing_leaves_while_the_disk_is_full_and_it_goes_on_when_there_is_room(lab):
    sink = Notebook()
    sink.disk = FULL_DISK
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(20), sink)
        await asyncio.sleep(1000)
        assert lab.exchanges == []
        assert run.meters["lab/a"].in_flight == 4, "starts end at the concurrency"
        assert "No space left" in notice(run)
        sink.disk = None
        await run.done.wait()
        assert now() <= 1001.0
        assert len(sink.kept) == 20
        assert notice(run) == ""


async def test_what_waited_for_the_disk_does_not_leave_faster_than_allowed(lab):
    sink = Notebook()
    sink.disk = FULL_DISK
    async with engine_over(lab, concurrency=32, limits={"lab/a": "3/s"}) as engine:
        run = await open_run(engine, requests(60), sink)
        await asyncio.sleep(100)
        sink.disk = None
        await run.done.wait()
    assert most_in_any_window(lab.departures, 1) == 3


async def test_another_run_does_not_wait_for_a_full_disk(lab):
    full = Notebook()
    full.disk = FULL_DISK
    async with engine_over(lab) as engine:
        waiting = await open_run(engine, requests(5), full)
        run = await open_run(engine, requests(100, "lab/b"))
        await run.done.wait()
        assert now() == 0.0
        assert len(run.sink.kept) == 100
        engine.end(waiting)
        await waiting.join()
        assert len(full.given_up) == 5
    assert not others()


async def test_a_stop_does_not_wait_for_a_full_disk(lab):
    sink = Notebook()
    sink.disk = FULL_DISK
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(50), sink)
        await asyncio.sleep(10)
        engine.pump.drain(run, STOP)
        await run.done.wait()
        assert now() == 10.0
        assert len(sink.given_up) == 50
        assert run.meters["lab/a"].in_flight == 0
        sink.disk = None
        await asyncio.sleep(10)
        assert lab.exchanges == []


async def test_a_disk_that_fills_up_later_stops_what_comes_later(lab):
    sink = Notebook()
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=1) as engine:
        run = await open_run(engine, requests(5), sink)
        await asyncio.sleep(2.5)
        sink.disk = FULL_DISK
        await asyncio.sleep(100)
        assert len(lab.exchanges) == len(sink.kept) == 3
        sink.disk = None
        await run.done.wait()
        assert len(sink.kept) == 5


async def test_room_for_notes_is_not_room_for_results(lab):
    """The stall of the results file stays visible until that file says that it is over."""
    sink = Notebook()
    sink.delay = 5.0
    async with engine_over(lab, concurrency=1) as engine:
        run = await open_run(engine, requests(5), sink)
        await asyncio.sleep(2)
        sink.stall = FULL_DISK
        await asyncio.sleep(10)
        assert sink.stall is FULL_DISK
        engine.end(run)
