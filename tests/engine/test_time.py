"""Timeouts, retries, refusals and outages, to the nanosecond, with hours in milliseconds."""

import asyncio
from itertools import pairwise

import pytest

from brimline.core.time import SECOND
from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint, in_turn
from brimline.types import Fault, FaultKind, Secret
from tests.engine.bench import (
    DOWN,
    Notebook,
    engine_over,
    most_in_any_window,
    now,
    open_run,
    refused,
    requests,
    whole_run,
)

SERVER_ERROR = Fault(FaultKind.SERVER_ERROR, "oops", http_status=500)


async def test_an_attempt_that_hangs_ends_at_its_timeout_and_is_sent_once_more(lab):
    lab.script = lambda _: Reply(latency=FOREVER)
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(1), timeout=600.0)
    first, second = lab.exchanges
    assert first.was_cancelled
    assert 600.0 <= second.began_at <= 600.5, "after a short wait"
    assert now() == pytest.approx(second.began_at + 600.0, abs=1e-9)
    assert run.sink.kept[0].fault.kind is FaultKind.TIMEOUT
    assert run.sink.kept[0].attempts == 2


async def test_the_second_try_of_a_timeout_may_succeed(lab):
    lab.script = in_turn(Reply(latency=FOREVER), Reply(latency=599.0))
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(1), timeout=600.0)
    assert run.sink.kept[0].ok
    assert run.sink.kept[0].latency == 599.0


async def test_a_connection_that_is_never_made_is_a_timeout_too(lab):
    lab.script = in_turn(Reply(connect=FOREVER))
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(1), timeout=30.0)
    assert run.sink.kept[0].ok
    assert 30.0 <= now() <= 30.5


async def test_a_slow_disk_is_no_timeout(lab):
    sink = Notebook()
    sink.delay = 10_000.0
    async with engine_over(lab) as engine:
        await whole_run(engine, requests(1), sink, timeout=600.0)
    assert sink.kept[0].ok
    assert now() == 10_000.0
    assert len(lab.exchanges) == 1


async def test_waits_between_tries_grow(lab):
    lab.script = in_turn(*[Reply(SERVER_ERROR)] * 4)
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(1))
    assert (run.sink.kept[0].ok, run.sink.kept[0].attempts) == (True, 5)
    waits = [later - earlier for earlier, later in pairwise(lab.departures)]
    assert all(0 < wait <= 0.5 * 2**k for k, wait in enumerate(waits))
    assert run.meters["lab/a"].retried == 4


async def test_the_last_try_is_the_last(lab):
    lab.script = lambda _: Reply(Fault(FaultKind.BAD_REPLY, "what?", http_status=200))
    async with engine_over(lab, max_tries=3) as engine:
        run = await whole_run(engine, requests(5))
    assert [outcome.attempts for outcome in run.sink.kept.values()] == [3] * 5
    assert len(lab.exchanges) == 15


async def test_a_named_wait_is_kept_exactly_and_by_everything_in_the_scope(lab):
    lab.script = lambda exchange: Reply(refused(20.0) if exchange.place == 0 else None, latency=1.0)
    async with engine_over(lab, limits={"lab/a": "600/min"}, concurrency=1) as engine:
        run = await whole_run(engine, requests(3))
    assert lab.departures == [0.0, 21.0, 22.0, 23.0]
    assert [exchange.request.id for exchange in lab.exchanges] == [0, 0, 1, 2]
    assert run.meters["lab/a"].refused == 1
    assert run.sink.kept[0].attempts == 2


async def test_other_models_do_not_wait_for_a_refused_one(lab):
    lab.script = lambda exchange: Reply(
        refused(300.0) if exchange.request.model == "lab/a" and now() < 1 else None
    )
    async with engine_over(lab) as engine:
        one = await open_run(engine, requests(5))
        other = await open_run(engine, requests(5, "lab/b"))
        await other.done.wait()
        assert now() == 0.0
        await one.done.wait()
        assert now() == 300.0


async def test_refusals_use_no_tries_and_the_limit_is_filled_after_them(lab):
    """A server that allows less than was declared: nothing fails, and its own rate is reached."""
    served = []

    def script(exchange):
        while served and served[0] <= now() - 60.0:
            del served[0]
        if len(served) >= 300:
            return Reply(refused(served[0] + 60.0 - now()))
        served.append(now())
        return Reply()

    lab.script = script
    async with engine_over(lab, limits={"lab/a": "600/min"}) as engine:
        run = await whole_run(engine, requests(1500))
    assert all(outcome.ok for outcome in run.sink.kept.values())
    assert now() <= 1500 / 300 * 60
    assert len(lab.exchanges) <= 1500 * 1.02


async def test_an_outage_of_a_minute_fails_nothing_and_costs_little_more(lab):
    """600 a minute for five minutes, and the endpoint down for one of them."""

    def script(exchange):
        return Reply(DOWN, leaves=False) if 60.0 <= exchange.began_at < 120.0 else Reply(latency=0.5)

    lab.script = script
    async with engine_over(lab, limits={"lab/a": "600/min"}) as engine:
        run = await whole_run(engine, requests(3000))
    assert all(outcome.ok for outcome in run.sink.kept.values())
    assert now() <= 300.0 + 65.0
    assert sum(not exchange.left_at for exchange in lab.exchanges if exchange.began_at >= 60) < 60


