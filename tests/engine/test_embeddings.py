"""Embeddings from Python: many texts in one exchange, and each its own vector."""

import asyncio
from dataclasses import replace

import pytest

from brimline.testing.scripted import Reply, echo, in_turn, vector_of
from brimline.types import Fault, FaultKind, Operation, Request, Usage
from tests.engine.bench import engine_over, now, others, requests

TEXTS = [f"text {number}" for number in range(1000)]
BAD = Fault(FaultKind.INVALID_REQUEST, "one of them is bad", http_status=400)


async def taken(engine, items, **options):
    """The outcomes of a stream, by text."""
    stream = engine.stream(items, model="lab/e", embed=True, **options)
    return {text_of(outcome): outcome async for outcome in stream}


def text_of(outcome):
    request = outcome.request
    return request.messages[0]["content"] if isinstance(request, Request) else request


def sizes(lab):
    return [len(exchange.request.parts) or 1 for exchange in lab.exchanges]


async def test_each_text_gets_its_own_vector_and_few_exchanges_are_made(lab):
    async with engine_over(lab) as engine:
        outcomes = await taken(engine, TEXTS)
        assert not engine.stats().models
    assert sizes(lab) == [256, 256, 256, 232]
    assert outcomes.keys() == {*TEXTS}
    for text, outcome in outcomes.items():
        assert outcome.embedding == vector_of(text)
        assert (outcome.text, outcome.attempts, outcome.ok) == ("", 1, True)
    used = [outcome.usage for outcome in outcomes.values()]
    assert sum(used[1:], start=used[0]) == Usage(40, 20)
    assert not others()


@pytest.mark.parametrize(("batch_size", "exchanges"), [(1, 10), (4, 3), (10**6, 1)])
async def test_as_many_go_together_as_the_user_says(lab, batch_size, exchanges):
    async with engine_over(lab, batch_size=batch_size) as engine:
        assert len(await taken(engine, TEXTS[:10])) == 10
    assert len(lab.exchanges) == exchanges


async def test_an_endpoint_that_takes_one_text_gets_one(lab):
    lab.BUNDLE = 1
    async with engine_over(lab) as engine:
        await taken(engine, TEXTS[:10])
    assert sizes(lab) == [1] * 10


async def test_texts_that_come_slowly_do_not_wait_long_for_each_other(lab):
    async def slowly():
        for text in TEXTS[:6]:
            yield text
            await asyncio.sleep(0.5)

    async with engine_over(lab) as engine:
        outcomes = [outcome async for outcome in engine.stream(slowly(), model="lab/e", embed=True)]
    assert [text_of(outcome) for outcome in outcomes] == TEXTS[:6]
    assert lab.departures == pytest.approx([0.5 * n + 0.02 for n in range(6)])


async def test_one_bad_text_fails_alone_and_is_found_in_few_steps(lab):
    def script(exchange):
        parts = exchange.request.parts or (exchange.request,)
        return Reply(BAD if any(part.messages[0]["content"] == "text 417" for part in parts) else None)

    lab.script = script
    async with engine_over(lab) as engine:
        outcomes = await taken(engine, TEXTS)
    assert [text for text, outcome in outcomes.items() if not outcome.ok] == ["text 417"]
    assert outcomes["text 417"].fault == BAD
    assert outcomes["text 417"].embedding is None
    assert outcomes["text 417"].attempts == 9
    assert len(lab.exchanges) == 4 + 2 * 8
    assert all(outcome.embedding == vector_of(text) for text, outcome in outcomes.items() if outcome.ok)


async def test_what_passes_is_tried_again_as_a_whole(lab):
    lab.script = in_turn(Reply(Fault(FaultKind.SERVER_ERROR)), Reply(Fault(FaultKind.RATE_LIMITED)))
    async with engine_over(lab) as engine:
        outcomes = await taken(engine, TEXTS[:100])
    assert sizes(lab) == [100, 100, 100]
    assert {outcome.attempts for outcome in outcomes.values()} == {3}


