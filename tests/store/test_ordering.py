"""The final ordering: one line for each request, in order, and nothing is lost on the way."""

import errno
import os
import shutil
import subprocess
import sys
from array import array
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.store import ordering
from brimline.store.lines import result_line
from brimline.store.ordering import NoRoom, order_results
from tests.store.outcomes import request, success


def line(number):
    return result_line({"n": number}, success(request(number)))


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(line(2) + line(9) + line(0) + line(1))
    return path


def order(path, line_of, strays=(), **options):
    superseded = path.with_name("superseded.jsonl")
    return order_results(path, array("I", line_of), array("I", strays), superseded=superseded, **options)


@given(st.permutations(range(6)), st.integers(0, 6))
def test_every_request_gets_its_line_and_every_stray_is_kept_aside(tmp_path_factory, lines, requests):
    path = tmp_path_factory.mktemp("run") / "out.jsonl"
    path.write_bytes(b"".join(map(line, lines)))
    numbers = [lines.index(request) + 1 for request in range(requests)]
    strays = sorted({*range(1, 7)} - {*numbers})
    is_changed = order(path, numbers, strays)
    assert is_changed is (requests < 6 or [*lines] != [*range(6)])
    assert path.read_bytes() == b"".join(map(line, range(requests)))
    superseded = path.with_name("superseded.jsonl")
    assert superseded.exists() is bool(strays)
    assert not strays or superseded.read_bytes() == b"".join(line(lines[number - 1]) for number in strays)
    assert order(path, range(1, requests + 1)) is False, "the second time there is nothing to do"


def test_a_replaced_line_is_dropped(results):
    assert order(results, [3, 4, 1], ())
    assert results.read_bytes() == line(0) + line(1) + line(2)
    assert [*results.parent.iterdir()] == [results]


def test_lines_are_patched_also_where_they_are_in_order(results):
    """Rows before them may have left the input: what stands in order may still have old numbers."""
    assert order(results, [1, 2, 3, 4], patch=lambda number, text: text.replace(b'"n":', b'"n%d":' % number))
    assert results.read_bytes().splitlines()[3].startswith(b'{"n3":1')


def test_each_step_is_durable_before_the_next(results, monkeypatch):
    """Strays, then the copy, then the name, then the folder that holds the name: a power cut may come in between."""
    steps, folder = [], results.parent
    replace, fsync = Path.replace, os.fsync

    def sync(fd):
        found = [
            path.name for path in (folder, *folder.iterdir()) if path.stat().st_ino == os.fstat(fd).st_ino
        ]
        steps.append(*found)
        fsync(fd)

    def rename(path, target):
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    order(results, [3, 4, 1], [2])
    assert steps == ["superseded.jsonl", folder.name, "out.jsonl.ordering", "rename", folder.name]


def test_no_file_is_left_open(results):
    """The lowest free number of a file says so."""
    with Path(os.devnull).open() as before:
        lowest = before.fileno()
    order(results, [3, 4, 1], [2])
    with Path(os.devnull).open() as after:
        assert after.fileno() == lowest


def test_superseded_lines_are_added_to_those_before(results):
    superseded = results.with_name("superseded.jsonl")
    superseded.write_bytes(line(7))
    order(results, [3, 4, 1], [2])
    assert superseded.read_bytes() == line(7) + line(9)


@pytest.mark.parametrize(
    ("before", "after"), [(line(7)[:-1], line(7)), (line(7) + line(8)[:30], line(7)), (b"\0", b"")]
)
def test_superseded_lines_begin_on_a_line_of_their_own(results, before, after):
    """A crash may have torn the last one; it still stands in the results and comes again."""
    superseded = results.with_name("superseded.jsonl")
    superseded.write_bytes(before)
    order(results, [3, 4, 1], [2])
    assert superseded.read_bytes() == after + line(9)


def test_a_link_and_the_rights_of_the_file_stay(results, tmp_path):
    results.chmod(0o600)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.jsonl"
    link.symlink_to(results)
    assert order(link, [3, 4, 1], [2])
    assert link.is_symlink()
    assert results.read_bytes() == line(0) + line(1) + line(2)
    assert results.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "elsewhere" / "superseded.jsonl").read_bytes() == line(9)


def test_without_room_for_a_copy_nothing_is_touched(results, monkeypatch):
    before = results.read_bytes()
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=len(before) + ordering.CHUNK - 1)
    )
    with pytest.raises(NoRoom):
        order(results, [3, 4, 1], [2])
    assert [*results.parent.iterdir()] == [results]
    assert results.read_bytes() == before


def test_the_copy_that_a_crash_has_left_takes_no_room(results, monkeypatch):
    left = results.with_name("out.jsonl.ordering")
    left.write_bytes(line(2) * 100)
    room = 1 << 30

    def usage(_):
        return SimpleNamespace(free=0 if left.exists() else room)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert order(results, [3, 4, 1], [2])


def test_a_patch_that_fails_leaves_the_results_as_they_were(results):
    before = results.read_bytes()

    def fail(_, __):
        raise ValueError("the input was changed")

    with pytest.raises(ValueError, match="changed"):
        order(results, [3, 4, 1], patch=fail)
    assert results.read_bytes() == before
    assert [*results.parent.iterdir()] == [results], "the copy gives its room back"


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize(("code", "raised"), [("ENOSPC", NoRoom), ("EDQUOT", NoRoom), ("EIO", OSError)])
def test_a_disk_that_fails_on_the_way_leaves_the_results_as_they_were(
    results, monkeypatch, turn, code, raised
):
    before, number = results.read_bytes(), getattr(errno, code)
    syncs = []

    def sync(fd):
        syncs.append(fd)
        if len(syncs) == turn:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(raised):
        order(results, [3, 4, 1], [2])
    assert results.read_bytes() == before
    assert not results.with_name("out.jsonl.ordering").exists(), "the copy gives its room back"
    monkeypatch.undo()
    assert order(results, [3, 4, 1], [2])
    assert results.read_bytes() == line(0) + line(1) + line(2)
    assert line(9) in results.with_name("superseded.jsonl").read_bytes()


@pytest.mark.real_time
def test_killed_at_any_step_it_loses_nothing_and_can_be_done_again(tmp_path):
    program = Path(__file__).with_name("killed.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path], check=False, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50, "it died at every line that ran"
