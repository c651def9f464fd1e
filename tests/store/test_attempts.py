"""The attempts log: what left and never ended, and what a quota's window still holds."""

import os
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.permit import Demand
from brimline.store import attempts
from brimline.store.attempts import GRAINS, AttemptsLog, History, Used, name_request, read_history
from tests.store.outcomes import request

DEMAND = Demand(1, 30, 20, 10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "attempts.jsonl"


def names(*ids):
    return {name_request(id_, request().key) for id_ in ids}


def run(path, at, *steps):
    """Write the log of one process: ids leave in order, `-n` ends the n-th, and then it is killed."""
    log = AttemptsLog(path, at=at)
    for moment, step in enumerate(steps, at + 1):
        if isinstance(step, int) and step < 0:
            log.end(moment, -step, "ok", (1, 2))
        else:
            log.start(moment, request(step), DEMAND)
    log.flush()
    os.close(log._fd)


def history(path, since=0):
    """Look back from a time after everything here, as far as `since`."""
    return read_history(path, now=1000, span=1000 - since)


def test_what_left_and_never_ended_is_unfinished(path):
    run(path, 100, "a", "b", "c", -2, "b", "d", -1, -4)
    assert history(path).unfinished == names("c", "d")


def test_a_bundle_names_each_of_its_requests(path):
    parts = tuple(request(id_) for id_ in "abc")
    log = AttemptsLog(path, at=100)
    log.start(101, replace(request("x"), parts=parts), DEMAND)
    log.start(102, replace(request("y"), parts=(request("d"), request("e", repeat=1))), DEMAND)
    log.end(103, 1, "ok", (1, 2))
    log.flush()
    os.close(log._fd)
    found = history(path)
    assert found.unfinished == {*names("d"), name_request("e", request().key, 1)}
    assert sum(used.requests for used in found.recent) == 2, "each is one request for every quota"


def test_there_is_no_history_without_a_log(path):
    assert history(path) == History(frozenset(), ())


def test_only_the_last_process_leaves_something_unfinished(path):
    """What an earlier one left was named when the next one began; numbers count from 1 in each."""
    run(path, 100, "a", "b")
    run(path, 200, "c", "d", -1)
    assert history(path).unfinished == names("d")
    run(path, 300)
    assert history(path).unfinished == frozenset()


def test_requests_are_told_apart_by_id_and_key():
    assert len({name_request(id_, key) for id_ in (0, "0", None, 0.0) for key in ("k", "l")}) == 8


def test_what_left_lately_is_known_by_what_it_used_or_else_by_its_estimate(path):
    log = AttemptsLog(path, at=100)
    log.end(115, log.start(110, request("a"), DEMAND), "ok", (7, 3))
    log.end(125, log.start(120, request("b"), DEMAND), "timeout", None)
    log.start(130, request("c", model="lab/y"), DEMAND)
    log.close()
    run(path, 200, "d")
    assert history(path, since=120).recent == (
        Used(120, "lab/x", 1, 20, 10),
        Used(130, "lab/y", 1, 20, 10),
        Used(201, "lab/x", 1, 20, 10),
    )
    assert history(path).recent[0] == Used(110, "lab/x", 1, 7, 3)
    assert history(path, since=202).recent == ()


def test_recent_is_in_order_of_leaving(path):
    run(path, 100, "a", "b", "c", -3, -1)
    assert [used.at for used in history(path).recent] == [101, 102, 103]


def test_nothing_is_written_before_the_flush_and_then_all_in_one_write(path, monkeypatch):
    log = AttemptsLog(path, at=1)
    for number in range(50):
        log.start(2, request(number), DEMAND)
    assert path.read_bytes() == b""
    writes = []
    disk = SimpleNamespace(write=lambda fd, data: (writes.append(data), os.write(fd, data))[1])
    monkeypatch.setattr(attempts, "os", disk)
    log.flush()
    log.flush()
    assert len(writes) == 1
    assert path.read_bytes().count(b"\n") == 51
    os.close(log._fd)


def test_a_full_disk_keeps_what_was_not_written_for_the_next_flush(path, monkeypatch):
    log = AttemptsLog(path, at=1)
    for number in range(9):
        log.start(2, request(number), DEMAND)
    room = [40, 0, 13, 0]

    def write(fd, data):
        taken = room.pop(0) if room else len(data)
        if not taken:
            raise OSError(28, "No space left on device")
        return os.write(fd, data[:taken])

    monkeypatch.setattr(attempts, "os", SimpleNamespace(write=write))
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            log.flush()
    log.start(3, request(9), DEMAND)
    log.flush()
    assert history(path).unfinished == names(*range(10))
    os.close(log._fd)


def test_cut_at_every_byte_it_still_reads_and_can_be_appended_to(path):
    run(path, 100, "a", "b", -1, "c")
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert history(path).unfinished <= names("a", "b", "c")
        run(path, 200, "d", "e", -1)
        assert history(path).unfinished == names("e"), "a torn line does not swallow the next"


@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b'{"what":"end","at":1,"number":9,"status":"ok"}', b"[1]"])
    )
)
def test_lines_that_are_none_are_passed_over(tmp_path_factory, garbage):
    path = tmp_path_factory.mktemp("run") / "attempts.jsonl"
    run(path, 100, "a")
    begin, left = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(begin + b"\n".join(line.replace(b"\n", b"") for line in garbage) + b"\n" + left)
    assert history(path).unfinished == names("a")


def test_a_line_says_who_where_and_when(path):
    run(path, 100, "a", -1)
    begin, left, ended = (msgspec.json.decode(line) for line in path.read_bytes().splitlines())
    assert begin == {"what": "begin", "at": 100, "pid": os.getpid()}
    assert left == {
        "what": "start",
        "at": 101,
        "number": 1,
        "id": "a",
        "key": request().key,
        "model": "lab/x",
        "input_tokens": 20,
        "output_tokens": 10,
    }
    assert ended == {
        "what": "end",
        "at": 102,
        "number": 1,
        "status": "ok",
        "input_tokens": 1,
        "output_tokens": 2,
    }


def test_a_day_of_attempts_is_remembered_in_few_pieces_that_hold_all_of_them(path):
    log = AttemptsLog(path, at=0)
    for n in range(20_000):
        log.end(n, log.start(n * 5, request(n, model=f"lab/{n % 2}"), DEMAND), "ok", (2, 1))
    log.close()
    recent = read_history(path, now=100_000, span=100_000).recent
    assert len(recent) <= 2.1 * GRAINS < 20_000
    assert sum(used.requests for used in recent) == 20_000
    assert sum(used.input_tokens for used in recent) == 40_000
    assert all(used.at >= n for n, used in enumerate(recent)), "none counts as earlier than it was"
