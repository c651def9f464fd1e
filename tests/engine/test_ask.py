"""One question: it passes a backlog, it ends in time, and its outcome is a value."""

import asyncio

import pytest

from brimline.errors import ConfigError, UsageError
from brimline.testing.scripted import FOREVER, Reply, in_turn
from brimline.types import Fault, FaultKind, Priority, Request
from tests.engine.bench import STOP, engine_over, now, open_run, others, requests

AUTH = Fault(FaultKind.AUTH, "bad key", http_status=401)


async def test_a_question_is_answered(lab):
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/a", "hello", system="be nice", params={"temperature": 0})
    assert outcome.text == "echo: hello"
    asked = lab.exchanges[0].request
    assert [message["role"] for message in asked.messages] == ["system", "user"]
    assert (asked.params, asked.model, asked.priority) == ({"temperature": 0}, "lab/a", Priority.HIGH)
    assert outcome.request.origin == "hello"


async def test_it_passes_a_backlog(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=1) as engine:
        await open_run(engine, requests(1000))
        await asyncio.sleep(100.5)
        asked = [asyncio.create_task(engine.ask("lab/a", f"{n}")) for n in range(3)]
        low = asyncio.create_task(engine.ask("lab/a", "low", priority=Priority.LOW))
        await asyncio.wait(asked)
        assert now() == 104.0
        await asyncio.sleep(100)
        assert not low.done(), "and a low one lets all others pass"
        low.cancel()
        await asyncio.wait([low])


async def test_it_shares_the_limit_with_the_backlog(lab):
    async with engine_over(lab, limits={"lab/a": "60/min"}) as engine:
        await open_run(engine, requests(1000))
        await asyncio.sleep(10.5)
        await engine.ask("lab/a", "hello")
        assert now() == 11.0
        assert len(lab.departures) == 12


async def test_a_conversation_is_one_question(lab):
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/a", ["hello", "and?", "so?"])
    assert [response.text for response in outcome.responses] == ["echo: hello", "echo: and?", "echo: so?"]
    assert outcome.text == "echo: so?"
    assert outcome.attempts == 3


async def test_its_timeout_covers_the_wait_for_the_limits(lab):
    async with engine_over(lab, limits={"lab/a": "1/min"}) as engine:
        assert (await engine.ask("lab/a", "first")).ok
        outcome = await engine.ask("lab/a", "second", timeout=20)
        assert (now(), outcome.fault.kind) == (20.0, FaultKind.TIMEOUT)
        assert len(lab.exchanges) == 1
        assert (await engine.ask("lab/a", "third", timeout=50)).ok, "its place was given up"
        assert now() == 60.0


async def test_its_timeout_covers_retries_and_the_endpoints_start(lab):
    async def connect(name):
        await asyncio.sleep(15)
        return lab.live()

    lab.script = lambda _: Reply(Fault(FaultKind.OVERLOADED, "busy", retry_after=10**10), latency=1.0)
    async with engine_over(lab, connect=connect) as engine:
        outcome = await engine.ask("lab/a", "hello", timeout=10)
        assert (now(), outcome.fault.kind, len(lab.exchanges)) == (10.0, FaultKind.TIMEOUT, 0)
        outcome = await engine.ask("lab/a", "hello", timeout=20)
        assert (now(), outcome.fault.kind, len(lab.exchanges)) == (30.0, FaultKind.TIMEOUT, 2)
    assert not others()


async def test_a_hanging_attempt_ends_with_the_question(lab):
    lab.script = lambda _: Reply(latency=FOREVER)
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/a", "hello", timeout=20)
        assert (now(), outcome.fault.kind) == (20.0, FaultKind.TIMEOUT)
        await asyncio.sleep(0.001)
        assert lab.in_flight == 0


async def test_a_failure_is_a_value(lab):
    lab.script = in_turn(Reply(Fault(FaultKind.CONTENT_FILTER, "no")), Reply(AUTH))
    async with engine_over(lab) as engine:
        assert (await engine.ask("lab/a", "hello")).fault.kind is FaultKind.CONTENT_FILTER
        assert (await engine.ask("lab/a", "hello")).fault is AUTH


async def test_a_bad_question_is_a_value_too(lab):
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/a", {"prompt": 5})
    assert outcome.fault.kind is FaultKind.INVALID_REQUEST


@pytest.mark.parametrize("model", ["nowhere/a", "a"])
async def test_a_model_that_does_not_exist_is_a_mistake(lab, model):
    async with engine_over(lab) as engine:
        with pytest.raises(ConfigError):
            await engine.ask(model, "hello")
        assert engine.stats().models == ()


async def test_an_endpoint_that_stops_at_the_same_moment_is_an_answer(lab):
    """The lane may be closed before the question was even queued."""
    lab.script = lambda _: Reply(AUTH, latency=1.0)
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(1))
        await asyncio.sleep(0.5)
        real = engine.pump._feed

        async def slow(lane, room):
            await asyncio.sleep(5)
            await real(lane, room)

        engine.pump._feed = slow
        outcome = await engine.ask("lab/b", "hello")
        assert (now(), outcome.fault, outcome.attempts) == (1.0, AUTH, 0)
        await run.done.wait()


async def test_a_question_that_nobody_waits_for_any_more_is_dropped(lab):
    lab.script = lambda _: Reply(latency=FOREVER)
    async with engine_over(lab) as engine:
        asking = asyncio.create_task(engine.ask("lab/a", "hello"))
        await asyncio.sleep(1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.001)
        assert (lab.in_flight, engine.stats().models) == (0, ())


async def test_closing_the_engine_ends_a_question_with_an_error(lab):
    lab.script = lambda _: Reply(latency=FOREVER)
    async with engine_over(lab) as engine:
        asking = asyncio.create_task(engine.ask("lab/a", "hello"))
        await asyncio.sleep(1)
    with pytest.raises(UsageError, match="closed"):
        await asking


async def test_the_users_own_request_keeps_everything_but_its_priority(lab):
    mine = Request(
        id="mine", model="lab/b", messages=({"role": "user", "content": "hello"},), params={"n": 1}
    )
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/a", mine, priority=3)
    asked = lab.exchanges[0].request
    assert (asked.id, asked.model, asked.params, asked.priority) == ("mine", "lab/a", {"n": 1}, 3)
    assert outcome.request is mine


async def test_a_thousand_questions_at_once(lab):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=100) as engine:
        tasks = [asyncio.create_task(engine.ask("lab/a", f"{n}")) for n in range(1000)]
        texts = [(await task).text for task in tasks]
    assert texts == [f"echo: {n}" for n in range(1000)]
    assert now() == 10.0
    assert not others()


async def test_stopping_another_run_does_not_touch_it(lab):
    lab.script = lambda _: Reply(latency=5.0)
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(10))
        asking = asyncio.create_task(engine.ask("lab/a", "hello"))
        await asyncio.sleep(1)
        engine.pump.cancel(run, STOP)
        assert (await asking).ok
