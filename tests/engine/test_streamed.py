"""Answers that come in pieces: whoever listens hears each once, and what stalls is noticed."""

import asyncio
import gc

import pytest

from brimline.errors import ConfigError, UsageError
from brimline.testing.scripted import Reply, ScriptedEndpoint
from brimline.types import Delta, FaultKind, HttpReply
from tests.engine.bench import engine_over, now, others, requests, whole_run
from tests.engine.brook import RESET, STALL, Brook, answer, end, event, piece, plain

BROKEN = [(1.0, piece("Once")), (1.0, RESET)]
BUSY = HttpReply(503, {}, b'{"error": {"message": "busy"}}')


async def heard(stream):
    return [(now(), delta.text) async for delta in stream]


# Somebody listens.


async def test_pieces_are_heard_when_they_come():
    brook = Brook(answer("Once ", "upon ", "a time", tokens=3))
    async with engine_over(brook) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        assert await heard(stream) == [(1.0, "Once "), (2.0, "upon "), (3.0, "a time")]
        outcome = await stream.outcome()
    assert (outcome.text, outcome.attempts, outcome.usage.output_tokens) == ("Once upon a time", 1, 3)
    assert (outcome.response.time_to_first_token, outcome.response.time_per_output_token) == (1.0, 1.0)
    assert brook.sent[0]["stream"] is True
    assert brook.streams[0].is_closed
    assert brook.streams[0].is_finished


async def test_nothing_is_sent_before_somebody_listens():
    brook = Brook(answer("a"))
    async with engine_over(brook) as engine:
        engine.ask("lab/a", "hello", stream=True)
        await asyncio.sleep(5)
        assert brook.sent == []


async def test_who_does_not_listen_gets_the_outcome():
    async with engine_over(Brook(answer("a", "b"))) as engine:
        assert (await engine.ask("lab/a", "hello", stream=True).outcome()).text == "ab"


async def test_an_answer_is_heard_once():
    async with engine_over(Brook(answer("a"))) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        await heard(stream)
        with pytest.raises(UsageError, match="listened to before"):
            await heard(stream)
        assert (await stream.outcome()).text == "a"


async def test_before_the_first_piece_a_fault_is_retried():
    brook = Brook(BUSY, [(1.0, RESET)], [(0.0, event(error={"message": "it broke"}))], answer("a"))
    async with engine_over(brook) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        assert [text for _, text in await heard(stream)] == ["a"]
        assert (await stream.outcome()).attempts == 4


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (RESET, FaultKind.CONNECTION),
        (b"", FaultKind.BAD_REPLY),
        (event(error={"message": "slow down", "code": 429}), FaultKind.RATE_LIMITED),
        (event(error={"message": "it broke"}), FaultKind.SERVER_ERROR),
        (b"data: {\n\n", FaultKind.BAD_REPLY),
        (STALL, FaultKind.TIMEOUT),
        (event(error={"message": "no", "code": 401}), FaultKind.AUTH),
    ],
)
async def test_after_the_first_piece_a_fault_is_final(last, kind):
    """There is never a second text after the first half."""
    brook = Brook([(1.0, piece("Once ")), (1.0, piece("upon")), (1.0, last)], answer("again"))
    async with engine_over(brook) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        assert [text for _, text in await heard(stream)] == ["Once ", "upon"]
        outcome = await stream.outcome()
        assert (outcome.ok, outcome.fault.kind, outcome.partial) == (False, kind, "Once upon")
        assert (outcome.attempts, len(brook.sent)) == (1, 1)
        assert brook.streams[0].is_closed
        assert engine.stats().models == ()


@pytest.mark.parametrize("code", [401, 500])
async def test_what_was_heard_does_not_go_on_elsewhere(code):
    far = ScriptedEndpoint()
    brook = Brook([(1.0, piece("Once")), (1.0, event(error={"message": "no", "code": code}))])
    async with engine_over(brook, far, fallback=["far/a"], max_tries=1) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        assert [text for _, text in await heard(stream)] == ["Once"]
        assert ((await stream.outcome()).partial, far.exchanges) == ("Once", [])


