"""A stream whose outcomes are kept in a file: durable before they are yielded, and not sent again."""

import json
from array import array
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from brimline import OutputError, OutputLocked
from brimline.testing.scripted import FOREVER, Reply, ScriptedEndpoint, in_turn
from brimline.types import Fault, FaultKind, Operation, Response, Usage
from tests.engine.bench import engine_over, others, requests

FILE = "kept.jsonl"
TOO_LONG = Fault(FaultKind.TOO_LONG, "too long", http_status=400)
DOWN = Fault(FaultKind.SERVER_ERROR, "down", http_status=500)
AUTH = Fault(FaultKind.AUTH, "bad key", http_status=401)


@pytest.fixture
def lab():
    """An endpoint that knows embeddings, too."""
    return ScriptedEndpoint(answer)


def answer(exchange):
    """Echo, or vectors for a bundle."""
    parts = exchange.request.parts or (exchange.request,)
    if parts[0].operation is not Operation.EMBEDDING:
        return Reply()
    vectors = tuple(array("f", [len(part.messages[0]["content"]), 0.1]) for part in parts)
    return Reply(Response(text="", embeddings=vectors, usage=Usage(9)))


async def outcomes_of(lab, items, **options):
    """Stream items through a new engine."""
    async with engine_over(lab, max_tries=1) as engine:
        stream = engine.stream(items, **{"results": FILE, **options})
        return [outcome async for outcome in stream]


def lines():
    with Path(FILE).open("rb") as file:
        return [json.loads(line) for line in file]


async def test_what_is_on_file_is_not_sent_again(lab):
    items = [{"id": f"r{n}", "prompt": f"prompt {n}", "label": n} for n in range(300)]
    first = await outcomes_of(lab, items, model="lab/a")
    assert len(lab.exchanges) == len(first) == 300
    assert lines()[0]["label"] == int(lines()[0]["id"][1:])
    again = await outcomes_of(lab, [*items, {"id": "new", "prompt": "x"}], model="lab/a")
    assert len(lab.exchanges) == 301
    known = {outcome.request.id: outcome for outcome in again}
    for outcome in first:
        same = known[outcome.request.id]
        assert (same.text, same.usage, same.attempts) == (outcome.text, outcome.usage, outcome.attempts)
    changed = [{**item, "prompt": "another"} for item in items[:3]]
    assert {outcome.text for outcome in await outcomes_of(lab, changed, model="lab/a")} == {"echo: another"}
    assert len(lab.exchanges) == 304
    assert not others()


async def test_every_outcome_is_on_file_before_it_is_yielded(lab):
    async with engine_over(lab) as engine:
        async for outcome in engine.stream(["a", "b", "c"], model="lab/a", results=FILE):
            assert outcome.request.id in {line["id"] for line in lines()}


async def test_requests_without_ids_are_samples(lab):
    items = [
        replace(request, id=None, messages=({"role": "user", "content": "same"},)) for request in requests(5)
    ]
    first = await outcomes_of(lab, items)
    assert len({json.dumps(line["key"]) for line in lines()}) == 1
    assert len(await outcomes_of(lab, items)) == len(first) == len(lab.exchanges) == 5
    await outcomes_of(lab, [*items, items[0]])
    assert len(lab.exchanges) == 6


async def test_failures_worth_another_try_are_sent_again(lab):
    lab.script = in_turn(Reply(DOWN), Reply(TOO_LONG))
    items = requests(2)
    first = await outcomes_of(lab, items, params={"seed": 1})
    assert sorted(outcome.fault.kind for outcome in first) == ["server_error", "too_long"]
    again = await outcomes_of(lab, items, params={"seed": 1})
    assert len(lab.exchanges) == 3
    assert sorted(str(outcome.ok) for outcome in again) == ["False", "True"]


async def test_what_is_given_up_is_not_on_file(lab):
    lab.script = in_turn(*[Reply(AUTH)] * 3)
    failed = await outcomes_of(lab, requests(3))
    assert {outcome.fault.kind for outcome in failed} == {FaultKind.AUTH}
    assert lines() == []
    assert all(outcome.ok for outcome in await outcomes_of(lab, requests(3)))


async def test_what_is_known_comes_back_also_after_the_deadline(lab):
    await outcomes_of(lab, requests(50))
    late = await outcomes_of(lab, requests(60), deadline=0)
    assert sorted(outcome.ok for outcome in late) == [False] * 10 + [True] * 50


async def test_answers_follow_the_schema_of_today(lab):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    lab.script = in_turn(Reply(Response(text='{"n": 1}')), Reply(Response(text='```json\n{"n": 2}\n```')))
    first = await outcomes_of(lab, requests(2), schema=schema)
    again = await outcomes_of(lab, requests(2), schema=schema)
    assert len(lab.exchanges) == 2
    assert sorted(one.value["n"] for one in first) == sorted(one.value["n"] for one in again) == [1, 2]
    assert {one.response.is_repaired for one in again} == {True, False}


async def test_vectors_come_back(lab):
    first = await outcomes_of(lab, ["one", "two"], model="lab/a", embed=True)
    sent = len(lab.exchanges)
    again = await outcomes_of(lab, ["one", "two"], model="lab/a", embed=True)
    vectors = [{one.request.id: one.embedding for one in outcomes} for outcomes in (first, again)]
    assert vectors[0] == vectors[1]
    assert len(lab.exchanges) == sent


async def test_a_turn_is_paid_for_once(lab):
    lab.script = in_turn(Reply(Response(text="first")), Reply(latency=FOREVER))
    (failed,) = await outcomes_of(lab, requests(1, follow_ups=("and?",)), deadline=9)
    assert failed.fault.kind == FaultKind.CANCELLED
    (outcome,) = await outcomes_of(lab, requests(1, follow_ups=("and?",)))
    assert outcome.responses[0].text == "first"
    assert len(lab.exchanges) == 3


async def test_two_streams_cannot_share_a_file(lab):
    async with engine_over(lab) as engine:
        stream = engine.stream(requests(3), results=FILE)
        await anext(stream)
        with pytest.raises(OutputLocked):
            await anext(engine.stream(requests(3), results=FILE))
        await stream.aclose()
        assert len([one async for one in engine.stream(requests(3), results=FILE)]) == 3
    with pytest.raises(OutputError, match="does not exist"):
        await outcomes_of(lab, requests(1), results="nowhere/kept.jsonl")


async def test_an_item_that_is_no_request_is_not_on_file(lab):
    failed = await outcomes_of(lab, [{"id": 1}, replace(requests(1)[0], params={"x": object()})])
    assert {outcome.fault.kind for outcome in failed} == {FaultKind.INVALID_REQUEST}
    assert (lines(), lab.exchanges) == ([], [])


async def test_leaving_lets_go_of_the_file(lab):
    async with engine_over(lab) as engine:
        async with aclosing(engine.stream(requests(500), results=FILE)) as stream:
            await anext(stream)
        assert len([outcome async for outcome in engine.stream(requests(500), results=FILE)]) == 500