async def test_a_slow_model_never_holds_up_a_fast_one(lab):
    lab.script = lambda exchange: Reply(latency=100.0 if exchange.request.model == "lab/slow" else 0.1)
    async with engine_over(lab, concurrency=2) as engine:
        slow = await open_run(engine, requests(20, "lab/slow"))
        fast = await open_run(engine, requests(200, "lab/fast"))
        await fast.done.wait()
        assert now() == pytest.approx(10.0)
        await slow.done.wait()
        assert now() == pytest.approx(1000.0)


async def test_slots_are_filled_as_they_become_free(lab):
    """Four slots, and every tenth answer takes 20 s: no slot waits for another."""
    lab.script = lambda exchange: Reply(latency=20.0 if exchange.request.id % 10 == 0 else 1.0)
    async with engine_over(lab, concurrency=4) as engine:
        await whole_run(engine, requests(100))
    assert lab.most_in_flight == 4
    slots = [0.0] * 4
    for exchange in lab.exchanges:
        free = min(slots)
        assert exchange.began_at == pytest.approx(free)
        slots[slots.index(free)] = exchange.ended_at
    assert now() == max(slots)


async def test_a_window_counts_from_when_requests_leave_not_from_when_they_start(lab):
    lab.script = lambda exchange: Reply(connect=0.9 if exchange.place % 3 == 0 else 0.0)
    async with engine_over(lab, limits={"lab/a": "3/s"}) as engine:
        await whole_run(engine, requests(60))
    assert most_in_any_window(lab.departures, 1) == 3


async def test_connections_that_take_longer_than_a_window_do_not_leave_all_at_once(lab):
    """A name server that takes five seconds for the first connections."""
    lab.script = lambda exchange: Reply(connect=max(0.0, 5.0 - exchange.began_at))
    async with engine_over(lab, limits={"lab/a": "3/s"}) as engine:
        await whole_run(engine, requests(60))
    assert most_in_any_window(lab.departures, 1) == 3
    assert now() < 30.0


async def test_each_turn_of_a_conversation_needs_its_permit_and_is_kept_before_the_next(lab):
    sink = Notebook()
    async with engine_over(lab, limits={"lab/a": "60/min"}) as engine:
        await whole_run(engine, requests(2, follow_ups=("and?", "so?")), sink)
    assert lab.departures == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [(of, time) for time, what, of in sink.events if what == "turn" and of[0] == 0] == [
        ((0, "echo: 0"), 0.0),
        ((0, "echo: and?"), 1.0),
    ]
    assert [response.text for response in sink.kept[1].responses] == ["echo: 1", "echo: and?", "echo: so?"]


async def test_a_turn_is_kept_before_the_next_one_is_sent(lab):
    class Slow(Notebook):
        async def keep_turn(self, turn):
            await asyncio.sleep(5)

    async with engine_over(lab) as engine:
        await whole_run(engine, requests(1, follow_ups=("and?", "so?")), Slow())
    assert lab.departures == [0.0, 5.0, 10.0]


async def test_turns_that_were_kept_before_are_not_asked_again(lab):
    class Remembering(Notebook):
        def kept_turns(self, request):
            return (answer,)

    async with engine_over(lab) as engine:
        answer = (await engine.ask("lab/a", "hello")).response
        run = await whole_run(engine, requests(1, follow_ups=("and?",)), Remembering())
    assert [exchange.turn for exchange in lab.exchanges] == [0, 1]
    assert [response.text for response in run.sink.kept[0].responses] == ["echo: hello", "echo: and?"]


async def test_a_key_in_an_error_is_not_shown(lab):
    lab.script = in_turn(
        Reply(Fault(FaultKind.INVALID_REQUEST, "bad header: Bearer sk-123")),
        Reply(ValueError("sk-123")),
        Reply(ValueError("sk-123")),
    )

    async def connect(name):
        return lab.live(Secret("sk-123"))

    async with engine_over(lab, connect=connect) as engine:
        outcomes = [await engine.ask("lab/a", "hello") for _ in range(2)]
    assert [outcome.fault.detail for outcome in outcomes] == ["bad header: Bearer [key]", "ValueError: [key]"]


async def test_times_of_an_outcome_are_those_of_its_last_attempt(lab):
    lab.script = in_turn(Reply(SERVER_ERROR, latency=5.0), Reply(latency=2.0))
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/a", "hello")
        assert outcome.latency == 2.0
        assert outcome.sent_at - engine.pump.clock.epoch == round(lab.exchanges[1].began_at * SECOND)


async def test_two_endpoints_flow_on_their_own(lab):
    far = ScriptedEndpoint(lambda _: Reply(DOWN, leaves=False))
    async with engine_over(lab, far, limits={"lab/a": "60/min"}) as engine:
        run = await open_run(engine, [*requests(30), *requests(30, "far/a", first=100)])
        await asyncio.sleep(30)
        assert len(run.sink.kept) == 30
        assert 10 <= len(far.exchanges) < 60
        far.script = lambda _: Reply()
        await run.done.wait()
        assert len(run.sink.kept) == 60
