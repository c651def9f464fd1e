"""Opening, closing, watching: the life of an engine."""

import asyncio
import logging

import pytest

from brimline.errors import ConfigError, UsageError
from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint
from tests.engine.bench import engine_over, now, open_run, others, requests


@pytest.mark.parametrize("state", ["never opened", "closed"])
async def test_an_engine_that_is_not_open_says_so(lab, state):
    engine = engine_over(lab)
    if state == "closed":
        async with engine:
            await engine.ask("lab/a", "hello")
    with pytest.raises(UsageError, match="not open"):
        await engine.ask("lab/a", "hello")
    with pytest.raises(UsageError, match="not open"):
        await anext(engine.stream(["hello"], model="lab/a"))
    with pytest.raises(UsageError, match="not open"):
        engine.stats()
    assert not others()


async def test_closing_twice_is_harmless(lab):
    engine = engine_over(lab)
    await engine.close()
    async with engine:
        await engine.ask("lab/a", "hello")
        await engine.close()
        await engine.close()
    assert lab.is_closed


async def test_it_opens_once_at_a_time_and_again_when_it_was_closed(lab):
    engine = engine_over(lab)
    for _ in range(2):
        async with engine:
            with pytest.raises(UsageError, match="open already"):
                await engine.__aenter__()
            assert (await engine.ask("lab/a", "hello")).ok


async def test_several_engines_live_in_one_process(lab):
    async with engine_over(lab, limits={"lab/a": "60/min"}) as one, engine_over(lab) as other:
        run = await open_run(one, requests(60))
        assert [outcome.ok async for outcome in other.stream(["x"] * 1000, model="lab/a")] == [True] * 1000
        assert now() == 0.0, "each has its own limits"
        await run.done.wait()
    assert not others()


async def test_closing_one_engine_leaves_the_other(lab):
    far = ScriptedEndpoint()
    async with engine_over(far) as other:
        async with engine_over(lab):
            pass
        assert (await other.ask("lab/a", "hello")).ok


async def test_an_endpoint_is_made_ready_once_for_all_who_ask_together(lab):
    made = []

    async def connect(name):
        made.append(name)
        await asyncio.sleep(10)
        return lab.live()

    async with engine_over(lab, connect=connect) as engine:
        tasks = [asyncio.create_task(engine.ask(f"lab/{n}", "hello")) for n in range(5)]
        await asyncio.sleep(5)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert made == ["lab"]
        assert [task.cancelled() or task.result().ok for task in tasks] == [True] * 5
        assert now() == 10.0


async def test_an_endpoint_that_could_not_be_made_ready_is_tried_again_by_the_next(lab):
    luck = [ConfigError("no key"), None]

    async def connect(name):
        if (error := luck.pop(0)) is not None:
            raise error
        return lab.live()

    async with engine_over(lab, connect=connect) as engine:
        with pytest.raises(ConfigError, match="no key"):
            await engine.ask("lab/a", "hello")
        assert (await engine.ask("lab/a", "hello")).ok


async def test_closing_while_an_endpoint_is_made_ready(lab):
    async def connect(name):
        await asyncio.sleep(FOREVER)

    async with engine_over(lab, connect=connect) as engine:
        asking = asyncio.create_task(engine.ask("lab/a", "hello"))
        streaming = asyncio.create_task(anext(engine.stream(["hello"], model="lab/a")))
        await asyncio.sleep(5)
    for task in (asking, streaming):
        with pytest.raises(UsageError, match="closed"):
            await task
    assert not others()


async def test_stats_are_those_of_everything_that_runs(lab):
    lab.script = lambda exchange: Reply(latency=10.0)
    async with engine_over(lab, concurrency={"lab/a": 2, "lab/b": 3}, limits={"lab/b": "600/min"}) as engine:
        await open_run(engine, requests(10))
        asking = asyncio.create_task(engine.ask("lab/b", "hello"))
        await asyncio.sleep(15)
        stats = engine.stats()
        by_model = {model.model: model for model in stats.models}
        assert stats.ok == 2
        assert "lab/b" not in by_model, "what was asked is answered"
        assert (by_model["lab/a"].in_flight, by_model["lab/a"].limited_by) == (2, "concurrency 2")
        assert by_model["lab/a"].p50 == pytest.approx(10.0, rel=0.05)
        await asking


async def test_progress_is_told_four_times_a_second_while_something_runs(lab):
    told = []
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, on_progress=lambda progress: told.append((now(), progress.ok))) as engine:
        await asyncio.sleep(10)
        assert told == []
        stream = [outcome async for outcome in engine.stream(["a", "b"], model="lab/a")]
        assert len(stream) == 2
    assert [moment for moment, _ in told] == [10.25, 10.5, 10.75, 11.0]
    assert not others()


async def test_a_screen_that_fails_stops_nothing(lab, caplog):
    def broken(progress):
        raise ZeroDivisionError

    lab.script = lambda _: Reply(latency=10.0)
    with caplog.at_level(logging.ERROR, "brimline.engine"):
        async with engine_over(lab, on_progress=broken) as engine:
            assert (await engine.ask("lab/a", "hello")).ok
    assert [record.message for record in caplog.records] == ["on_progress failed and is not called any more"]


async def test_limits_and_concurrency_are_those_of_the_arguments(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=3, limits={"lab/b": "60/min"}) as engine:
        await open_run(engine, requests(30))
        await open_run(engine, requests(30, "lab/b"))
        await asyncio.sleep(3.5)
    by_model = [exchange.request.model for exchange in lab.exchanges]
    assert (by_model.count("lab/a"), by_model.count("lab/b")) == (12, 4)