async def test_leaving_early_cancels_it_and_closes_the_connection():
    brook = Brook(answer(*"abcdef"))
    async with engine_over(brook) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        async for delta in stream:
            if delta.text == "b":
                break
        outcome = await stream.outcome()
        assert (now(), brook.streams[0].is_closed, brook.streams[0].is_finished) == (2.0, True, False)
        assert (outcome.fault.kind, outcome.partial, outcome.request.origin) == (
            FaultKind.CANCELLED,
            "ab",
            "hello",
        )
        assert engine.stats().models == ()
        assert len(others()) == 1, "the pump alone"


async def test_one_that_nobody_waits_for_any_more_is_dropped():
    brook = Brook([(1.0, piece("a")), (1.0, STALL)])
    async with engine_over(brook) as engine:
        listening = asyncio.create_task(heard(engine.ask("lab/a", "hello", stream=True)))
        await asyncio.sleep(5)
        listening.cancel()
        await asyncio.wait([listening])
        gc.collect()
        await asyncio.sleep(0.001)
        assert brook.streams[0].is_closed


async def test_a_slow_listener_slows_the_server():
    """Nothing piles up, and waiting for the listener is not waiting for the server."""
    brook = Brook(answer(*(["x"] * 1000), every=0.0))
    async with engine_over(brook, idle_timeout=5) as engine:
        stream = engine.ask("lab/a", "hello", stream=True)
        taken = 0
        async for _ in stream:
            taken += 1
            await asyncio.sleep(0.5)
            read = 1001 - len(brook.streams[0].script)
            assert read - taken <= 2 * 64
        assert (taken, (await stream.outcome()).text) == (1000, "x" * 1000)


async def test_all_turns_of_a_conversation_are_heard():
    async with engine_over(Brook(answer("a", "b"), plain("whole"), answer("c"))) as engine:
        stream = engine.ask("lab/a", ["one", "two", "three"], stream=True)
        deltas = [delta async for delta in stream]
        assert [(delta.turn, delta.text) for delta in deltas] == [(0, "a"), (0, "b"), (1, "whole"), (2, "c")]
        assert [response.text for response in (await stream.outcome()).responses] == ["ab", "whole", "c"]


async def test_a_fault_in_a_later_turn_keeps_the_earlier_ones():
    async with engine_over(Brook(answer("a", "b"), BROKEN)) as engine:
        stream = engine.ask("lab/a", ["one", "two"], stream=True)
        await heard(stream)
        outcome = await stream.outcome()
        assert ([response.text for response in outcome.responses], outcome.partial) == (["ab"], "Once")


async def test_what_cannot_be_streamed_comes_whole():
    far = ScriptedEndpoint(lambda _: Reply(latency=2.0))
    async with engine_over(Brook(plain("all at once")), far) as engine:
        assert await heard(engine.ask("lab/a", "hello", stream=True)) == [(0.0, "all at once")]
        assert await heard(engine.ask("far/a", "hello", stream=True)) == [(2.0, "echo: hello")]
        outcome = await engine.ask("far/a", "hello")
        assert outcome.response.time_to_first_token is None


async def test_what_is_cached_comes_whole(tmp_path):
    brook = Brook(answer("a", "b"))
    async with engine_over(brook, cache=tmp_path) as engine:
        for expected in (["a", "b"], ["ab"]):
            stream = engine.ask("lab/a", "hello", stream=True)
            assert [text for _, text in await heard(stream)] == expected
            assert (await stream.outcome()).text == "ab"
            await engine.cache.flush()
    assert len(brook.sent) == 1


async def test_several_answers_say_which_they_are():
    choices = [{"index": n, "delta": {"content": f"{n}"}, "finish_reason": "stop"} for n in range(2)]
    async with engine_over(Brook([(1.0, event(choices=choices) + end())])) as engine:
        stream = engine.ask("lab/a", "hello", params={"n": 2}, stream=True)
        assert [delta async for delta in stream] == [Delta("0"), Delta("1", choice=1)]
        assert (await stream.outcome()).text == ["0", "1"]


