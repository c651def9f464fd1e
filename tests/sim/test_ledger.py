"""The ledger: a line for each request, sums that add up, a file that can be followed."""

import random

import msgspec
import pytest

from brimline.sim import Entry, Ledger, Scenario, World, conversation_key
from brimline.sim.session import Session

from .harness import SECOND, chat

START, EPOCH = 5 * SECOND, 1_700_000_000 * SECOND


def session(toml="", file=None):
    return Session(World(Scenario.parse(toml), random.Random(0)), Ledger(START, EPOCH, file))


def serve(session, body, at, *, kind=None, took=0):
    now = START + round(at * SECOND)
    exchange = session.arrive(now, None, body)
    exchange.told = exchange.script.status
    session.leave(now + round(took * SECOND), exchange, kind or exchange.kind)


def test_an_entry_tells_all_about_one_request():
    one = session('[models."*"]\nlatency = "2s"')
    serve(one, chat("x" * 200, model="gpt-4"), at=0.123456789, took=2.5)
    assert one.ledger.entries() == [
        Entry(
            n=1,
            t=0.123456789,
            wall=EPOCH + START + 123_456_789,
            model="gpt-4",
            key=conversation_key([{"role": "user", "content": "x" * 200}]),
            text="x" * 80,
            status=200,
            kind="ok",
            latency=2.0,
            done=2.623456789,
            usage=one.ledger.entries()[0].usage,
        )
    ]
    assert (one.ledger.entries()[0].usage.input_tokens, one.ledger.entries()[0].usage.output_tokens) == (
        50,
        52,
    )


def test_the_sums_add_up():
    one = session('[models.b]\nrequests = { rate = "1/min" }\n[[models.b.faults]]\nkind = "length"')
    for at, body in enumerate([
        chat(model="a"),
        b"not json",
        chat(model="b"),
        chat(model="b"),
        chat(model="a"),
    ]):
        serve(one, body, at, kind="gone" if at == 4 else None)
    stats = msgspec.json.decode(msgspec.json.encode(one.ledger.stats(START + 9 * SECOND)))
    total = stats["total"]
    assert stats["uptime"] == 9
    assert (total["received"], total["served"], total["refused"]) == (5, 2, 1)
    assert total["failed"] == {"invalid": 1, "gone": 1}
    assert total["kinds"] == {"ok": 1, "length": 1, "refused": 1, "invalid": 1, "gone": 1}
    assert (stats["models"]["b"]["first_at"], stats["models"]["b"]["last_at"]) == (2, 3)
    assert {name: model["received"] for name, model in stats["models"].items()} == {"a": 2, "": 1, "b": 2}


def test_in_flight_rises_and_falls():
    one = session()
    exchanges = [one.arrive(START, None, chat()) for _ in range(3)]
    for exchange in exchanges[:2]:
        one.leave(START, exchange, "ok")
    one.arrive(START, None, chat())
    assert (one.ledger.total.in_flight, one.ledger.total.max_in_flight) == (2, 3)
    assert (one.ledger.models["m"].in_flight, one.ledger.models["m"].max_in_flight) == (2, 3)


def test_the_file_gets_each_line_once(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with path.open("ab") as file:
        one = session(file=file)
        for round_ in range(3):
            serve(one, chat(), at=round_)
            one.ledger.flush()
            assert path.read_bytes() == one.ledger.lines()
            one.ledger.flush()
    assert len(path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("text", ["", "short", "ü" * 500])
def test_an_entry_takes_a_few_hundred_bytes(text):
    one = session()
    serve(one, chat(text), at=1e5)
    assert len(one.ledger.lines()) < 500
