"""Backpressure both ways: no more is read than is of use, and nothing is sent that nobody takes."""

import asyncio
import threading
from contextlib import aclosing
from itertools import count

import pytest

from brimline.engine import feed
from brimline.engine.feed import AHEAD, BATCH
from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint
from brimline.types import Fault, FaultKind
from tests.engine.bench import engine_over, now, others

ROOM = 64
"""What a lane holds at this concurrency."""


class Counted:
    """An endless iterable of one kind or another that knows how far it was read."""

    def __init__(self, kind, item=lambda number: f"prompt {number}"):
        self.kind = kind
        self.item = item
        self.read = 0

    def next(self):
        self.read += 1
        return self.item(self.read - 1)

    def __call__(self):
        return self.later() if self.kind == "async" else self.sync()

    def sync(self):
        while True:
            yield self.next()

    async def later(self):
        while True:
            yield self.next()


KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


@KINDS
async def test_an_endless_iterable_is_read_no_further_than_is_of_use_while_nothing_is_answered(lab, kind):
    lab.script = lambda _: Reply(latency=FOREVER)
    items = Counted(kind)
    async with engine_over(lab, concurrency=4, timeout=1e6) as engine:
        stream = engine.stream(items(), model="lab/a")
        reading = asyncio.create_task(anext(stream))
        await asyncio.sleep(1000)
        assert len(lab.exchanges) == 4
        assert AHEAD < items.read <= AHEAD + ROOM + 4 + BATCH
        reading.cancel()
        await asyncio.wait([reading])


@KINDS
async def test_nothing_more_is_read_or_sent_while_nobody_takes_the_outcomes(lab, kind):
    items = Counted(kind)
    async with engine_over(lab, concurrency=4) as engine:
        stream = engine.stream(items(), model="lab/a")
        await anext(stream)
        await asyncio.sleep(1000)
        sent, read = len(lab.exchanges), items.read
        assert AHEAD < sent <= AHEAD + 2 * 4
        assert read <= sent + AHEAD + ROOM + BATCH
        for _ in range(100):
            await anext(stream)
        await asyncio.sleep(1000)
        assert len(lab.exchanges) == sent + 100, "one in for one out"
        await stream.aclose()


@pytest.mark.parametrize("number", [1, 8])
async def test_a_stream_of_what_another_one_answers_does_not_wait_for_its_slots(lab, number):
    async with engine_over(lab, concurrency=number) as engine:

        async def first():
            async with aclosing(engine.stream(Counted("sync")(), model="lab/a")) as stream:
                async for outcome in stream:
                    yield f"1 {outcome.text}"
                    yield f"2 {outcome.text}"
                    yield f"3 {outcome.text}"

        async with asyncio.timeout(3600), aclosing(engine.stream(first(), model="lab/a")) as second:
            taken = [(await anext(second)).text for _ in range(700)]
            await asyncio.sleep(100)
            taken += [(await anext(second)).text for _ in range(700)]
    assert all("echo: " in text.removeprefix("echo: ") for text in taken)
    assert not others()


@KINDS
async def test_an_endless_iterable_flows(lab, kind):
    outcomes = []
    async with engine_over(lab, concurrency=8) as engine:
        stream = engine.stream(Counted(kind)(), model="lab/a")
        async for outcome in stream:
            outcomes.append(outcome.request.origin)
            if len(outcomes) == 5000:
                break
        await stream.aclose()
    assert len({*outcomes}) == 5000


@KINDS
async def test_bad_items_are_not_piled_up_while_nobody_takes_their_failures(lab, kind):
    items = Counted(kind, item=lambda number: {"prompt": None})
    async with engine_over(lab) as engine:
        stream = engine.stream(items(), model="lab/a")
        await anext(stream)
        await asyncio.sleep(1000)
        assert AHEAD <= items.read <= AHEAD + 2 * BATCH
        for _ in range(3 * AHEAD):
            assert not (await anext(stream)).ok
        await stream.aclose()


