"""Finished turns of unfinished conversations: paid for once, whatever happens in between."""

import asyncio
import gc

import msgspec
import pytest

from brimline.store import appender
from brimline.store.turns import TurnLog
from brimline.types import Rejection, Response, Usage
from tests.store.outcomes import request, response, success

ASKED = request("a", turns=4)
FULL = Response(
    text=["one", "two"],
    finish_reason="length",
    usage=Usage(1, 2, 3, 4, 5),
    model="x-2026",
    request_id="req_9",
    tool_calls=({"id": "c", "function": {"arguments": "{}"}},),
    raw=b'{"a": "\xc3\xa9"}',
)
BARE = Response(text="")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "turns.jsonl"


def opened(path):
    return TurnLog(path, stalled=lambda _: None)


async def keep(path, *turns, forget=()):
    log = opened(path)
    for asked, answer in turns:
        await log.append(asked, answer)
    for asked in forget:
        log.forget(success(asked))
    await log.close()


async def test_turns_survive_with_all_that_was_known_of_them(path):
    await keep(path, (ASKED, FULL), (ASKED, BARE))
    assert opened(path).kept(ASKED) == (FULL, BARE)
    assert opened(path).kept(ASKED) == (FULL, BARE), "reading does not use them up"


async def test_turns_of_several_processes_add_up(path):
    await keep(path, (ASKED, response("1")))
    await keep(path, (ASKED, response("2")))
    assert [turn.text for turn in opened(path).kept(ASKED)] == ["1", "2"]


async def test_a_conversation_has_its_own_turns_only(path):
    others = [
        request("b", turns=4),
        request("a", text="other", turns=4),
        request(0, turns=4),
        request("0", turns=4),
    ]
    await keep(path, *((other, response(str(number))) for number, other in enumerate(others)))
    log = opened(path)
    assert log.kept(ASKED) == ()
    assert [log.kept(other)[0].text for other in others] == ["0", "1", "2", "3"]


async def test_the_last_turn_is_always_asked_for_again(path):
    """A conversation whose turns are all kept has no outcome yet: its last exchange gives it one."""
    await keep(path, *[(request("a", turns=3), response(text)) for text in "123"])
    assert [turn.text for turn in opened(path).kept(request("a", turns=3))] == ["1", "2"]


async def test_what_has_its_outcome_is_forgotten_and_takes_no_room(path):
    other = request("b", turns=2)
    await keep(path, (ASKED, response("1")), (other, response("2")), forget=[ASKED])
    assert path.read_bytes().count(b"\n") == 3
    log = opened(path)
    assert (log.kept(ASKED), [turn.text for turn in log.kept(other)]) == ((), ["2"])
    assert path.read_bytes().count(b"\n") == 1


async def test_forgotten_within_a_process_means_forgotten(path):
    await keep(path, (ASKED, response("1")))
    log = opened(path)
    assert log.kept(ASKED)
    log.forget(success(ASKED))
    assert log.kept(ASKED) == ()
    await log.close()
    assert opened(path).kept(ASKED) == ()


async def test_a_single_exchange_leaves_no_trace(path):
    await keep(path, forget=[request("a")])
    assert not path.exists()


async def test_cut_at_every_byte_whole_turns_remain_and_more_can_be_kept(path):
    await keep(path, (ASKED, response("1")), (ASKED, response("2")))
    whole = path.read_bytes()
    for cut in range(0, len(whole) + 1, 3):
        path.write_bytes(whole[:cut])
        kept = opened(path).kept(ASKED)
        ends = [whole.index(b"\n"), len(whole) - 1]
        assert [turn.text for turn in kept] == ["1", "2"][: sum(cut >= end for end in ends)]
    path.write_bytes(whole[:-9])
    await keep(path, (ASKED, response("again")))
    assert [turn.text for turn in opened(path).kept(ASKED)] == ["1", "again"]


async def test_lines_that_are_none_are_passed_over(path):
    path.write_bytes(b'\0\0\n[]\n{"what":"turn"}\n{"what":"turn","key":"k","id":1,"text":5}\n\xff\n')
    await keep(path, (ASKED, response("1")))
    assert [turn.text for turn in opened(path).kept(ASKED)] == ["1"]
    assert all(msgspec.json.decode(line)["key"] == ASKED.key for line in path.read_bytes().splitlines())


async def test_a_process_that_dies_while_it_tidies_up_loses_nothing(path, monkeypatch):
    await keep(
        path, (ASKED, response("1")), (request("b", turns=2), response("2")), forget=[request("b", turns=2)]
    )
    before = path.read_bytes()

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", die)
    with pytest.raises(KeyboardInterrupt):
        opened(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert [turn.text for turn in opened(path).kept(ASKED)] == ["1"]


async def test_a_mark_that_could_not_be_written_troubles_nobody(path, monkeypatch):
    """The disk's failure is told by the line that matters; the mark only saves room."""
    heard = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))

    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(appender, "_sync", fail)
    await keep(path, forget=[ASKED])
    gc.collect()
    assert heard == []


BAD = Response(text="hm", rejection=Rejection("hm", "it is no JSON"))
GOOD = Response(text=" {}", document=" {}")


async def test_what_was_asked_for_again_is_kept_too_and_forgotten_with_its_outcome(path):
    asked = request("a", schema={})
    await keep(path, (asked, BAD))
    log = opened(path)
    assert log.kept(asked) == (BAD,)
    log.forget(success(asked, BAD, GOOD))
    await log.close()
    assert opened(path).kept(asked) == ()


async def test_what_was_rejected_is_no_turn_that_counts(path):
    asked = request("a", turns=2, schema={})
    await keep(path, (asked, BAD), (asked, GOOD), (asked, BAD), (asked, GOOD))
    assert opened(path).kept(asked) == (BAD, GOOD, BAD)
