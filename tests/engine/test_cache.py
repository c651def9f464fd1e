"""The cache behind an engine: what a stream or a question takes from it, and what a hit does not do."""

import asyncio

import pytest

from brimline.config import Endpoint
from brimline.engine.pump import ROOM_TO_RECALL
from brimline.engine.run import Run
from brimline.testing.scripted import Reply, in_turn
from brimline.types import Fault, FaultKind, Request, Response
from tests.engine.bench import Notebook, Rows, engine_over, now, open_run, others, requests


@pytest.fixture
def open_engine(lab, tmp_path):
    """An engine over the script with a cache; what it has to ask is in `lab.exchanges`."""

    def make(**options):
        return engine_over(lab, cache=tmp_path / "cache", **options)

    return make


@pytest.fixture(autouse=True)
def answers(lab):
    """No two answers are the same."""
    lab.script = lambda exchange: Reply(Response(text=f"answer {exchange.place}"))


async def stream(engine, items, **options):
    return [outcome async for outcome in engine.stream(items, model="lab/a", **options)]


async def test_a_stream_takes_what_an_earlier_one_has_left(lab, open_engine):
    async with open_engine() as engine:
        first = await stream(engine, [{"prompt": text} for text in "pqr"])
    async with open_engine() as engine:
        second = await stream(engine, ["r", "p", "q", "new"])
    assert len(lab.exchanges) == 4
    told = {outcome.request.origin: (outcome.text, outcome.cached) for outcome in second}
    known = {outcome.request.origin["prompt"]: (outcome.text, True) for outcome in first}
    assert told == known | {"new": ("answer 3", False)}
    assert not others()


async def test_asking_again_is_free(lab, open_engine):
    async with open_engine() as engine:
        one = await engine.ask("lab/a", "p")
        await engine.cache.flush()
        other = await engine.ask("lab/a", "p")
        assert len(lab.exchanges) == 1
        await engine.ask("lab/a", "p", params={"temperature": 1})
        await engine.ask("lab/b", "p")
    assert len(lab.exchanges) == 3
    assert (one.cached, other.cached, other.ok) == (False, True, True)
    assert other.responses == one.responses
    assert (other.usage, other.attempts, other.sent_at, other.latency) == (None, 0, None, None)


async def test_a_hit_takes_no_permit(lab, open_engine):
    items = [f"p{n}" for n in range(200)]
    async with open_engine() as engine:
        await stream(engine, items)
    async with open_engine(limits={"lab/a": "1/min, 1 tokens/min"}, concurrency=1) as engine:
        began = now()
        again = await stream(engine, items)
        assert now() == began
        assert all(outcome.cached for outcome in again)
    assert len(lab.exchanges) == 200


async def test_equal_items_of_a_stream_are_samples(lab, open_engine):
    answers = set()
    for items, sent in ((3, 3), (3, 3), (5, 5), (2, 5)):
        async with open_engine() as engine:
            texts = {outcome.text for outcome in await stream(engine, ["same"] * items)}
        assert len(texts) == items
        assert len(lab.exchanges) == sent
        answers |= texts
    assert len(answers) == 5


async def test_a_failure_is_not_kept(lab, open_engine):
    lab.script = in_turn(Reply(Fault(FaultKind.INVALID_REQUEST)))
    async with open_engine() as engine:
        assert not (await engine.ask("lab/a", "p")).ok
        await engine.cache.flush()
        assert (await engine.ask("lab/a", "p")).ok
    assert len(lab.exchanges) == 2


async def test_what_a_request_calls_itself_is_not_what_it_is(lab, open_engine):
    """A request from Python may carry any key; only what is asked counts."""
    async with open_engine() as engine:
        for text in "pq":
            asked = Request(id=1, model="lab/a", messages=({"role": "user", "content": text},), key="mine")
            outcome = await engine.ask("lab/a", asked)
            assert not outcome.cached
            assert outcome.request is asked
            await engine.cache.flush()
    assert len(lab.exchanges) == 2


async def test_what_is_no_json_is_sent_and_not_kept(lab, open_engine):
    odd = Request(id=1, model="lab/a", messages=({"role": "user", "content": "p"},), params={"odd": object()})
    async with open_engine() as engine:
        for _ in range(2):
            assert (await engine.ask("lab/a", odd)).ok
            await engine.cache.flush()
    assert len(lab.exchanges) == 2


async def test_a_conversation_is_known_as_a_whole(lab, open_engine):
    async with open_engine() as engine:
        first = await engine.ask("lab/a", ["one", "two"])
        await engine.cache.flush()
        assert (await engine.ask("lab/a", ["one", "two"])).responses == first.responses
        assert not (await engine.ask("lab/a", ["one"])).cached
        assert not (await engine.ask("lab/a", ["one", "three"])).cached
    assert len(lab.exchanges) == 5


async def test_another_server_under_the_same_name_is_asked_anew(lab, open_engine):
    for url, sent in (("http://a.invalid", 1), ("http://b.invalid", 2), ("http://a.invalid", 2)):
        async with open_engine(endpoints={"lab": Endpoint(base_url=url, key="none")}) as engine:
            await engine.ask("lab/a", "p")
        assert len(lab.exchanges) == sent


async def test_the_outcome_of_a_hit_is_kept_before_it_is_counted(lab, open_engine):
    async with open_engine() as engine:
        await stream(engine, [[{"role": "user", "content": f"{n}"}] for n in range(3)])
    async with open_engine() as engine:
        run = await open_run(engine, requests(4))
        run.recall = engine.recall(lambda _: 0)
        await run.done.wait()
        meter = run.meters["lab/a"]
        assert (meter.ok, meter.cached, meter.attempts, len(run.sink.kept)) == (4, 3, 1, 4)
        assert run.lanes["lab/a"].is_done
        engine.end(run)
        await run.join()


async def test_a_disk_that_stalls_piles_up_no_outcomes(open_engine):
    """Another run keeps the pump busy meanwhile, so that it looks at the stalled one's lane again and again."""
    hits = requests(5000)
    async with open_engine() as engine:
        await stream(engine, hits)
    async with open_engine() as engine:
        sink = Notebook()
        sink.gate = asyncio.Event()
        run = Run(Rows(hits), sink, timeout=600.0, recall=engine.recall(lambda _: 0))
        await engine.open_lane(run, "lab/a")
        other = await open_run(engine, requests(3000, "lab/b", first=10**6))
        await other.done.wait()
        assert len(run.source.left["lab/a"]) >= 5000 - ROOM_TO_RECALL
        sink.gate.set()
        await run.done.wait()
        assert len(sink.kept) == run.meters["lab/a"].cached == 5000
        for each in (run, other):
            engine.end(each)
            await each.join()


async def test_an_engine_that_is_closed_early_leaves_nothing(open_engine):
    async with open_engine() as engine:
        await stream(engine, [f"{n}" for n in range(100)])
    for _ in range(3):
        async with open_engine() as engine:
            outcomes = engine.stream((f"{n}" for n in range(1000)), model="lab/a")
            assert (await anext(outcomes)).ok
            await outcomes.aclose()
        await asyncio.sleep(0)
        assert not others()
