"""The main path: durable before visible, and what fails for one never fails for another."""

import asyncio

import pytest

from brimline.errors import RunError, UsageError
from brimline.testing.scripted import Reply, ScriptedEndpoint
from brimline.types import Failure, Fault, FaultKind
from tests.engine.bench import (
    BROKEN_DISK,
    STOP,
    Notebook,
    engine_over,
    now,
    open_run,
    others,
    requests,
    whole_run,
)

AUTH = Fault(FaultKind.AUTH, "bad key", http_status=401)


async def test_everything_is_answered_once(lab):
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(1000))
    assert {id_: outcome.text for id_, outcome in run.sink.kept.items()} == {
        n: f"echo: {n}" for n in range(1000)
    }
    assert len(lab.exchanges) == 1000
    assert not others()


async def test_nothing_is_counted_or_shown_before_it_is_kept(lab):
    """A disk that hangs keeps the slots taken, so starts end at the concurrency; answers never pile up."""
    sink, shown = Notebook(), []
    sink.gate = asyncio.Event()
    async with engine_over(lab, concurrency=4) as engine:
        run = await open_run(engine, requests(20), sink, watch=shown.append)
        await asyncio.sleep(3600)
        assert len(lab.exchanges) == 4
        assert lab.in_flight == 0, "they are answered"
        assert (shown, engine.stats().ok, run.meters["lab/a"].ok) == ([], 0, 0)
        assert not run.done.is_set()
        sink.gate.set()
        await run.done.wait()
        assert len(sink.kept) == len(shown) == engine.stats().ok == 20
        assert now() == 3600


async def test_an_outcome_is_shown_right_after_it_was_kept(lab):
    sink, moments = Notebook(), []
    sink.delay = 2.0
    async with engine_over(lab, concurrency=1) as engine:
        await whole_run(engine, requests(3), sink, watch=lambda _: moments.append((now(), len(sink.kept))))
    assert moments == [(2.0, 1), (4.0, 2), (6.0, 3)]


async def test_a_slow_disk_slows_starts(lab):
    sink = Notebook()
    sink.delay = 2.0
    async with engine_over(lab, concurrency=4) as engine:
        await whole_run(engine, requests(40), sink)
    assert now() == 20.0, "four at a time, two seconds each"
    assert [lab.departures.count(2.0 * k) for k in range(10)] == [4] * 10


async def test_attempts_are_noted_before_they_leave(lab):
    sink = Notebook()

    def script(exchange):
        sink.note("left", exchange.request.id)
        return Reply(Fault(FaultKind.SERVER_ERROR) if exchange.number == 1 else None)

    lab.script = script
    async with engine_over(lab, concurrency=8) as engine:
        await whole_run(engine, requests(30), sink)
    names = [(what, of) for _, what, of in sink.events]
    for id_ in range(30):
        mine = [what for what, of in names if of == id_]
        assert mine == ["noted", "left", "ended", "noted", "left", "kept", "ended"]


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), TimeoutError("not ours"), asyncio.CancelledError()])
async def test_a_bug_in_an_attempt_is_its_own_fault_and_no_others(lab, bug):
    lab.script = lambda exchange: Reply(bug if exchange.request.id == 3 else None)
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(10))
    assert [id_ for id_, outcome in run.sink.kept.items() if not outcome.ok] == [3]
    failure = run.sink.kept[3]
    assert (failure.fault.kind, failure.attempts) == (FaultKind.INTERNAL, 2)
    assert type(bug).__name__ in failure.fault.detail


class Bad(Notebook):
    """A sink with a bug in one place."""

    def __init__(self, place):
        super().__init__()
        self.place = place

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "__dict__").get("place"):
            raise ZeroDivisionError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("place", ["keep", "started", "ended", "flush", "kept_turns", "give_up"])
async def test_a_bug_in_a_sink_ends_its_run_and_no_other(lab, place):
    lab.script = lambda exchange: Reply(AUTH if exchange.request.model == "lab/bad" else None, latency=1.0)
    sink = Notebook()
    async with engine_over(lab, far := ScriptedEndpoint()) as engine:
        model = "lab/bad" if place == "give_up" else "lab/a"
        bad = await open_run(engine, requests(10, model), Bad(place))
        good = await open_run(engine, requests(10, "far/b"), sink)
        await good.done.wait()
        await bad.done.wait()
        assert isinstance(bad.error, ZeroDivisionError)
        assert len(sink.kept) == 10
        engine.end(bad)
        await bad.join()
        assert engine.pump._dispatcher._scopes[bad.lanes[model].scope.key].limits.in_flight == 0
    assert len(far.exchanges) == 10
    assert not others()


