"""A results file that was cut or damaged: a run keeps every whole line and sends the rest, no more."""

import pytest

from brimline.testing.scripted import Reply
from tests.crash.whole import Folder

ROWS = [{"prompt": text} for text in ("a", "", "ç", "d")]
ROWS[1] = {"prompt": ["one", "two"]}
EXCHANGES = [1, 2, 1, 1]


@pytest.fixture
async def finished(tmp_path):
    """A folder whose run is finished, and what its results hold."""
    folder = Folder(tmp_path / "run", lambda exchange: Reply(latency=0.1 * (exchange.place + 1)))
    folder.write(ROWS)
    assert (await folder.run("lab/a")).is_complete
    return folder, (folder.path / "out.jsonl").read_bytes()


async def sent_again(folder, data):
    """Run with these results, which are whole afterwards; return how many exchanges that cost, and its notices."""
    (folder.path / "out.jsonl").write_bytes(data)
    folder.endpoint.exchanges.clear()
    report = await folder.run("lab/a")
    assert report.is_complete
    assert [line["prompt"] for line in folder.results] == [row["prompt"] for row in ROWS]
    assert [line["response"] for line in folder.results] == [
        "echo: a",
        ["echo: one", "echo: two"],
        "echo: ç",
        "echo: d",
    ]
    return len(folder.endpoint.exchanges), report.notices


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(200)])])
async def test_cut_at_every_byte_only_what_is_not_whole_is_sent_again(finished, step):
    """Every eleventh, and those around the end of a line; the long run takes every one."""
    folder, whole = finished
    ends = [place for place, byte in enumerate(whole) if byte == 10]
    assert len(ends) == len(ROWS)
    near = {end + more for end in ends for more in (-1, 0, 1)}
    for cut in sorted({*range(0, len(whole) + 1, step), *near}):
        kept = sum(end <= cut for end in ends)  # a line that lacks nothing but its end is whole
        cost, notices = await sent_again(folder, whole[:cut])
        assert cost == sum(EXCHANGES[kept:]), cut
        torn = cut - (ends[kept - 1] + 1 if kept else 0)
        assert [notice for notice in notices if "torn" in notice] == (
            [f"{folder.path / 'out.jsonl'}: the last {torn} bytes were torn by a crash and were cut off"]
            if torn > 0
            else []
        )


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 511, b"\0" * 4096 + b"\n", b'{"id":3,"resp', b"\xff\xfe"])
async def test_what_a_crash_appends_is_cut_and_costs_nothing(finished, tail):
    folder, whole = finished
    cost, notices = await sent_again(folder, whole + tail)
    assert cost == 0
    assert f"the last {len(tail)} bytes were torn" in notices[0]
    assert (folder.path / "out.jsonl").read_bytes() == whole


async def test_zeros_in_place_of_a_line_cost_that_line(finished):
    """A file system may bring back a file as long as it was, with a hole where data had not been written."""
    folder, whole = finished
    lines = whole.splitlines(keepends=True)
    cost, _ = await sent_again(folder, lines[0] + bytes(len(lines[1])) + lines[2] + lines[3])
    assert cost == sum(EXCHANGES[1:3]), "zeros swallow the end of their line, and so the next one"


async def test_an_empty_file_is_a_new_beginning(finished):
    folder, _ = finished
    assert (await sent_again(folder, b""))[0] == sum(EXCHANGES)
