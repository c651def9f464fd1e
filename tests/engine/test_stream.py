"""Any iterable in, every outcome out: what `Engine.stream` promises."""

import asyncio

import pytest

from brimline.engine.feed import AHEAD
from brimline.errors import UsageError
from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint
from brimline.types import Fault, FaultKind, Request
from tests.engine.bench import engine_over, now, others, requests

AUTH = Fault(FaultKind.AUTH, "bad key", http_status=401)


async def collect(stream):
    return [outcome async for outcome in stream]


def origins(outcomes):
    """The items that outcomes belong to, in the order of the prompts' numbers."""
    return sorted(outcome.request.origin for outcome in outcomes)


def as_list(items):
    return items


def as_generator(items):
    return (item for item in items)


async def as_async_generator(items):
    for item in items:
        yield item


class Slowly:
    """An async iterable, no generator, that takes its time."""

    def __init__(self, items):
        self.items = items

    def __aiter__(self):
        self.rest = iter(self.items)
        return self

    async def __anext__(self):
        await asyncio.sleep(0.5)
        try:
            return next(self.rest)
        except StopIteration:
            raise StopAsyncIteration from None


EVERY_KIND = pytest.mark.parametrize("kind", [as_list, as_generator, as_async_generator, Slowly, iter])


@EVERY_KIND
async def test_every_item_has_its_outcome(lab, kind):
    items = [f"prompt {n:04}" for n in range(700)]
    async with engine_over(lab) as engine:
        outcomes = await collect(engine.stream(kind(items), model="lab/a"))
    assert origins(outcomes) == items
    assert all(outcome.text == f"echo: {outcome.request.origin}" for outcome in outcomes)
    assert not others()


@EVERY_KIND
async def test_nothing_in_is_nothing_out(lab, kind):
    async with engine_over(lab) as engine:
        assert await collect(engine.stream(kind([]), model="lab/a")) == []


async def test_the_users_own_requests_come_back_as_they_are(lab):
    items = requests(3)
    async with engine_over(lab) as engine:
        outcomes = await collect(engine.stream(items, params={"temperature": 0}))
    assert [outcome.request for outcome in outcomes] == items
    assert {outcome.request.id for outcome in outcomes} == {0, 1, 2}
    assert lab.exchanges[0].request.params == {"temperature": 0}


class Broken(dict):
    """A row that cannot even be looked at."""

    def __iter__(self):
        raise ZeroDivisionError

    keys = __iter__


NO_REQUESTS = [
    None, 5, 2.5, b"bytes", object(), {}, {1: 2}, [], [object()], {"prompt": None}, {"prompt": object()},
    {"prompt": "x", "parameters": 5}, {"prompt": "x", "parameters": {"f": object()}}, {"messages": 5},
    {"prompt": "x", "priority": "high"}, "\ud800", "", Broken(prompt="x"),
]  # fmt: skip


@pytest.mark.parametrize("item", NO_REQUESTS, ids=range(len(NO_REQUESTS)))
async def test_an_item_that_is_no_request_fails_alone_and_is_never_sent(lab, item):
    async with engine_over(lab) as engine:
        outcomes = await collect(engine.stream(["first", item, "last"], model="lab/a"))
    assert [outcome.fault.kind for outcome in outcomes if not outcome.ok] == [FaultKind.INVALID_REQUEST]
    assert len(lab.exchanges) == sum(outcome.ok for outcome in outcomes) == 2
    (failure,) = [outcome for outcome in outcomes if not outcome.ok]
    assert failure.request.origin is item


async def test_an_item_that_refers_to_itself_fails_alone(lab):
    item = {"prompt": "x"}
    item["parameters"] = {"item": item}
    async with engine_over(lab) as engine:
        (failure,) = await collect(engine.stream([item], model="lab/a"))
    assert failure.fault.kind is FaultKind.INVALID_REQUEST


@pytest.mark.parametrize("model", ["nowhere/a", "a", "/a", "lab/", ""])
async def test_a_model_that_does_not_exist_fails_alone(lab, model):
    async with engine_over(lab) as engine:
        items = [{"prompt": "good", "model": "lab/a"}, {"prompt": "bad", "model": model}] * 3
        outcomes = await collect(engine.stream(items))
    assert [outcome.fault.kind for outcome in outcomes if not outcome.ok] == [FaultKind.INVALID_REQUEST] * 3
    assert len(lab.exchanges) == 3


@pytest.mark.parametrize(
    "one", ["text", b"bytes", {"prompt": "x"}, requests(1)[0]], ids=lambda one: type(one).__name__
)
async def test_one_request_is_no_iterable_of_requests(lab, one):
    async with engine_over(lab) as engine:
        with pytest.raises(UsageError, match="must be an iterable of requests"):
            await collect(engine.stream(one, model="lab/a"))