async def test_its_timeout_ends_it_with_what_was_heard():
    async with engine_over(Brook(answer(*"abcdef"))) as engine:
        stream = engine.ask("lab/a", "hello", timeout=2.5, stream=True)
        assert [text for _, text in await heard(stream)] == ["a", "b"]
        outcome = await stream.outcome()
        assert (now(), outcome.fault.kind, outcome.partial) == (2.5, FaultKind.TIMEOUT, "ab")


async def test_mistakes_are_raised_where_somebody_listens():
    engine = engine_over(Brook(answer("a")))
    with pytest.raises(UsageError):
        await heard(engine.ask("lab/a", "hello", stream=True))
    async with engine:
        stream = engine.ask("nowhere/a", "hello", stream=True)
        with pytest.raises(ConfigError):
            await heard(stream)
        with pytest.raises(ConfigError):
            await stream.outcome()
        stream = engine.ask("lab/a", {"prompt": 5}, stream=True)
        assert await heard(stream) == []
        assert (await stream.outcome()).fault.kind is FaultKind.INVALID_REQUEST


async def test_closing_the_engine_ends_it_with_an_error():
    async with engine_over(Brook([(1.0, piece("a")), (1.0, STALL)])) as engine:
        listening = asyncio.create_task(heard(engine.ask("lab/a", "hello", stream=True)))
        await asyncio.sleep(5)
    with pytest.raises(UsageError):
        await listening


# Silence.


@pytest.mark.parametrize(
    ("reply", "before", "after", "awaited"),
    [
        (plain("late"), 100.0, 60.0, "its reply"),
        ([(100.0, piece("late"))], 0.0, 60.0, "the first piece of its answer"),
        ([(50.0, b": keep-alive\n\n"), (50.0, b": keep-alive\n\n"), (1.0, STALL)], 0.0, 160.0, "the first piece of its answer"),
        ([(50.0, piece("a")), (50.0, piece("b")), (60.1, piece("c"))], 0.0, 160.0, "the rest of its answer"),
    ],
)  # fmt: skip
async def test_silence_is_a_fault_that_says_what_was_awaited(reply, before, after, awaited):
    brook = Brook(reply, before=before)
    async with engine_over(brook, max_tries=1, stream=True) as engine:
        outcome = await engine.ask("lab/a", "hello")
    assert (now(), outcome.fault.kind) == (after, FaultKind.TIMEOUT)
    assert (
        outcome.fault.detail == f"the server sent nothing for 60 s (idle_timeout) while {awaited} was awaited"
    )
    assert all(stream.is_closed for stream in brook.streams)


async def test_what_keeps_coming_may_take_its_time():
    async with engine_over(Brook(answer(*"abcdefgh", every=59.9)), max_tries=1, stream=True) as engine:
        assert (await engine.ask("lab/a", "hello")).text == "abcdefgh"


async def test_the_whole_attempt_has_its_timeout_too():
    async with engine_over(
        Brook(answer(*"abcdef", every=50.0)), max_tries=1, stream=True, timeout=120
    ) as engine:
        outcome = await engine.ask("lab/a", "hello")
        assert (now(), outcome.fault.kind, outcome.fault.detail) == (
            120,
            FaultKind.TIMEOUT,
            "no complete reply within 120 s",
        )


async def test_the_time_to_connect_is_not_silence():
    class Far(Brook):
        async def stream(self, request, departed):
            await asyncio.sleep(9)
            return await super().stream(request, departed)

    async with engine_over(Far(answer("a", every=4.0)), idle_timeout=5, stream=True) as engine:
        outcome = await engine.ask("lab/a", "hello")
        assert (outcome.attempts, outcome.response.time_to_first_token) == (1, 4.0)


# Nobody listens.


async def test_a_run_streams_and_retries_whatever_has_come():
    brook = Brook([(1.0, piece("half")), (1.0, STALL)], BROKEN, answer("a", "b", tokens=11))
    async with engine_over(brook, stream=True, idle_timeout=10) as engine:
        run = await whole_run(engine, requests(1))
        outcome = run.sink.kept[0]
    assert (outcome.text, outcome.attempts, outcome.response.time_per_output_token) == ("ab", 3, 0.1)
    assert all(sent["stream"] for sent in brook.sent)
    assert all(stream.is_closed for stream in brook.streams)
