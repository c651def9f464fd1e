"""Appending: durable before it is said to be, in groups and in order, and whole whatever the disk does."""

import asyncio
import errno
import os
import threading

import pytest

from brimline.store import appender
from brimline.store.appender import Appender

LINES = [f"line {number} {'x' * number}\n".encode() for number in range(12)]


class Disk:
    """The kernel's files, of which some calls fail.

    Args:
        fail: Given the number of a write or sync from 1, returns the number of an error or None.
        torn: So many bytes of a failing write reach the file.
        takes: So many bytes are taken at once; the rest has to be written again.
    """

    def __init__(self, fail=lambda _: None, torn=0, takes=7):
        self.fail, self.torn, self.takes = fail, torn, takes
        self.calls = self.syncs = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        self.calls += 1
        if error := self.fail(self.calls):
            os.write(fd, data[: self.torn])
            raise OSError(error, os.strerror(error))
        return os.write(fd, data[: self.takes])

    def sync(self, _):
        self.calls += 1
        if error := self.fail(self.calls):
            raise OSError(error, os.strerror(error))
        self.syncs += 1


@pytest.fixture
def disk(monkeypatch):
    """Put a disk under the appender, which waits for nothing."""

    def use(*arguments, **options):
        made = Disk(*arguments, **options)
        monkeypatch.setattr(appender, "os", made)
        monkeypatch.setattr(appender, "_sync", made.sync)
        return made

    monkeypatch.setattr(appender, "INTERVAL", 0)
    monkeypatch.setattr(appender, "RETRY", 0)
    return use


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.jsonl"


def ignore(_):
    pass


async def test_lines_are_appended_in_order_to_what_is_there(path, disk):
    disk()
    path.write_bytes(b"before\n")
    file = Appender(path, stalled=ignore)
    for line in LINES:
        await file.append(line)
    await file.close()
    assert path.read_bytes() == b"before\n" + b"".join(LINES)


async def test_a_line_is_not_said_to_be_durable_before_the_sync_has_returned(path, monkeypatch):
    reached, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def sync(_):
        loop.call_soon_threadsafe(reached.set)
        go_on.wait()

    monkeypatch.setattr(appender, "_sync", sync)
    file = Appender(path, stalled=ignore)
    future = file.append(LINES[0])
    await reached.wait()
    assert path.read_bytes() == LINES[0]
    assert not future.done()
    go_on.set()
    await future
    await file.close()


async def test_lines_that_come_together_share_a_sync(path, disk):
    used, file = disk(), Appender(path, stalled=ignore)
    first = [file.append(line) for line in LINES[:6]]
    await first[0]
    assert all(future.done() for future in first)
    assert used.syncs == 1
    await asyncio.wait([file.append(line) for line in LINES[6:]])
    assert used.syncs == 2
    await file.close()
    assert path.read_bytes() == b"".join(LINES)


@pytest.mark.real_time
async def test_lines_that_trickle_in_share_a_sync_too(path, disk, monkeypatch):
    used, file = disk(takes=1000), Appender(path, stalled=ignore)
    monkeypatch.setattr(appender, "INTERVAL", 0.1)
    await file.append(LINES[0])
    for line in LINES[1:]:
        last = file.append(line)
        await asyncio.sleep(0)
    await last
    assert used.syncs == 2
    await file.close()


async def test_whoever_no_longer_waits_disturbs_nobody(path, disk):
    disk()
    file = Appender(path, stalled=ignore)
    futures = [file.append(line) for line in LINES]
    for future in futures[::2]:
        future.cancel()
    await asyncio.wait(futures)
    assert all(future.result() is None for future in futures[1::2])
    await file.close()
    assert path.read_bytes() == b"".join(LINES), "the line of a cancelled waiter was paid for, too"


class Writer:
    """Appends all lines, three at a time, and notes what the file holds whenever the disk is full."""

    def __init__(self, path):
        self.path = path
        self.heard, self.seen, self.durable = [], [], 0
        self.file = Appender(path, stalled=self.hear)

    def hear(self, error):
        self.heard.append(error and error.errno)
        self.seen.append(self.path.read_bytes())

    async def run(self):
        """Return, for each line, None or the error that it met."""
        results = []
        for start in range(0, len(LINES), 3):
            futures = [self.file.append(line) for line in LINES[start : start + 3]]
            await asyncio.wait(futures)
            results += [future.exception() for future in futures]
            self.durable = len([result for result in results if result is None])
            assert self.path.read_bytes().startswith(b"".join(LINES[: self.durable]))
        return results


