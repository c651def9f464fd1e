"""One process writes a results file: the kernel knows which, and forgets it when it dies."""

import fcntl
import os
import subprocess
import sys

import pytest

from brimline.errors import OutputError, OutputLocked
from brimline.store.folder import RunFolder
from brimline.store.lock import Lock

HOLD = """
import sys
from pathlib import Path
from brimline.store.lock import Lock
lock = Lock(Path(sys.argv[1]), "out.jsonl")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.real_time
def test_another_process_is_named_and_gives_way_when_it_dies(tmp_path, holder):
    path = tmp_path / "lock"
    with pytest.raises(OutputLocked, match=f"out.jsonl is being written by process {holder.pid}") as locked:
        Lock(path, "out.jsonl")
    assert locked.value.pid == holder.pid
    assert locked.value.hint
    holder.kill()
    holder.wait()
    lock = Lock(path, "out.jsonl")
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_the_same_process_does_not_get_it_twice_and_gets_it_again(tmp_path):
    lock = Lock(tmp_path / "lock", "out.jsonl")
    with pytest.raises(OutputLocked) as locked:
        Lock(tmp_path / "lock", "out.jsonl")
    assert locked.value.pid == os.getpid()
    lock.release()
    Lock(tmp_path / "lock", "out.jsonl").release()


@pytest.mark.parametrize("content", ["", "garbage", "12x"])
def test_an_owner_that_has_not_said_who_it_is_has_no_pid(tmp_path, content):
    lock = Lock(tmp_path / "lock", "out.jsonl")
    (tmp_path / "lock").write_text(content)
    with pytest.raises(OutputLocked, match="by another process") as locked:
        Lock(tmp_path / "lock", "out.jsonl")
    assert locked.value.pid is None
    lock.release()


def test_a_long_pid_of_the_last_owner_is_written_over(tmp_path):
    (tmp_path / "lock").write_text("123456789012345\n")
    lock = Lock(tmp_path / "lock", "out.jsonl")
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_that_its_last_owner_removes_in_between_is_taken_anew(tmp_path, monkeypatch):
    """Or two processes would hold two files of the same name."""
    path, flock, tries = tmp_path / "lock", fcntl.flock, []

    def remove_first(fd, how):
        flock(fd, how)
        if not tries:
            path.unlink()
        tries.append(fd)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    lock = Lock(path, "out.jsonl")
    assert len(tries) == 2
    with pytest.raises(OutputLocked):
        Lock(path, "out.jsonl")
    lock.release()


# The folder beside the results.


def test_the_folder_is_named_after_the_results_and_locked(tmp_path):
    folder = RunFolder(tmp_path / "out.jsonl")
    assert folder.path == tmp_path / "out.jsonl.run"
    assert folder.is_new
    assert (folder.attempts.name, folder.turns.name) == ("attempts.jsonl", "turns.jsonl")
    assert folder.attempts.parent == folder.turns.parent == folder.path
    with pytest.raises(OutputLocked, match=r"out\.jsonl is being written"):
        RunFolder(tmp_path / "out.jsonl")
    folder.release()
    again = RunFolder(tmp_path / "out.jsonl")
    assert not again.is_new
    again.release()


def test_one_file_has_one_folder_by_whatever_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.jsonl"
    link.symlink_to(tmp_path / "out.jsonl")
    folder = RunFolder(link)
    assert folder.path == tmp_path / "out.jsonl.run"
    with pytest.raises(OutputLocked):
        RunFolder(tmp_path / "out.jsonl")
    folder.release()


def test_a_folder_where_nothing_was_run_goes_away(tmp_path):
    folder = RunFolder(tmp_path / "out.jsonl")
    folder.discard()
    folder.release()
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_holds_something_or_was_there_before_stays(tmp_path):
    for _ in range(2):
        folder = RunFolder(tmp_path / "out.jsonl")
        folder.write_manifest({"pid": 1})
        folder.discard()
        folder.release()
        assert folder.path.is_dir()
    (folder.path / "manifest.json").unlink()
    folder = RunFolder(tmp_path / "out.jsonl")
    folder.discard()
    folder.release()
    assert folder.path.is_dir()


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path):
    (tmp_path / "out.jsonl.run").write_text("a file")
    with pytest.raises(OutputError, match=r"out\.jsonl\.run"):
        RunFolder(tmp_path / "out.jsonl")


def test_the_manifest_is_replaced_as_a_whole_and_takes_any_name_of_a_file(tmp_path):
    folder = RunFolder(tmp_path / "out.jsonl")
    folder.write_manifest({"prompt": "x" * 10_000})
    folder.write_manifest({"input": "caf\udce9.jsonl", "prompt": "é"})
    text = (folder.path / "manifest.json").read_text(encoding="utf-8")
    assert text == '{\n  "input": "caf\\udce9.jsonl",\n  "prompt": "é"\n}\n'
    assert sorted(entry.name for entry in folder.path.iterdir()) == ["lock", "manifest.json"]
    folder.release()
