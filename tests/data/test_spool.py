"""A spool: written once, read at many places at a time, and gone when nobody holds it."""

import gc
import os
from itertools import pairwise

import pytest

from brimline.data.rows import JsonlTable
from brimline.data.spool import CHUNK, Spool
from brimline.errors import InputError, OutputError


def filled(*pieces):
    spool = Spool()
    for piece in pieces:
        spool.write(piece)
    return spool.source("stdin"), spool


def test_what_was_written_is_read_at_many_places_at_a_time():
    lines = [b'{"n": %d}\n' % n for n in range(50_000)]
    source, _ = filled(*lines)
    table = JsonlTable(source)
    first, second = table.scan(), table.scan()
    offsets = []
    for n, row in enumerate(first):
        offsets.append(row.offset)
        if n % 3 == 0:
            assert next(second).columns == {"n": n // 3}
        if n % 1000 == 0:
            assert [row.columns["n"] for row in table.read(offsets[::-500])] == [*range(n, -1, -500)]
    assert len(offsets) == 50_000
    assert all(one < other for one, other in pairwise(offsets))


def test_large_pieces_are_whole():
    piece = os.urandom(3 * CHUNK + 7)
    source, _ = filled(piece, b"end")
    with source.open() as file:
        assert file.read() == piece + b"end"


def test_its_stamp_tells_what_was_written():
    stamps = [filled(*pieces)[0].stamp for pieces in ([b"ab", b"c"], [b"abc"], [b"abd"], [b"abcd"])]
    assert stamps[0] == stamps[1]
    assert len({tuple(stamp) for stamp in stamps}) == 3


def test_it_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source, spool = filled(b"x")
    fd = spool.fd
    assert [*tmp_path.iterdir()] == []
    del source, spool
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_full_disk_says_where_and_what_to_do(monkeypatch):
    spool = Spool()

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    spool.write(b"x")
    with pytest.raises(InputError, match=r"(?s)cannot be copied to .*: No space left on device.*TMPDIR"):
        spool.source("stdin")


def test_it_is_saved_whole_or_not_at_all(tmp_path):
    _, spool = filled(b"one\n")
    spool.save(tmp_path / "kept.jsonl")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"kept.jsonl": b"one\n"}
    with pytest.raises(OutputError, match=r"none/kept.jsonl cannot be written: No such file"):
        spool.save(tmp_path / "none" / "kept.jsonl")
