"""The scripted endpoint does what its script says, and remembers it rightly."""

import asyncio

import pytest

from brimline.core.lane import Attempt, Lane, Ticket
from brimline.core.route import Route
from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint, in_turn
from brimline.types import Advert, Fault, FaultKind, Request, Response

DOWN = Fault(FaultKind.CONNECTION, "refused")


class PlainRun:
    """A run whose answers come whole."""

    streaming = None


def ticket(text="hello", **kind):
    request = Request(id=0, model="lab/a", messages=({"role": "user", "content": text},), **kind)
    return Ticket(request, Lane(PlainRun(), "lab/a", 10))


async def exchange(lab, ticket, timeout=600.0):
    left = []
    now = asyncio.get_running_loop().time
    route = Route(ticket.stage, "lab/a", None, 1)
    attempt = Attempt(ticket, route, None, started=0, probe=False)
    result = await lab.live().exchange(attempt, lambda: left.append(now()), timeout)
    return result, left, now()


async def test_without_a_script_it_echoes():
    result, left, now = await exchange(ScriptedEndpoint(), ticket())
    assert (result.text, left, now) == ("echo: hello", [0.0], 0.0)


async def test_replies_come_in_turn_and_then_always():
    lab = ScriptedEndpoint(
        in_turn(Reply(DOWN), Reply(Response(text="yes")), then=Reply(Response(text="later")))
    )
    results = [(await exchange(lab, ticket()))[0] for _ in range(4)]
    assert results == [DOWN, Response(text="yes"), Response(text="later"), Response(text="later")]


async def test_a_reply_says_what_the_script_says_about_limits():
    said = (Advert("requests", 600, 599, 100, None),)
    lab = ScriptedEndpoint(in_turn(Reply(adverts=said), Reply(DOWN, adverts=said)))
    replies = [await lab.send(lab.encode(ticket().request, ()), lambda: None) for _ in range(3)]
    assert [lab.adverts(reply) for reply in replies] == [said, said, ()]


async def test_it_connects_leaves_and_answers_in_time():
    lab = ScriptedEndpoint(lambda _: Reply(connect=2.0, latency=3.0))
    assert (await exchange(lab, ticket()))[1:] == ([2.0], 5.0)
    (seen,) = lab.exchanges
    assert (seen.began_at, seen.left_at, seen.ended_at, seen.was_cancelled) == (0.0, 2.0, 5.0, False)
    assert lab.departures == [2.0]


async def test_what_never_left_did_not_leave():
    lab = ScriptedEndpoint(lambda _: Reply(DOWN, connect=2.0, leaves=False))
    assert await exchange(lab, ticket()) == (DOWN, [], 2.0)
    assert lab.departures == []


async def test_it_hangs_until_it_is_dropped():
    lab = ScriptedEndpoint(lambda _: Reply(latency=FOREVER))
    result, _, now = await exchange(lab, ticket(), timeout=60.0)
    assert (result.kind, now, lab.in_flight) == (FaultKind.TIMEOUT, 60.0, 0)
    assert lab.exchanges[0].was_cancelled
    assert lab.exchanges[0].ended_at is None


async def test_it_answers_when_a_test_says_so():
    event = asyncio.Event()
    lab = ScriptedEndpoint(lambda _: Reply(until=event))
    asyncio.get_running_loop().call_later(7, event.set)
    assert (await exchange(lab, ticket()))[2] == 7.0


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()])
async def test_it_raises(error):
    result, _, _ = await exchange(ScriptedEndpoint(lambda _: Reply(error)), ticket())
    assert result.kind is FaultKind.INTERNAL


async def test_it_counts_attempts_turns_and_what_is_in_flight():
    lab = ScriptedEndpoint(lambda _: Reply(latency=1.0))
    one, two = ticket(follow_ups=("and?",)), ticket("other")
    async with asyncio.TaskGroup() as group:
        group.create_task(exchange(lab, one))
        group.create_task(exchange(lab, two))
    await exchange(lab, one)
    one.answer(Response(text="yes"))
    await exchange(lab, one)
    assert [(seen.turn, seen.number, seen.place) for seen in lab.exchanges] == [
        (0, 1, 0),
        (0, 1, 1),
        (0, 2, 2),
        (1, 1, 3),
    ]
    assert (lab.most_in_flight, lab.in_flight) == (2, 0)