@pytest.mark.parametrize("kind", [as_generator, as_async_generator])
async def test_an_iterable_that_fails_is_raised_when_what_it_gave_is_answered(lab, kind):
    def items():
        yield from ("one", "two", "three")
        raise ZeroDivisionError("the user's bug")

    async def later():
        for item in items():
            yield item

    lab.script = lambda _: Reply(latency=5.0)
    async with engine_over(lab) as engine:
        stream = engine.stream(items() if kind is as_generator else later(), model="lab/a")
        outcomes = [await anext(stream) for _ in range(3)]
        with pytest.raises(ZeroDivisionError, match="the user's bug"):
            await anext(stream)
    assert origins(outcomes) == ["one", "three", "two"]
    assert all(outcome.ok for outcome in outcomes)
    assert not others()


async def test_what_is_no_iterable_is_a_type_error(lab):
    async with engine_over(lab) as engine:
        with pytest.raises(TypeError):
            await collect(engine.stream(5, model="lab/a"))


# The deadline.


@EVERY_KIND
async def test_at_the_deadline_all_that_was_read_has_an_outcome(lab, kind):
    lab.script = lambda exchange: Reply(latency=1.0 if exchange.place < 10 else FOREVER)
    items = [f"prompt {n:04}" for n in range(600)]
    async with engine_over(lab, concurrency=4) as engine:
        outcomes = await collect(engine.stream(kind(items), model="lab/a", deadline=60))
        assert now() == 60.0
        assert lab.in_flight == 0
    assert sum(outcome.ok for outcome in outcomes) == 10
    failed = [outcome for outcome in outcomes if not outcome.ok]
    assert {(failure.fault.kind, failure.fault.detail) for failure in failed} == {
        (FaultKind.CANCELLED, "the deadline of 60 s has passed")
    }
    got = origins(outcomes)
    assert got == items[: len(got)], "each once, without a gap"
    assert len(got) == 600 or kind is not as_list
    assert len(got) >= (100 if kind is Slowly else 300)


@pytest.mark.parametrize("deadline", [0, -1])
async def test_a_deadline_that_has_passed_lets_nothing_go(lab, deadline):
    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab) as engine:
        outcomes = await collect(engine.stream(["a", "b"], model="lab/a", deadline=deadline))
    assert [outcome.fault.kind for outcome in outcomes] == [FaultKind.CANCELLED] * 2


async def test_a_deadline_while_an_endpoint_is_made_ready_loses_nothing(lab):
    async def connect(name):
        await asyncio.sleep(100)

    async with engine_over(lab, connect=connect) as engine:
        outcomes = await collect(engine.stream(["a", "b", "c"], model="lab/a", deadline=10))
        assert now() == 10.0
    assert origins(outcomes) == ["a", "b", "c"]


async def test_a_deadline_that_is_not_reached_changes_nothing(lab):
    async with engine_over(lab) as engine:
        outcomes = await collect(engine.stream(["a", "b"], model="lab/a", deadline=60))
        await asyncio.sleep(100)
        assert (await engine.ask("lab/a", "c")).ok
    assert all(outcome.ok for outcome in outcomes)


async def test_outcomes_that_wait_at_the_deadline_are_not_lost(lab):
    """Nobody took them in time, but they were answered."""
    async with engine_over(lab, concurrency=8) as engine:
        stream = engine.stream([f"{n:04}" for n in range(1000)], model="lab/a", deadline=60)
        outcomes = [await anext(stream)]
        await asyncio.sleep(100)
        outcomes += [outcome async for outcome in stream]
    assert origins(outcomes) == [f"{n:04}" for n in range(1000)]
    assert sum(outcome.ok for outcome in outcomes) == len(lab.exchanges) > AHEAD


# An endpoint that stops.


@EVERY_KIND
async def test_an_endpoint_that_stops_fails_what_goes_there_and_nothing_else(lab, kind):
    lab.script = lambda exchange: Reply(AUTH if exchange.place == 3 else None, latency=0.1)
    items = [{"prompt": f"{n}", "model": f"{'lab' if n % 2 else 'far'}/a"} for n in range(600)]
    async with engine_over(lab, far := ScriptedEndpoint(), concurrency=8) as engine:
        outcomes = await collect(engine.stream(kind(items)))
    assert len(outcomes) == 600
    assert {outcome.fault.kind for outcome in outcomes if not outcome.ok} == {FaultKind.AUTH}
    assert (
        sum(outcome.ok for outcome in outcomes if outcome.request.model == "far/a")
        == len(far.exchanges)
        == 300
    )
    assert 4 <= len(lab.exchanges) <= 8


