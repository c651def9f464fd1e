"""Bundles: what goes together, and what each request of one gets."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.bundle import CHARACTERS, bundle, divide, halves, pack, parts_of, split
from brimline.core.steps import Divided, Final, Wait
from brimline.types import (
    Failure,
    Fault,
    FaultKind,
    Operation,
    Request,
    Response,
    Success,
    Usage,
)
from tests.core.test_dispatcher import Bench

BAD = Fault(FaultKind.INVALID_REQUEST, "one of them is bad", http_status=400)


def text(content, number=0, **kind):
    kind = {"operation": Operation.EMBEDDING, "model": "lab/a"} | kind
    return Request(id=number, messages=({"role": "user", "content": content},), **kind)


def texts(count, **kind):
    return [text(f"text {number}", number, **kind) for number in range(count)]


def ids(requests):
    return [[part.id for part in parts_of(request)] for request in requests]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, CHARACTERS + 5)), max_size=40),
    st.integers(1, 8),
)
def test_every_request_is_in_one_bundle_that_holds_no_more_than_it_may(rows, size):
    requests = [text("x" * length, n, params={"dimensions": d}) for n, (d, length) in enumerate(rows)]
    packed = pack(requests, size)
    assert sorted(id_ for one in ids(packed) for id_ in one) == [*range(len(rows))]
    for request in packed:
        parts = parts_of(request)
        lengths = [len(part.messages[0]["content"]) for part in parts]
        assert len(parts) <= size
        assert len(parts) == 1 or sum(lengths) <= CHARACTERS
        assert {part.params["dimensions"] for part in parts} == {request.params["dimensions"]}
        assert [part.id for part in parts] == sorted(part.id for part in parts), "in the order of the input"


def test_bundles_are_full_but_for_the_last():
    assert [len(one) for one in ids(pack(texts(1000), 256))] == [256, 256, 256, 232]
    (alone,) = pack(texts(1), 256)
    assert not alone.parts, "one alone is no bundle"


def test_what_cannot_share_an_exchange_stays_alone():
    chat = text("Hi", 7, operation=Operation.CHAT)
    several = Request(id=8, model="lab/a", messages=text("a").messages * 2, operation=Operation.EMBEDDING)
    image = text([{"type": "text", "text": "Hi"}], 9)
    hurried = text("Hi", 10, priority=10)
    packed = pack([*texts(2), chat, several, image, hurried], 256)
    assert sorted(ids(packed)) == [[0, 1], [7], [8], [9], [10]]


def vectors(*numbers, usage=None, **kind):
    return Response(text="", embeddings=tuple([float(number)] for number in numbers), usage=usage, **kind)


def test_each_request_gets_its_own_vector_and_its_part_of_the_bill():
    parts = [text("x" * length, length) for length in (1, 2, 9)]
    answer = vectors(1, 2, 9, usage=Usage(31, 0, 3), request_id="r", model="served")
    outcomes = split(Success(request=bundle(parts), responses=(answer,), attempts=2, sent_at=5, latency=0.25))
    assert [(one.request.id, [*one.embedding]) for one in outcomes] == [(1, [1.0]), (2, [2.0]), (9, [9.0])]
    assert all(one.request is part for one, part in zip(outcomes, parts, strict=True))
    usages = [one.usage for one in outcomes]
    assert sum(usages[1:], start=usages[0]) == Usage(31, 0, 3)
    assert usages[2].input_tokens > usages[1].input_tokens > usages[0].input_tokens
    assert {(one.attempts, one.sent_at, one.latency, one.response.request_id) for one in outcomes} == {
        (2, 5, 0.25, "r")
    }


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.tuples(*[st.integers(0, 10**6)] * 5))
def test_a_bill_is_divided_to_the_last_token(lengths, tokens):
    parts = [text("x" * length) for length in lengths]
    usages = divide(Usage(*tokens), parts)
    assert sum(usages[1:], start=usages[0]) == Usage(*tokens)
    whole = sum(1 + length for length in lengths)
    for length, usage in zip(lengths, usages, strict=True):
        assert abs(usage.input_tokens - tokens[0] * (1 + length) / whole) < 1
    assert divide(None, parts) == [None] * len(parts)


def test_a_failure_is_everybodys():
    outcomes = split(Failure(request=bundle(texts(3)), fault=BAD, attempts=1))
    assert [(one.request.id, one.fault, one.attempts) for one in outcomes] == [(n, BAD, 1) for n in range(3)]
    single = Failure(request=text("Hi"), fault=BAD)
    assert split(single) == [single]


@given(st.integers(2, 40))
def test_halves_are_the_whole(count):
    first, second = halves(bundle(texts(count)))
    assert [part.id for half in (first, second) for part in parts_of(half)] == [*range(count)]
    assert 0 <= len(parts_of(first)) - len(parts_of(second)) <= 1


# On their way.


def exchanges(bench, lane, bad):
    """Answer everything as a server would that refuses what holds a bad text; return what was asked, and said."""
    asked, said = [], {}
    while not lane.is_done:
        attempts = bench.starts()
        if not attempts:
            assert isinstance(bench.step, Wait)
            bench.now = bench.step.until
        for attempt in attempts:
            parts = parts_of(attempt.ticket.request)
            asked.append([part.id for part in parts])
            result = BAD if bad & {*asked[-1]} else vectors(*asked[-1])
            conclude(bench, bench.dispatcher.settle(bench.now, attempt, result), said)
            bench.dispatcher.release(attempt)
    assert lane.scope.limits.in_flight == 0
    return asked, said


def conclude(bench, verdict, said):
    if isinstance(verdict, Divided):
        for following in bench.dispatcher.divide(verdict.ticket):
            conclude(bench, following, said)
        return
    assert isinstance(verdict, Final)
    for outcome in split(verdict.outcome):
        assert outcome.request.id not in said
        said[outcome.request.id] = outcome.ok
    bench.dispatcher.conclude(verdict.ticket)


def lane_with(bench, requests, quota="", **kind):
    lane = bench.lane(quota=quota, **kind)
    said = {}
    for verdict in bench.dispatcher.offer(lane, requests):
        conclude(bench, verdict, said)
    bench.dispatcher.exhaust(lane)
    return lane, said


@pytest.mark.parametrize("bad", [0, 1, 127, 128, 255])
def test_halves_find_the_bad_one_in_as_many_steps_as_there_are(bad):
    bench = Bench()
    lane, _ = lane_with(bench, [bundle(texts(256))])
    asked, said = exchanges(bench, lane, {bad})
    assert said == {number: number != bad for number in range(256)}
    assert len(asked) == 1 + 2 * math.log2(256)


@given(st.integers(1, 60), st.integers(0, 10**9))
def test_each_bad_one_fails_and_no_other(count, seed):
    bad = {number for number in range(count) if random.Random(seed + number).random() < 0.2}
    bench = Bench()
    lane, _ = lane_with(bench, pack(texts(count), 16), concurrency=3)
    _, said = exchanges(bench, lane, bad)
    assert said == {number: number not in bad for number in range(count)}


def test_a_bundle_is_one_request_and_the_tokens_of_all():
    bench = Bench()
    lane, _ = lane_with(bench, pack(texts(8), 4), "2 requests/min burst 2 smooth, 1000 tokens/min")
    attempts = bench.starts()
    assert len(attempts) == 2
    (one,) = pack(texts(1), 4)
    alone, _ = lane_with(Bench(), [one], "1000 tokens/min")
    single = alone.entry.queue.peek().measured
    assert attempts[0].ticket.measured.text == 4 * single.text
    assert attempts[0].permit.demand.requests == 1
    assert attempts[0].permit.demand.output_tokens == 0, "nothing comes out of an embedding"
    assert lane.scope.limits.in_flight == 2


def test_a_bundle_that_no_window_holds_goes_in_halves():
    bench = Bench()
    lane, said = lane_with(bench, [bundle(texts(64))], "60 tokens/min")
    assert not said
    assert len(lane.entry.queue) > 2
    assert all(len(parts_of(ticket.request)) > 1 for ticket in lane.waiting())


def test_only_the_text_that_no_window_holds_fails():
    bench = Bench()
    lane, said = lane_with(bench, [bundle([*texts(3), text("x" * 4000, 3)])], "100 tokens/min")
    assert said == {3: False}
    _, rest = exchanges(bench, lane, set())
    assert {*rest} == {0, 1, 2}


def test_what_is_closed_while_it_is_divided_is_given_up_whole():
    bench = Bench()
    lane, _ = lane_with(bench, [bundle(texts(4))])
    attempt = bench.start()
    bench.dispatcher.close(lane, Fault(FaultKind.CANCELLED, "stop"))
    verdict = bench.dispatcher.settle(bench.now, attempt, BAD)
    assert isinstance(verdict, Divided)
    stopped = bench.dispatcher.divide(verdict.ticket)
    given_up = [part.id for one in stopped for ticket in one.tickets for part in parts_of(ticket.request)]
    assert sorted(given_up) == [0, 1, 2, 3]
    bench.dispatcher.conclude(*(ticket for one in stopped for ticket in one.tickets))
    bench.dispatcher.release(attempt)
    assert lane.is_done
