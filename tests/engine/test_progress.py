"""What screens are told about runs under way."""

import asyncio

import pytest

from brimline.engine.progress import progress_of
from brimline.testing.scripted import FOREVER, Reply, in_turn
from brimline.types import Fault, FaultKind
from tests.engine.bench import DOWN, STOP, Notebook, engine_over, open_run, refused, requests


async def look(engine, run, **options):
    progress = progress_of([run], engine.pump.clock.now(), **options)
    (model,) = progress.models
    return progress, model


async def test_a_run_at_its_limit(lab):
    lab.script = lambda _: Reply(latency=2.0)
    async with engine_over(lab, limits={"lab/a": "60/min"}) as engine:
        run = await open_run(engine, requests(300))
        await asyncio.sleep(120.5)
        progress, model = await look(engine, run, totals={"lab/a": 300}, before=100)
        assert (progress.total, progress.before, progress.ok, progress.failed) == (400, 100, 119, 0)
        assert (model.in_flight, model.requests, model.requests_allowed) == (2, 60, 60)
        assert model.limited_by == "limit 60/min"
        assert model.wait == pytest.approx(0.5, abs=0.05)
        assert model.left == 181
        assert model.eta == pytest.approx(181, rel=0.05)
        assert model.tokens == 60 * 15


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(latency=FOREVER), "concurrency 4"),
        (Reply(refused(100.0)), "refused (429), the provider says when"),
        (Reply(refused()), "refused (429), backing off"),
        (Reply(DOWN), "the endpoint does not answer"),
        (Reply(Fault(FaultKind.AUTH, "bad key", http_status=401), latency=1.0), "stopped: auth"),
        (Reply(), "done"),
    ],
)
async def test_what_limits_a_run_is_said(lab, reply, words):
    lab.script = lambda _: reply
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(40))
        await asyncio.sleep(10)
        _, model = await look(engine, run)
        assert model.limited_by == words


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(latency=FOREVER), "last answers"),
        (Reply(Fault(FaultKind.OVERLOADED, retry_after=10**12, http_status=503)), "retries"),
    ],
)
async def test_what_its_last_requests_wait_for_is_said(lab, reply, words):
    lab.script = lambda _: reply
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(3))
        await asyncio.sleep(10)
        _, model = await look(engine, run)
        assert model.limited_by == words


async def test_waiting_for_the_iterable_is_said(lab):
    async def slow():
        yield "one"
        await asyncio.sleep(1000)

    async with engine_over(lab) as engine:
        stream = engine.stream(slow(), model="lab/a")
        await anext(stream)
        await asyncio.sleep(10)
        (model,) = engine.stats().models
        assert model.limited_by == "input"
        assert (model.total, model.left, model.eta) == (None, None, None)
        await stream.aclose()


async def test_a_stop_is_a_notice(lab):
    lab.script = lambda _: Reply(Fault(FaultKind.AUTH, "bad key", http_status=401))
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(3))
        await run.done.wait()
        progress, _ = await look(engine, run)
        assert progress.notice == "lab has stopped: auth: bad key"


async def test_what_was_stopped_by_the_user_is_no_stop_of_an_endpoint(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(3))
        engine.pump.cancel(run, STOP)
        await run.done.wait()
        progress, model = await look(engine, run)
        assert (progress.notice, model.limited_by) == ("", "stopped: cancelled")


async def test_what_is_in_flight_for_long_is_named_with_what_it_waits_for(lab):
    """One never connects, one never answers, and one answer cannot be written down."""

    class Stuck(Notebook):
        async def keep(self, final):
            await asyncio.sleep(1e6)

    lab.script = in_turn(
        Reply(connect=FOREVER), Reply(latency=FOREVER), Reply(latency=1.0), then=Reply(latency=0.1)
    )
    async with engine_over(lab, concurrency=3, timeout=1e6) as engine:
        await open_run(engine, requests(3), Stuck())
        await asyncio.sleep(59)
        assert engine.stats().waiting == ()
        await asyncio.sleep(2)
        late = engine.stats()
        assert [(one.id, one.what) for one in late.waiting] == [
            (0, "for a connection"),
            (1, "for its answer"),
            (2, "to be written down"),
        ]
        assert late.waiting[0].seconds == 61.0
        assert (
            late.notice
            == "request 0 to lab/a has been waiting for a connection for more than 60 s (attempt 1)"
        )