PREFIXES = {b"".join(LINES[:count]) for count in range(len(LINES) + 1)}
CALLS = 40
"""More writes and syncs than a whole run needs."""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_full_at_any_call_it_stalls_says_so_and_goes_on(path, disk, code):
    """Whichever call fails, the file holds whole lines while it waits, and all of them in the end."""
    stalls = 0
    for bad in range(1, CALLS):
        path.unlink(missing_ok=True)
        disk(lambda call, bad=bad: code if bad <= call < bad + 1 + bad % 3 else None, torn=bad % 6)
        writer = Writer(path)
        assert await writer.run() == [None] * len(LINES)
        await writer.file.close()
        assert path.read_bytes() == b"".join(LINES)
        assert writer.heard in ([], [code, None]), "once when it stalls, once when it goes on"
        assert not writer.heard or writer.seen[0] in PREFIXES
        stalls += bool(writer.heard)
    assert 20 < stalls < CALLS - 1


async def test_broken_at_any_call_everything_from_there_on_fails_and_the_file_ends_with_a_whole_line(
    path, disk
):
    """What was said to be durable is there, what was refused is not, and it is never tried again."""
    failures = 0
    for bad in range(1, CALLS):
        path.unlink(missing_ok=True)
        used = disk(lambda call, bad=bad: errno.EIO if call >= bad else None, torn=bad % 6)
        writer = Writer(path)
        results = await writer.run()
        await writer.file.close()
        assert path.read_bytes() == b"".join(LINES[: writer.durable])
        refused = results[writer.durable :]
        assert all(error.errno == errno.EIO for error in refused)
        assert used.calls == bad or not refused
        failures += bool(refused)
    assert 20 < failures < CALLS - 1


@pytest.mark.parametrize("period", range(3, 12))
async def test_a_disk_that_fails_at_every_nth_call_is_written_to_in_the_end(path, disk, period):
    disk(lambda call: errno.ENOSPC if call % period == 0 else None, torn=3, takes=1000)
    writer = Writer(path)
    assert await writer.run() == [None] * len(LINES)
    await writer.file.close()
    assert path.read_bytes() == b"".join(LINES)
    assert {*writer.seen} <= PREFIXES


async def test_closing_while_the_disk_is_full_fails_what_it_never_took(path, disk):
    disk(lambda call: errno.ENOSPC if call > 3 else None, torn=2)
    full = asyncio.Event()
    file = Appender(path, stalled=lambda _: full.set())
    await file.append(LINES[0])
    late = [file.append(line) for line in LINES[1:3]]
    await full.wait()
    late.append(file.append(LINES[3]))
    await file.close()
    assert [future.exception().errno for future in late] == [errno.ENOSPC] * 3
    assert path.read_bytes() == LINES[0]


async def test_closing_writes_what_is_left_and_what_comes_meanwhile(path, disk):
    disk()
    file = Appender(path, stalled=ignore)
    futures = [file.append(LINES[0])]
    futures[0].add_done_callback(lambda _: futures.append(file.append(LINES[1])))
    await file.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert path.read_bytes() == LINES[0] + LINES[1]


async def test_a_closed_file_refuses_lines(path):
    file = Appender(path, stalled=ignore)
    await file.close()
    with pytest.raises(OSError, match="closed"):
        await file.append(LINES[0])
    assert path.read_bytes() == b""


async def test_closing_leaves_neither_file_nor_thread_behind(path):
    file = Appender(path, stalled=ignore)
    await file.append(LINES[0])
    await file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file._fd)
    assert not [thread for thread in threading.enumerate() if "brimline-journal" in thread.name]


async def test_nobody_else_inherits_the_file(path):
    """A child that keeps it open would keep it from being deleted, and its lock from being released."""
    file = Appender(path, stalled=ignore)
    assert os.get_inheritable(file._fd) is False
    await file.close()