async def test_what_comes_in_the_moment_its_endpoint_stops_has_its_outcome(lab):
    """The lane's pull is woken by the item, and finds the lane closed."""

    async def items():
        yield "first"
        await asyncio.sleep(1.0)
        yield "second"

    lab.script = lambda _: Reply(AUTH, latency=1.0)
    async with engine_over(lab) as engine:
        outcomes = await collect(engine.stream(items(), model="lab/a"))
    assert [(outcome.request.origin, outcome.fault) for outcome in outcomes] == [
        ("first", AUTH),
        ("second", AUTH),
    ]


async def test_an_endless_iterable_ends_when_its_reader_does_even_if_nothing_can_be_sent(lab):
    def endless():
        number = 0
        while True:
            number += 1
            read.append(number)
            yield "prompt"

    read = []
    lab.script = lambda _: Reply(AUTH)
    async with engine_over(lab) as engine:
        stream = engine.stream(endless(), model="lab/a")
        assert (await anext(stream)).fault.kind is FaultKind.AUTH
        await asyncio.sleep(1000)
        assert len(read) < 3 * AHEAD, "failures are not piled up while nobody takes them"
        await stream.aclose()
    assert not others()


# Leaving.


async def test_leaving_the_loop_drops_what_is_in_flight_within_the_turn(lab):
    lab.script = lambda exchange: Reply(latency=1.0 if exchange.place == 0 else FOREVER)
    async with engine_over(lab) as engine:
        async for outcome in engine.stream(["a"] * 1000, model="lab/a"):
            assert outcome.ok
            break
        await asyncio.sleep(0.001)
        assert lab.in_flight == 0
        assert len(others()) == 1, "the pump"
        assert engine.stats().models == ()
        assert (await engine.ask("lab/a", "still there", timeout=5)).fault.kind is FaultKind.TIMEOUT


async def test_closing_a_stream_is_done_when_it_returns(lab):
    closed = []

    async def endless():
        try:
            while True:
                yield "prompt"
        finally:
            closed.append(now())

    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab) as engine:
        stream = engine.stream(endless(), model="lab/a")
        await anext(stream)
        await stream.aclose()
        assert (lab.in_flight, len(others()), closed) == (0, 1, [1.0])


async def test_a_reader_that_is_cancelled_leaves_nothing(lab):
    lab.script = lambda _: Reply(latency=FOREVER)
    async with engine_over(lab) as engine:
        reading = asyncio.create_task(collect(engine.stream(["a"] * 10, model="lab/a")))
        await asyncio.sleep(5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert (lab.in_flight, len(others())) == (0, 1)


async def test_an_error_in_the_loops_body_closes_the_stream(lab):
    async def body():
        async with engine_over(lab) as engine:
            async for _ in engine.stream(["a"] * 1000, model="lab/a"):
                raise ZeroDivisionError

    lab.script = lambda _: Reply(latency=1.0)
    with pytest.raises(ZeroDivisionError):
        await body()
    await asyncio.sleep(0.001)
    assert not others()


async def test_closing_the_engine_ends_its_streams_with_an_error(lab):
    lab.script = lambda exchange: Reply(latency=1.0 if exchange.place < 4 else FOREVER)
    async with engine_over(lab, concurrency=4) as engine:
        reading = asyncio.create_task(collect(engine.stream(["a"] * 100, model="lab/a")))
        await asyncio.sleep(5)
    with pytest.raises(UsageError, match="closed while it was in use"):
        await reading
    assert not others()


async def test_a_stream_of_a_closed_engine_that_nobody_reads_leaves_nothing(lab):
    async with engine_over(lab) as engine:
        stream = engine.stream(iter(["a"] * 1000), model="lab/a")
        await anext(stream)
    assert not others()
    with pytest.raises(UsageError):
        await collect(stream)


async def test_several_streams_share_one_engine(lab):
    lab.script = lambda _: Reply(latency=0.5)
    async with engine_over(lab, limits={"lab/a": "600/min"}, concurrency=100) as engine:
        streams = [
            collect(engine.stream([f"{name}{n:03}" for n in range(100)], model="lab/a")) for name in "abc"
        ]
        parts = [asyncio.create_task(stream) for stream in streams]
        await asyncio.sleep(15)
        counts = [sum(e.request.origin[1].startswith(name) for e in lab.exchanges) for name in "abc"]
        assert max(counts) - min(counts) <= 1, "each has its turn"
        for part, name in zip(parts, "abc", strict=True):
            assert origins(await part) == [f"{name}{n:03}" for n in range(100)]


async def test_a_request_of_ones_own_keeps_its_priority(lab):
    def mixed():
        for n in range(20):
            yield Request(id=n, model="lab/a", messages=(), priority=n % 2)

    lab.script = lambda _: Reply(latency=1.0)
    async with engine_over(lab, concurrency=1) as engine:
        await collect(engine.stream([*mixed()]))
    order = [exchange.request.priority for exchange in lab.exchanges]
    assert order == sorted(order, reverse=True)