async def test_a_disk_that_fails_ends_its_run(lab):
    sink = Notebook()
    sink.disk = BROKEN_DISK
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(10_000), sink)
        await run.done.wait()
        assert run.error is BROKEN_DISK
        assert lab.exchanges == [], "nothing leaves that is not written down"
        await asyncio.sleep(100)
        assert len(run.source.left["lab/a"]) == 10_000 - 64, "and nothing more is read"


async def test_a_source_that_fails_ends_its_run(lab):
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(10))
        run.source.pull = None
        await run.done.wait()
        assert isinstance(run.error, TypeError)


async def test_a_failed_pump_fails_its_runs_instead_of_leaving_them_waiting(lab):
    lab.script = lambda _: Reply(latency=5.0)
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(10))
        asking = asyncio.create_task(engine.ask("lab/a", "hello"))
        await asyncio.sleep(1)

        def broken(now):
            raise ZeroDivisionError

        engine.pump._dispatcher.next = broken
        engine.pump._wake.set()
        await run.done.wait()
        assert isinstance(run.error, ZeroDivisionError)
        with pytest.raises(ZeroDivisionError):
            await asking
        with pytest.raises(RunError, match="the engine has failed"):
            await engine.ask("lab/a", "hello")
    assert not others()


async def test_an_endpoint_that_stops_is_news_for_every_run_there_and_for_no_other(lab):
    lab.script = lambda exchange: Reply(
        AUTH if exchange.place == 5 else None, latency=1.0 + exchange.place % 2
    )
    async with engine_over(lab, far := ScriptedEndpoint(), concurrency=3) as engine:
        one = await open_run(engine, [*requests(20), *requests(20, "lab/b", first=100)])
        two = await open_run(engine, requests(20, "lab/c"))
        other = await open_run(engine, requests(20, "far/a"))
        flying = await open_run(engine, requests(1, "lab/d"))
        for run in (one, two, other, flying):
            await run.done.wait()
        assert one.stops == two.stops == flying.stops == {"lab": AUTH}
        assert other.stops == {}
        for run, number in ((one, 40), (two, 20)):
            assert len(run.sink.kept) + len(run.sink.given_up) == number
            assert {*run.sink.given_up.values()} == {AUTH}
            assert all(outcome.ok for outcome in run.sink.kept.values())
        assert len(other.sink.kept) == len(far.exchanges) == 20


async def test_news_of_a_stop_do_not_wait_for_another_runs_disk(lab):
    class Stuck(Notebook):
        async def give_up(self, stopped):
            await asyncio.sleep(1e6)

    lab.script = lambda exchange: Reply(AUTH if exchange.request.model == "lab/bad" else None, latency=1.0)
    async with engine_over(lab, concurrency=32) as engine:
        stuck = await open_run(engine, requests(50, "lab/bad"), Stuck())
        run = await open_run(engine, requests(50), Notebook())
        await run.done.wait()
        assert now() == 1.0
        assert len(run.sink.kept) == 32
        assert len(run.sink.given_up) == 18
        assert not stuck.done.is_set()


async def test_the_failures_of_one_run_are_not_those_of_another(lab):
    lab.script = lambda exchange: Reply(
        Fault(FaultKind.INVALID_REQUEST, "no", http_status=400) if exchange.request.id % 2 else None
    )
    async with engine_over(lab) as engine:
        run = await whole_run(engine, requests(20))
    assert [isinstance(run.sink.kept[n], Failure) for n in range(20)] == [n % 2 == 1 for n in range(20)]


async def test_what_was_opened_after_a_stop_starts_nothing(lab):
    """The user may stop a run while its second endpoint is still being made ready."""
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(5))
        run.source.left["lab/b"].extend(requests(5, "lab/b"))
        engine.pump.drain(run, STOP)
        await engine.open_lane(run, "lab/b")
        await run.done.wait()
        await asyncio.sleep(1)
        assert lab.exchanges == []


async def test_closing_the_engine_ends_everything(lab):
    lab.script = lambda _: Reply(latency=100.0)
    async with engine_over(lab) as engine:
        run = await open_run(engine, requests(50))
        await asyncio.sleep(1)
    assert isinstance(run.error, UsageError)
    assert run.done.is_set()
    assert lab.in_flight == 0
    assert lab.is_closed
    assert not others()
