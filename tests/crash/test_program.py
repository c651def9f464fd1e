"""The real program where it cannot write as it would: a full disk, a file too large, no rights, another process."""

import os
import resource
import shutil
import subprocess
import time

import pytest

from tests.servers import Cli

pytestmark = pytest.mark.real_time

ROWS = [{"text": f"prompt {n}"} for n in range(200)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl", "--concurrency", "8")


@pytest.fixture
def lab(tmp_path, simulator):
    cli = Cli(tmp_path)
    cli.server = simulator('[models."*"]\nlatency = "20ms"\n')
    cli.lab(cli.server.url)
    cli.write("in.jsonl", ROWS)
    return cli


def check(cli):
    """Run it where nothing is in the way; nothing is lost, and what was sent twice was in flight."""
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    assert [line["response"] for line in cli.results("out.jsonl")] == [f"echo: {row['text']}" for row in ROWS]
    assert cli.server.stats["total"]["received"] <= len(ROWS) + 8


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_the_run_and_it_resumes(lab):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = lab(*RUN, preexec_fn=limit)
    assert done.returncode == 1
    assert "The run could not go on" in done.stderr
    assert "File too large" in done.stderr
    assert "running it again resumes" in done.stderr
    check(lab)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own with room for little."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("nobody may mount a disk here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_is_waited_for(lab, small_disk):
    """It says so, sends no more, and goes on by itself when there is room."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(200 * 1024))
    command = [str(small_disk / "out.jsonl") if word == "out.jsonl" else word for word in RUN]
    process = lab.start(*command, "--display", "lines")
    wait_until_still(lab.server)
    received = lab.server.stats["total"]["received"]
    assert 0 < received < len(ROWS)
    assert process.poll() is None
    filler.unlink()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert lab.server.stats["total"]["received"] == len(ROWS)
    assert len((small_disk / "out.jsonl").read_bytes().splitlines()) == len(ROWS)


def wait_until_still(server):
    """Wait until nothing has been sent for a second."""
    last, since, end = -1, time.monotonic(), time.monotonic() + 30
    while time.monotonic() - since < 1:
        assert time.monotonic() < end
        now = server.stats["total"]["received"]
        if now != last or not now:
            last, since = now, time.monotonic()
        time.sleep(0.05)


def check_refused(cli, output):
    """It is refused before anything is sent, and left as it was."""
    before, received = output.read_bytes(), cli.server.stats["total"]["received"]
    done = cli(*RUN[:-4], "-o", output)
    assert done.returncode == 2, done.stderr
    assert f"{output} cannot be written" in done.stderr
    assert "-o" in done.stderr
    assert output.read_bytes() == before
    assert cli.server.stats["total"]["received"] == received


def test_a_disk_that_may_only_be_read_is_refused(lab, small_disk):
    output = small_disk / "out.jsonl"
    assert lab(*RUN[:-4], "-o", output, "--limit", "5").returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    check_refused(lab, output)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read_is_refused(lab, tmp_path):
    lab(*RUN, "--limit", "5")
    (tmp_path / "out.jsonl").chmod(0o444)
    check_refused(lab, tmp_path / "out.jsonl")


def test_a_second_process_is_told_who_holds_the_results_by_whatever_name(lab, tmp_path):
    (tmp_path / "link.jsonl").symlink_to("out.jsonl")
    first = lab.start(*RUN, "--rate", "2/s")
    wait_until_busy(lab.server)
    for name in ("out.jsonl", "link.jsonl", "./out.jsonl"):
        second = lab(*(name if word == "out.jsonl" else word for word in RUN))
        assert second.returncode == 2, second.stderr
        assert f"is being written by process {first.pid}" in second.stderr
    first.kill()
    first.communicate()
    check(lab)


def wait_until_busy(server):
    end = time.monotonic() + 15
    while not server.stats["total"]["received"]:
        assert time.monotonic() < end
        time.sleep(0.02)
