"""Pools and fallbacks behind an engine: who answers, what is counted where, and what the cache keeps."""

import asyncio

import pytest

from brimline.config import Config, Endpoint
from brimline.engine.engine import Engine
from brimline.testing.scripted import Reply, ScriptedEndpoint
from brimline.types import Fault, FaultKind, Response, Usage
from tests.engine.bench import others

FILTERED = Fault(FaultKind.CONTENT_FILTER, "not this", http_status=400)
NO_KEY = Fault(FaultKind.AUTH, "no such key", http_status=401)
ENDPOINTS = {name: Endpoint(base_url=f"http://{name}/v1", key="none") for name in ("one", "two", "spare")}


@pytest.fixture
def labs():
    return {name: ScriptedEndpoint() for name in ENDPOINTS}


@pytest.fixture
def open_engine(labs, tmp_path):
    def make(*, endpoints=None, **options):
        async def connect(name):
            return labs[name].live()

        pool = Endpoint(members=("one", {"endpoint": "two", "model": "other", "weight": 3}))
        options = {"config": Config(environment={}), "share": False, **options}
        return Engine(endpoints={**ENDPOINTS, "team": pool, **(endpoints or {})}, connect=connect, **options)

    return make


async def test_each_member_gets_its_own_model_and_its_share(labs, open_engine):
    async with open_engine(concurrency=100) as engine:
        outcomes = [outcome async for outcome in engine.stream(map(str, range(40)), model="team/x")]
    assert {outcome.request.model for outcome in outcomes} == {"team/x"}
    assert {exchange.request.model for exchange in labs["one"].exchanges} == {"one/x"}
    assert {exchange.request.model for exchange in labs["two"].exchanges} == {"two/other"}
    assert abs(len(labs["one"].exchanges) - 10) <= 1
    assert {outcome.served_by for outcome in outcomes} == {"one/x", "two/other"}
    assert not others()


async def test_what_is_counted_for_a_pool_and_for_its_members(labs, open_engine):
    labs["one"].script = lambda _: Reply(FILTERED)
    labs["two"].script = lambda _: Reply(Response(text="yes", usage=Usage(7, 3)), latency=1.0)
    async with open_engine(fallback=["spare/z"]) as engine:
        stream = engine.stream(map(str, range(40)), model="team/x")
        outcomes = [await anext(stream) for _ in range(40)]
        (model,) = engine.stats().models
        await stream.aclose()
    assert all(outcome.ok for outcome in outcomes)
    counts = {route.model: (route.ok, route.requests) for route in model.routes}
    filtered = len(labs["one"].exchanges)
    assert filtered > 5
    assert counts == {
        "one/x": (0, filtered),
        "two/other": (40 - filtered, 40 - filtered),
        "spare/z": (filtered, filtered),
    }
    assert (model.model, model.ok, model.failed, model.requests) == ("team/x", 40, 0, 40 + filtered)


async def test_an_endpoint_that_stops_is_no_end_while_others_answer(labs, open_engine):
    labs["one"].script = labs["two"].script = lambda _: Reply(NO_KEY)
    async with open_engine(fallback=["spare/z"], concurrency=1) as engine:
        outcome = await engine.ask("team/x", "hello")
        assert (outcome.text, outcome.served_by, outcome.attempts) == ("echo: hello", "spare/z", 3)
        outcomes = [outcome async for outcome in engine.stream(["a", "b"], model="team/x")]
        assert [outcome.ok for outcome in outcomes] == [True, True]
    async with open_engine(fallback=["spare/z"], fallback_on=["too_long"]) as engine:
        outcome = await engine.ask("team/x", "hello")
        assert outcome.fault.kind is FaultKind.AUTH


async def test_a_fallbacks_answer_is_not_kept_as_the_models_own(labs, open_engine, tmp_path):
    labs["one"].script = lambda exchange: Reply(
        FILTERED if exchange.request.messages[0]["content"] == "bad" else None
    )
    options = {"fallback": ["spare/z"], "cache": tmp_path / "cache"}
    for _ in range(2):
        async with open_engine(**options) as engine:
            answers = [await engine.ask("one/x", text) for text in ("bad", "good")]
            await engine.cache.flush()
    assert [answer.cached for answer in answers] == [False, True]
    assert answers[0].served_by == "spare/z"
    assert answers[1].served_by is None
    assert len(labs["spare"].exchanges) == 2


async def test_a_member_that_hangs_holds_up_nobody(labs, open_engine):
    labs["one"].script = lambda _: Reply(latency=1e6)
    async with open_engine(timeout=30, max_tries=1, fallback=["spare/z"], concurrency=4) as engine:
        started = asyncio.get_running_loop().time()
        outcomes = [outcome async for outcome in engine.stream(map(str, range(100)), model="team/x")]
        took = asyncio.get_running_loop().time() - started
    assert all(outcome.ok for outcome in outcomes)
    assert took < 70
    assert {outcome.served_by for outcome in outcomes} == {"two/other", "spare/z"}
