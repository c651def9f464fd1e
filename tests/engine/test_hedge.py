"""Hedges: what is late at the end of a run is sent once more, and everything is still counted and concluded once."""

import asyncio

import pytest

from brimline.errors import ConfigError
from brimline.testing.scripted import FOREVER, Reply
from brimline.types import Failure, Fault, FaultKind, Usage
from tests.engine.bench import (
    FULL_DISK,
    STOP,
    Notebook,
    engine_over,
    now,
    open_run,
    others,
    requests,
    whole_run,
)

USUAL = Reply(latency=0.1)
BROKEN = Fault(FaultKind.SERVER_ERROR, "broken", http_status=500)
AUTH = Fault(FaultKind.AUTH, "bad key", http_status=401)
LAST = 29


def slow(*replies, of=(LAST,)):
    """A script: these replies, one after another, to some requests, and what is usual to all others."""
    return lambda exchange: (
        replies[exchange.number - 1]
        if exchange.request.id in of and exchange.number <= len(replies)
        else USUAL
    )


def sent(lab, id_=LAST):
    return [exchange for exchange in lab.exchanges if exchange.request.id == id_]


async def test_what_is_late_at_the_end_is_sent_once_more(lab):
    lab.script = slow(Reply(latency=500.0))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    first, hedge = sent(lab)
    assert hedge.left_at == first.left_at + 1.0, "it is late after a second, to the nanosecond"
    assert now() == pytest.approx(1.1)
    assert first.was_cancelled
    assert len(lab.exchanges) == 31
    outcome = run.sink.kept[LAST]
    assert (outcome.text, outcome.attempts) == (f"echo: {LAST}", 2)
    assert outcome.latency == pytest.approx(0.1), "the answer's own"
    meter = run.meters["lab/a"]
    assert (meter.attempts, meter.hedged, meter.in_flight, meter.ok) == (31, 1, 0, 30)
    assert run.sink.given_up == {}
    assert [of for _, what, of in run.sink.events if what == "ended"].count(LAST) == 2
    assert run.lanes["lab/a"].open == 0
    assert not others()


async def test_nothing_is_hedged_unless_asked_for(lab):
    lab.script = slow(Reply(latency=500.0))
    async with engine_over(lab, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    assert (len(lab.exchanges), run.meters["lab/a"].hedged, now()) == (30, 0, 500.0)


async def test_what_is_usual_takes_long_so_late_is_later(lab):
    lab.script = lambda exchange: Reply(latency=400.0 if exchange.place == LAST else 4.0)
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        await whole_run(engine, requests(30))
    first, hedge = sent(lab)
    assert hedge.left_at - first.left_at == 8.0, "twice the 95th percentile"


async def test_nothing_is_hedged_while_others_wait(lab):
    lab.script = lambda exchange: Reply(latency=400.0 if exchange.request.id == 0 else 0.1)
    async with engine_over(lab, hedge=True, concurrency=2) as engine:
        await whole_run(engine, requests(100))
    first, hedge = sent(lab, 0)
    assert first.left_at == 0.0
    assert hedge.left_at == pytest.approx(9.9), "when all others have been answered"


async def test_few_are_hedged(lab):
    lab.script = slow(Reply(latency=50.0), of=range(0, 100, 5))
    async with engine_over(lab, hedge=True, concurrency=100) as engine:
        run = await whole_run(engine, requests(100))
    assert run.meters["lab/a"].hedged == 5, "5% of 80 answers, and one"
    assert now() == pytest.approx(50.0), "the rest is waited for"
    assert run.meters["lab/a"].attempts == 105


async def test_a_hedge_waits_for_its_limits_like_any_request(lab):
    lab.script = slow(Reply(latency=90.0))
    async with engine_over(lab, hedge=True, limits={"*": "30/min window"}) as engine:
        await whole_run(engine, requests(30))
    _, hedge = sent(lab)
    assert 60.0 <= hedge.left_at < 60.1


async def test_a_hedge_takes_a_slot(lab):
    lab.script = slow(Reply(latency=90.0))
    async with engine_over(lab, hedge=True, concurrency=1) as engine:
        run = await whole_run(engine, requests(30))
    assert run.meters["lab/a"].hedged == 0
    assert lab.most_in_flight == 1


async def test_an_ask_and_a_connection_in_the_making_are_not_hedged(lab):
    lab.script = slow(Reply(connect=9.0))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
        lab.script = lambda _: Reply(latency=20.0)
        await engine.ask("lab/a", "hello")
    assert run.meters["lab/a"].hedged == 0
    assert len(lab.exchanges) == 31


async def test_a_hedge_that_fails_is_not_tried_again_while_the_first_may_answer(lab):
    lab.script = slow(Reply(latency=1.7), Reply(BROKEN))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    assert run.sink.kept[LAST].attempts == 2
    assert (now(), len(sent(lab))) == (1.7, 2)
    assert run.meters["lab/a"].usage == Usage(300, 150)


async def test_a_hedge_that_fails_is_followed_by_another_as_late_as_the_first(lab):
    lab.script = slow(Reply(latency=50.0), Reply(BROKEN), USUAL)
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    assert [exchange.left_at for exchange in sent(lab)] == pytest.approx([0.0, 1.0, 2.0])
    assert run.meters["lab/a"].hedged == 2


@pytest.mark.parametrize("ends", [(1.4, 0.9), (1.9, 0.4)])
async def test_when_both_fail_the_request_is_tried_again_once(lab, ends):
    lab.script = slow(*(Reply(BROKEN, latency=latency) for latency in ends))
    async with engine_over(lab, hedge=True, concurrency=30, max_tries=2) as engine:
        run = await open_run(engine, requests(30))
        await asyncio.sleep(1.8)
        assert len(sent(lab)) == 2, "the other one may still be answered"
        await run.done.wait()
    assert run.sink.kept[LAST].ok, "the pair was one try of two"
    assert run.sink.kept[LAST].attempts == len(sent(lab)) == 3


async def test_the_last_of_the_rivals_decides_that_it_has_failed(lab):
    bad = Fault(FaultKind.INVALID_REQUEST, "no", http_status=400)
    lab.script = slow(Reply(BROKEN, latency=1.5), Reply(bad, latency=0.7))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    outcome = run.sink.kept[LAST]
    assert isinstance(outcome, Failure)
    assert (outcome.fault.kind, outcome.attempts) == (FaultKind.INVALID_REQUEST, 2)


async def test_each_turn_of_a_conversation_may_be_hedged(lab):
    def script(exchange):
        is_slow = exchange.request.id == LAST and exchange.number == 1
        return Reply(latency=500.0) if is_slow else USUAL

    lab.script = script
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30, follow_ups=("more",)))
    outcome = run.sink.kept[LAST]
    assert [response.text for response in outcome.responses] == [f"echo: {LAST}", "echo: more"]
    assert outcome.attempts == len(sent(lab)) == 4
    assert run.meters["lab/a"].hedged == 2
    assert len([of for _, what, of in run.sink.events if what == "turn" and of[0] == LAST]) == 1