async def test_a_generator_may_wait_for_an_answer_to_what_it_gave_last(lab):
    """It is read in a thread, and each item is sent when it comes, not when the next one does."""
    answered, on_loop = threading.Semaphore(0), threading.get_ident()

    def dialogue():
        assert threading.get_ident() != on_loop
        for n in range(5):
            yield f"{n}"
            assert answered.acquire(timeout=5)

    outcomes = []
    async with engine_over(lab) as engine:
        async for outcome in engine.stream(dialogue(), model="lab/a"):
            outcomes.append(outcome.text)
            answered.release()
    assert outcomes == [f"echo: {n}" for n in range(5)]


async def test_a_slow_async_generator_is_sent_as_it_comes(lab):
    async def slow():
        for n in range(5):
            yield f"{n}"
            await asyncio.sleep(60)

    async with engine_over(lab) as engine:
        moments = [now() async for _ in engine.stream(slow(), model="lab/a")]
    assert moments == [0.0, 60.0, 120.0, 180.0, 240.0]


async def test_a_slow_model_does_not_hold_up_a_fast_one_in_one_stream(lab):
    """What is for the slow one is put aside, on disk if it is much."""
    items = [{"prompt": f"{n}", "model": "lab/slow" if n % 2 else "lab/fast"} for n in range(6000)]
    limits = {"lab/slow": "60/min", "lab/fast": "6000/min"}
    async with engine_over(lab, limits=limits) as engine:
        outcomes = [int(outcome.request.origin["prompt"]) async for outcome in engine.stream(iter(items))]
    assert sorted(outcomes) == [*range(6000)]
    fast = [exchange.left_at for exchange in lab.exchanges if exchange.request.model == "lab/fast"]
    assert max(fast) == pytest.approx(29.0, abs=0.1), "at its own limit"
    assert now() == pytest.approx(2999.0, abs=1.0)
    slow = [int(e.request.origin[1]["prompt"]) for e in lab.exchanges if e.request.model == "lab/slow"]
    assert slow == sorted(slow), "in order, through the file"


async def test_a_model_that_gets_nothing_does_not_make_it_read_without_end(lab, monkeypatch):
    monkeypatch.setattr(feed, "FAR_AHEAD", 2000)
    items = Counted("sync", item=lambda n: {"prompt": "x", "model": "lab/a" if n else "lab/rare"})
    async with engine_over(lab, limits={"lab/a": "60/min"}) as engine:
        stream = engine.stream(items())
        for _ in range(10):
            await anext(stream)
        await asyncio.sleep(100)
        assert 2000 < items.read <= 2000 + 200 + 2 * ROOM + BATCH
        await stream.aclose()


async def test_a_model_that_has_stopped_does_not_make_it_read_without_end(lab):
    gone = Fault(FaultKind.NOT_FOUND, "no such model", http_status=404)
    lab.script = lambda exchange: Reply(gone if exchange.request.model == "lab/gone" else None)
    items = Counted("sync", item=lambda n: {"prompt": "x", "model": "lab/a" if n else "lab/gone"})
    async with engine_over(lab, limits={"lab/a": "60/min"}) as engine:
        stream = engine.stream(items())
        for _ in range(10):
            await anext(stream)
        await asyncio.sleep(100)
        assert items.read <= 100 + AHEAD + 10 + 2 * ROOM + BATCH
        await stream.aclose()


async def test_one_endpoint_that_is_not_ready_yet_holds_up_only_what_comes_after_it(lab):
    far = ScriptedEndpoint()

    async def connect(name):
        await asyncio.sleep(30.0 if name == "far" else 0.0)
        return (far if name == "far" else lab).live()

    items = [{"prompt": "x", "model": model} for model in ("lab/a", "far/a", "lab/a")]
    async with engine_over(lab, connect=connect) as engine:
        moments = [(outcome.request.model, now()) async for outcome in engine.stream(items)]
    assert moments[0] == ("lab/a", 0.0)
    assert {moment for _, moment in moments[1:]} == {30.0}


async def test_leaving_while_the_generator_works_in_its_thread(lab):
    gate = threading.Event()
    read = []

    def stuck():
        for n in count():
            read.append(n)
            yield f"{n}"
            if n >= BATCH:
                gate.wait(5)

    async with engine_over(lab) as engine:
        stream = engine.stream(stuck(), model="lab/a")
        await anext(stream)
        await stream.aclose()
        assert len(others()) == 1
        gate.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(read) <= BATCH + 2, "it is not read on"
