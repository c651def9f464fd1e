"""Answers to requests with a schema: checked, asked for again once, and what Python gets of them."""

import asyncio
import dataclasses
from dataclasses import replace
from typing import TypedDict

import msgspec
import pydantic
import pytest

import brimline
from brimline.core.time import SECOND
from brimline.errors import ConfigError
from brimline.testing.scripted import Reply, in_turn
from brimline.types import Fault, FaultKind, Operation, Request, Response, Usage
from tests.engine.bench import engine_over, now, requests

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
GOOD, BAD = '{"n": 1}', '{"n": "one"}'


class Model(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def small(cls, n):
        if n > 100:
            raise ValueError("more than 100")
        return n


class Struct(msgspec.Struct):
    n: int


@dataclasses.dataclass
class Data:
    n: int


class Typed(TypedDict):
    n: int


def says(text, reason="stop", **more):
    return Reply(Response(text=text, finish_reason=reason, usage=Usage(10, 5), **more), latency=1.0)


async def asked(lab, *replies, schema=SCHEMA, prompt="how many?", **options):
    lab.script = in_turn(*replies)
    async with engine_over(lab, **options) as engine:
        return await engine.ask("lab/a", prompt, schema=schema)


def sent_by(lab):
    """What is sent, as it is sent: the later turns of the user, and the answers to those before."""
    sent, encode = [], lab.encode

    def noting(request, responses):
        sent.append((request.follow_ups, [response.text for response in responses]))
        return encode(request, responses)

    lab.encode = noting
    return sent


async def test_a_valid_answer_is_left_as_it_is(lab):
    outcome = await asked(lab, says(f" {GOOD}\n"))
    assert (outcome.value, outcome.text, outcome.attempts) == ({"n": 1}, f" {GOOD}\n", 1)
    assert not outcome.response.is_repaired
    assert lab.exchanges[0].request.schema == SCHEMA


@pytest.mark.parametrize(
    ("schema", "value"),
    [(Model, Model(n=1)), (Struct, Struct(1)), (Data, Data(1)), (Typed, {"n": 1})],
    ids=["pydantic", "msgspec", "dataclass", "typeddict"],
)
async def test_a_type_gives_its_instance(lab, schema, value):
    outcome = await asked(lab, says(BAD), says(GOOD), schema=schema)
    assert outcome.value == value
    assert type(outcome.value) is type(value)
    assert lab.exchanges[0].request.schema["required"] == ["n"]
    assert not lab.exchanges[0].request.schema["additionalProperties"]


async def test_an_answer_that_is_not_valid_is_asked_for_again_with_the_reason(lab):
    outcome = await asked(lab, says(BAD), says(GOOD), limits={"lab/a": "60/min, 10k tokens/min"})
    assert (outcome.ok, outcome.value, outcome.attempts, outcome.usage) == (True, {"n": 1}, 2, Usage(20, 10))
    assert (outcome.latency, outcome.text) == (2.0, GOOD)
    first, second = lab.exchanges
    assert (first.turn, second.turn) == (0, 1)
    assert second.left_at == 1.0
    (complaint,) = second.request.follow_ups
    assert "$.n: 'one' is not of type 'integer'" in complaint
    assert second.request.messages == first.request.messages
    assert [response.text for response in outcome.responses] == [BAD, GOOD]


async def test_twice_not_valid_is_a_failure_that_keeps_what_was_paid_for(lab):
    outcome = await asked(lab, says("Well, one."), says(BAD))
    assert (outcome.fault.kind, outcome.attempts, outcome.usage) == (
        FaultKind.INVALID_OUTPUT,
        2,
        Usage(20, 10),
    )
    assert "is not of type 'integer'" in outcome.fault.detail
    assert [response.text for response in outcome.responses] == ["Well, one.", BAD]
    assert outcome.value is None


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("length", FaultKind.TRUNCATED), ("content_filter", FaultKind.CONTENT_FILTER)],
)
async def test_an_answer_that_was_cut_off_is_not_asked_for_again(lab, reason, kind):
    outcome = await asked(lab, says('{"n": 1', reason))
    assert (outcome.fault.kind, outcome.attempts, outcome.responses[0].text) == (kind, 1, '{"n": 1')


async def test_a_whole_answer_at_the_limit_is_an_answer(lab):
    assert (await asked(lab, says(GOOD, "length"))).value == {"n": 1}


async def test_what_stands_around_it_is_taken_away(lab):
    text = f"Sure!\n```json\n{GOOD}\n```"
    outcome = await asked(lab, says(text))
    assert (outcome.value, outcome.text, outcome.response.is_repaired) == ({"n": 1}, text, True)


async def test_each_of_several_answers_is_checked_and_the_wrong_one_is_shown(lab):
    shown = sent_by(lab)
    outcome = await asked(lab, says([GOOD, BAD]), says(['{"n": 2}', '{"n": 3}']))
    assert outcome.value == [{"n": 2}, {"n": 3}]
    assert "answer 2: $.n" in lab.exchanges[1].request.follow_ups[0]
    assert shown[1][1] == [BAD]


async def test_calls_of_tools_are_no_answer_to_check(lab):
    calls = ({"id": "c1", "function": {"name": "f", "arguments": "{}"}},)
    outcome = await asked(lab, says("Let me see.", "tool_calls", tool_calls=calls))
    assert (outcome.ok, outcome.value, outcome.text) == (True, None, "Let me see.")