async def test_a_run_that_is_cancelled_gives_up_both_at_once(lab):
    lab.script = slow(Reply(latency=FOREVER), Reply(latency=FOREVER))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await open_run(engine, requests(30))
        await asyncio.sleep(5.0)
        assert lab.in_flight == 2
        engine.pump.cancel(run, STOP)
        await run.done.wait()
        await run.join()
        assert run.sink.given_up == {LAST: STOP}, "a notebook takes each only once"
        lane = run.lanes["lab/a"]
        assert (lane.open, lane.scope.limits.in_flight, run.meters["lab/a"].in_flight) == (0, 0, 0)


async def test_a_run_that_drains_takes_what_the_rivals_answer_and_hedges_no_more(lab):
    lab.script = slow(Reply(latency=30.0), Reply(latency=9.0), of=(LAST, LAST - 1))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await open_run(engine, requests(30))
        await asyncio.sleep(1.0 + 0.5)
        engine.pump.drain(run, STOP)
        await run.done.wait()
        assert len(run.sink.kept) == 30
        assert run.meters["lab/a"].hedged == 2


async def test_a_hedge_that_stops_the_endpoint_leaves_the_first_its_answer(lab):
    lab.script = slow(Reply(latency=4.0), Reply(AUTH))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    assert len(run.sink.kept) == 30
    assert run.stops == {"lab": AUTH}
    assert run.sink.given_up == {}


async def test_both_stopped_is_given_up_once(lab):
    lab.script = slow(Reply(AUTH, latency=4.0), Reply(AUTH))
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await whole_run(engine, requests(30))
    assert run.sink.given_up == {LAST: AUTH}
    assert run.lanes["lab/a"].open == 0


async def test_a_hedge_that_a_full_disk_has_kept_is_let_go(lab):
    lab.script = slow(Reply(latency=5.0))
    sink = Notebook()
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        run = await open_run(engine, requests(30), sink)
        await asyncio.sleep(0.5)
        sink.disk = FULL_DISK
        await asyncio.sleep(3.0)
        assert run.meters["lab/a"].hedged == 1
        assert len(sent(lab)) == 1, "what is not noted does not leave"
        await asyncio.sleep(3.0)
        sink.disk = None
        await run.done.wait()
        assert sink.kept[LAST].ok
        assert len(sent(lab)) == 1
        assert run.lanes["lab/a"].scope.limits.in_flight == 0


async def test_streams_hedge_too(lab):
    lab.script = lambda exchange: Reply(latency=500.0 if exchange.place == LAST else 0.1)
    async with engine_over(lab, hedge=True, concurrency=30) as engine:
        outcomes = [outcome async for outcome in engine.stream(requests(30))]
    assert len(outcomes) == 30
    assert now() < 2.0


async def test_whether_to_hedge_is_yes_or_no(lab):
    with pytest.raises(ConfigError, match="hedge: expected true or false, got 'no'"):
        engine_over(lab, hedge="no")
