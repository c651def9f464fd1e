"""The results file read back: cut at every byte, with zeros at its end, damaged in the middle."""

import os

import pytest

from brimline.errors import OutputError
from brimline.store.lines import batch_line, result_line
from brimline.store.results import ResultsReader, check_writable, make_results, mend_tail
from tests.store.outcomes import failure, request, success

LINES = [
    result_line({"text": "hi"}, success(request(0))),
    result_line({"text": "a\nb"}, failure(request(1))),
    batch_line(success(request("r-2"))),
]
IDS = [0, 1, "r-2"]
WHOLE = b"".join(LINES)
ENDS = [len(b"".join(LINES[:count])) for count in range(len(LINES) + 1)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.jsonl"


def read(path, data):
    path.write_bytes(data)
    reader = ResultsReader(path)
    return reader, [(number, recorded.id) for number, recorded in reader]


def test_cut_at_every_byte_it_gives_a_prefix_and_can_be_appended_to(path):
    """A line that lacks nothing but its end is whole: editors drop the last one, and the answer was paid for."""
    for cut in range(len(WHOLE) + 1):
        reader, found = read(path, WHOLE[:cut])
        whole = sum(end <= cut + 1 for end in ENDS[1:])
        assert found == [*enumerate(IDS[:whole], 1)]
        assert (reader.lines, reader.end, reader.unreadable) == (whole, min(cut, ENDS[whole]), 0)
        assert mend_tail(path, reader.end) == max(0, cut - ENDS[whole])
        assert path.read_bytes() == WHOLE[: ENDS[whole]]
        assert read(path, path.read_bytes() + LINES[0])[1] == [*found, (whole + 1, 0)]


@pytest.mark.parametrize("zeros", [b"\0", b"\0" * 4096, b"\0" * 10 + b"\n", b"\0" * 10 + LINES[0][40:]])
def test_zeros_at_the_end_are_cut_like_a_torn_line(path, zeros):
    reader, found = read(path, WHOLE + zeros)
    assert (len(found), reader.end) == (3, len(WHOLE))
    assert mend_tail(path, reader.end) == len(zeros)
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize(
    "damage", [b"\0" * 300 + b"\n", LINES[1][7:], LINES[1].replace(b'"', b"\xff"), b"\n"]
)
def test_a_damaged_line_in_the_middle_is_passed_over_and_keeps_its_number(path, damage):
    reader, found = read(path, damage + LINES[0] + damage + damage + LINES[2] + damage[:-1])
    assert found == [(2, 0), (5, "r-2")]
    assert [*reader.damaged] == [1, 3, 4]
    assert reader.end == 3 * len(damage) + len(LINES[0]) + len(LINES[2])


def test_every_flipped_bit_costs_one_line_at_most(path):
    """A flip within a text cannot be seen; none makes another line unreadable or gives a line twice."""
    for place in range(0, len(WHOLE), 7):
        data = bytearray(WHOLE)
        data[place] ^= 1 << place % 8
        _, found = read(path, bytes(data))
        assert len(found) >= len(LINES) - (2 if b"\n" in WHOLE[place : place + 1] else 1)
        assert len(found) == len({number for number, _ in found}) <= len(LINES) + 1


def test_what_is_no_results_file_is_told_from_a_torn_one(path):
    foreign = [b'{"text": "hi"}\n', b"id,text\n1,hi\n", b"# Notes\n", b"\n"]
    assert [(read(path, data)[0].is_foreign, read(path, data)[0].is_torn) for data in foreign] == [
        (True, False)
    ] * 4
    for torn in (b"\0" * 500, LINES[0][:50], b"# Notes"):
        reader, _ = read(path, torn)
        assert (reader.is_foreign, reader.is_torn) == (True, True), (
            "the folder beside it has to say whose it is"
        )
    for ours in (WHOLE, WHOLE[:-5], b"\0\n" + WHOLE):
        reader, _ = read(path, ours)
        assert (reader.is_foreign, reader.is_torn) == (False, False)
    assert read(path, b"")[0].is_foreign is False


# Where results can be written.


def test_a_place_for_results_is_tried_without_a_trace(tmp_path):
    check_writable(tmp_path / "new.jsonl")
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "old.jsonl").write_bytes(WHOLE)
    check_writable(tmp_path / "old.jsonl")
    assert (tmp_path / "old.jsonl").read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("name", "reason"),
    [(".", "is a folder"), ("none/out.jsonl", "does not exist"), ("file/out.jsonl", "does not exist")],
)
def test_a_place_where_nothing_can_be_written_is_refused(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=reason) as refused:
        check_writable(tmp_path / name)
    assert "-o" in refused.value.hint


@pytest.mark.parametrize("forbidden", ["out.jsonl", ""])
def test_both_the_file_and_its_folder_have_to_be_writable(path, monkeypatch, forbidden):
    """The folder, too: locks, logs and the ordered copy are made in it. (Who runs tests as root may write everywhere.)"""
    path.touch()
    monkeypatch.setattr(os, "access", lambda target, _: target != path.parent / forbidden)
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(path)


def test_the_file_is_made_where_there_is_none_and_left_alone_where_there_is(path):
    make_results(path)
    assert path.read_bytes() == b""
    path.write_bytes(WHOLE)
    make_results(path)
    assert path.read_bytes() == WHOLE


def test_what_a_killed_process_has_left_is_durable_before_it_counts(path, monkeypatch):
    path.write_bytes(WHOLE)
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), fsync(fd)))
    make_results(path)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino], "the file, and its name"


def test_a_file_that_cannot_be_made_after_all_is_an_error_that_says_why(path):
    path.symlink_to(path.parent / "gone" / "out.jsonl")
    check_writable(path)
    with pytest.raises(OutputError, match=r"out\.jsonl cannot be written: No such file"):
        make_results(path)