async def test_each_turn_is_checked_and_later_ones_do_not_see_what_was_rejected(lab):
    sent = sent_by(lab)
    texts = ('{"n": 1}', "hm", '{"n": 2}', '{"n": 3}')
    outcome = await asked(lab, *map(says, texts), prompt=["a", "b", "c"])
    assert (outcome.ok, outcome.value, outcome.attempts) == (True, {"n": 3}, 4)
    assert [answered for _, answered in sent] == [
        [],
        ['{"n": 1}'],
        ['{"n": 1}', "hm"],
        ['{"n": 1}', '{"n": 2}'],
    ]
    assert sent[2][0][0] == "b"
    assert sent[2][0][1].startswith("That answer is not valid")
    assert sent[3][0] == ("b", "c")


async def test_the_second_exchange_has_tries_of_its_own(lab):
    broken = Reply(Fault(FaultKind.SERVER_ERROR, "broken", http_status=500))
    outcome = await asked(lab, broken, says(BAD), broken, broken, says(GOOD), max_tries=3)
    assert (outcome.ok, outcome.attempts) == (True, 5)
    lost = await asked(lab, says(BAD), broken, max_tries=1)
    assert (lost.fault.kind, lost.responses[0].text) == (FaultKind.SERVER_ERROR, BAD)


async def test_validators_that_raise_anything_lose_no_answer(lab):
    class Odd(pydantic.BaseModel):
        n: int

        @pydantic.field_validator("n")
        @classmethod
        def raising(cls, n):
            raise KeyError(n)

    outcome = await asked(lab, says(GOOD), says(GOOD), schema=Odd)
    assert (outcome.fault.kind, outcome.responses[0].text) == (FaultKind.INVALID_OUTPUT, GOOD)
    assert "KeyError" in outcome.fault.detail


async def test_a_bad_schema_is_an_error_before_anything_is_sent(lab):
    for schema in (
        {"type": "objekt"},
        {"$ref": "https://example.com/schema"},
        {"a": object()},
        asyncio.Event,
        "no.json",
    ):
        with pytest.raises(ConfigError):
            await asked(lab, schema=schema)
    assert lab.exchanges == []


async def test_requests_may_bring_their_own_schemas(lab):
    def other(name):
        return {"type": "object", "required": [name]}

    asked = [
        Request(id=name, model="lab/a", messages=({"role": "user", "content": name},), schema=other(name))
        for name in "ab"
    ]
    wrong = Request(id="w", model="lab/a", messages=(), schema={"type": 7})
    vector = replace(asked[0], id="e", operation=Operation.EMBEDDING)
    lab.script = lambda exchange: says(f'{{"{exchange.request.id}": 1}}')
    async with engine_over(lab) as engine:
        outcomes = {outcome.request.id: outcome async for outcome in engine.stream([*asked, wrong, vector])}
    assert [outcomes[name].value for name in "ab"] == [{"a": 1}, {"b": 1}]
    assert outcomes["a"].request is asked[0]
    assert outcomes["w"].fault.kind is FaultKind.INVALID_REQUEST
    assert outcomes["e"].fault.detail == "asks for an embedding, which follows no schema"
    assert len(lab.exchanges) == 2


async def test_a_stream_takes_one_for_all(lab):
    lab.script = lambda exchange: says(f'{{"n": {exchange.request.id}}}')
    async with engine_over(lab, concurrency=8) as engine:
        outcomes = [outcome async for outcome in engine.stream(requests(60), schema=Model)]
    assert sorted(outcome.value.n for outcome in outcomes) == [*range(60)]
    assert {type(outcome.value) for outcome in outcomes} == {Model}


async def test_a_run_that_is_stopped_in_between_gives_no_outcome_twice(lab):
    lab.script = in_turn(says(BAD), then=Reply(latency=1000.0))
    async with engine_over(lab) as engine:
        stream = engine.stream(["a"], model="lab/a", schema=SCHEMA, deadline=30)
        outcomes = [outcome async for outcome in stream]
    assert [outcome.fault.kind for outcome in outcomes] == [FaultKind.CANCELLED]
    assert now() == 30.0


async def test_both_exchanges_count_against_the_limit(lab):
    lab.script = lambda exchange: says(BAD if exchange.turn == 0 else GOOD)
    async with engine_over(lab, limits={"lab/a": "60/min burst 1"}) as engine:
        await asyncio.sleep(1)
        outcomes = [outcome async for outcome in engine.stream(requests(10), schema=SCHEMA)]
        assert all(outcome.attempts == 2 for outcome in outcomes)
    gaps = [round((b - a) * SECOND) for a, b in zip(lab.departures, lab.departures[1:], strict=False)]
    assert len(gaps) == 19
    assert min(gaps) >= SECOND


async def test_the_cache_knows_schemas_apart_and_keeps_what_was_asked_again(lab, tmp_path):
    options = {"cache": tmp_path / "cache"}
    assert (await asked(lab, says(BAD), says(GOOD), schema=Struct, **options)).attempts == 2
    known = await asked(lab, schema=Struct, **options)
    assert (known.cached, known.value) == (True, Struct(1))
    assert not (await asked(lab, says(GOOD), schema={"type": "object"}, **options)).cached
    assert (await asked(lab, says('{"n": 1000}'), schema={**SCHEMA, "title": "Data"}, **options)).ok


async def test_what_is_in_the_cache_is_checked_again(lab, tmp_path):
    options = {"cache": tmp_path / "cache"}
    loose = pydantic.create_model("Model", n=(int, ...))
    assert (await asked(lab, says('{"n": 1000}'), schema=loose, **options)).ok
    assert (await asked(lab, schema=loose, **options)).cached
    stricter = await asked(lab, says(GOOD), schema=Model, **options)
    assert (stricter.cached, stricter.value) == (False, Model(n=1))


def test_map_gives_values():
    outcomes = brimline.map(
        ["a"],
        model="fn/x",
        schema=Struct,
        endpoints={"fn": lambda request: GOOD},
        config=brimline.Config(environment={}),
    )
    assert [outcome.value for outcome in outcomes] == [Struct(1)]