async def test_another_number_of_vectors_is_a_bad_reply(lab):
    def script(exchange):
        answer = echo(exchange)
        return Reply(replace(answer, embeddings=answer.embeddings[1:]))

    lab.script = script
    async with engine_over(lab, max_tries=2) as engine:
        outcomes = await taken(engine, TEXTS[:3])
    assert {outcome.fault.kind for outcome in outcomes.values()} == {FaultKind.BAD_REPLY}
    assert outcomes["text 0"].fault.detail == "2 vectors for 3 texts"


async def test_at_the_deadline_each_text_is_cancelled(lab):
    lab.script = lambda _: Reply(latency=100)
    async with engine_over(lab, batch_size=4, concurrency=1) as engine:
        outcomes = await taken(engine, TEXTS[:20], deadline=5)
        assert now() == 5
    assert outcomes.keys() == {*TEXTS[:20]}
    assert {outcome.fault.kind for outcome in outcomes.values()} == {FaultKind.CANCELLED}


async def test_a_model_that_stops_gives_up_every_text(lab):
    lab.script = lambda _: Reply(Fault(FaultKind.AUTH, "bad key", http_status=401))
    async with engine_over(lab) as engine:
        outcomes = await taken(engine, TEXTS[:600])
    assert len(outcomes) == 600
    assert {outcome.fault.kind for outcome in outcomes.values()} == {FaultKind.AUTH}


async def test_requests_of_all_kinds_share_a_lane(lab):
    items = [
        replace(request, operation=Operation.EMBEDDING if request.id % 2 else Operation.CHAT)
        for request in requests(20)
    ]
    async with engine_over(lab) as engine:
        outcomes = {outcome.request.id: outcome async for outcome in engine.stream(items)}
    for id_, outcome in outcomes.items():
        assert outcome.embedding == (vector_of(f"{id_}") if id_ % 2 else None)
        assert outcome.text == ("" if id_ % 2 else f"echo: {id_}")


async def test_one_text_can_be_asked_for(lab):
    async with engine_over(lab) as engine:
        outcome = await engine.ask("lab/e", "Hello", embed=True)
        refused = await engine.ask("lab/e", ["Hello", "again"], embed=True)
    assert outcome.embedding == vector_of("Hello")
    assert memoryview(outcome.embedding).format == "f"
    assert refused.fault.kind is FaultKind.INVALID_REQUEST
    assert "only a text to embed" in refused.fault.detail
    assert len(lab.exchanges) == 1


async def test_progress_counts_texts_and_exchanges_apart(lab):
    lab.script = lambda _: Reply(latency=1)
    seen = []
    async with engine_over(lab, on_progress=seen.append, concurrency=2) as engine:
        await taken(engine, TEXTS)
    assert max(one.models[0].in_flight for one in seen if one.models) == 2
    assert {one.models[0].ok for one in seen if one.models} <= {0, 256, 512, 768, 1000}
    assert max(one.models[0].requests for one in seen if one.models) == 4


async def test_known_vectors_are_not_paid_for_again(lab, tmp_path):
    async with engine_over(lab, cache=tmp_path / "cache") as engine:
        first = await taken(engine, TEXTS[:300])
        again = await taken(engine, TEXTS[:400])
    assert sizes(lab) == [256, 44, 100]
    assert all(again[text].cached and again[text].embedding == first[text].embedding for text in first)
    assert all(again[text].embedding == vector_of(text) for text in TEXTS[:400])


async def test_tokens_are_limited_for_a_bundle_as_a_whole(lab):
    """Nothing comes out of an embedding, so what is reserved for it is what goes in."""
    lab.script = lambda exchange: Reply(echo(exchange, Usage(300)))
    async with engine_over(lab, batch_size=100, limits={"lab/e": "600 tokens/min smooth"}) as engine:
        await taken(engine, TEXTS[:300])
    assert sizes(lab) == [100, 100, 100]
    assert lab.departures[-1] > 25
