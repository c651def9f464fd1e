"""Daybooks in files: what one process writes the others read, whatever dies, fills up or is removed meanwhile."""

import multiprocessing
import os
import signal
import time
from collections import Counter

import pytest

from brimline.core.daybook import Entry, Kind
from brimline.core.limits import LimitSet
from brimline.core.permit import Demand, NotUntil, Permit
from brimline.core.quota import parse_quotas
from brimline.core.time import DAY, MINUTE, SECOND
from brimline.store import daybook as module
from brimline.store import shares
from brimline.store.shares import ShareFolder

SPAWN = multiprocessing.get_context("spawn")


class Process:
    """A process as the folder sees it, with a clock that a test can move."""

    def __init__(self, path, *, offset=0):
        self.time, self.lost = SECOND, []
        self.folder = ShareFolder(
            path, now=lambda: self.time, wall=lambda: 10**18 + self.time, lost=self.lost.append, offset=offset
        )

    def daybook(self, name="x", window=MINUTE):
        return self.folder.daybook(name, window=window)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shares"


def take(at, amount=1, member=1):
    return Entry(Kind.TAKE, member, at, demand=Demand(amount, 5, 3, 2, 9))


def write(daybook, *entries):
    news = daybook.open()
    daybook.close(entries)
    return [*news.entries]


def read(daybook):
    return write(daybook)


def file(path):
    (found,) = path.glob("*.daybook")
    return found


def test_what_one_writes_the_other_reads_once(path):
    one, other = Process(path).daybook(), Process(path).daybook()
    entries = [take(5), Entry(Kind.HOLD, 2, 0, 77, slots=-3, place=-2, demand=Demand(1, 2, 3, 4, 5))]
    assert write(one, *entries) == []
    assert read(other) == entries
    assert read(other) == []
    assert write(one, take(6)) == []
    assert read(other) == [take(6)]


def test_clocks_that_differ_are_translated(path):
    """Loops may count from anywhere; the machine's clock is what they have in common."""
    one, other = Process(path).daybook(), Process(path, offset=1000).daybook()
    write(one, take(5000))
    assert read(other)[0].at == 4000
    write(other, take(4001))
    assert read(one)[0].at == 5001


def test_nobody_else_may_look_into_it(path):
    write(Process(path).daybook())
    assert path.stat().st_mode & 0o777 == 0o700
    assert all(entry.stat().st_mode & 0o777 == 0o600 for entry in path.iterdir())


def test_a_folder_that_others_may_write_to_is_not_used(path):
    path.mkdir(mode=0o700)
    path.chmod(0o777)
    with pytest.raises(PermissionError, match="others may look"):
        Process(path)


def test_a_folder_that_is_a_link_is_not_used(path, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="no folder"):
        Process(path)


def test_while_one_decides_the_other_does_not_wait(path):
    one, other = Process(path).daybook(), Process(path).daybook()
    read(other)
    one.open()
    assert other.open() is None
    one.close([take(1)])
    assert read(other) == [take(1)]


def test_a_process_that_was_stopped_with_the_lock_does_not_hold_up_others_for_long(path):
    one, waiting = Process(path).daybook(), Process(path)
    daybook = waiting.daybook()
    one.open()
    assert daybook.open() is None
    waiting.time += 3 * SECOND
    assert daybook.open() is not None
    assert not daybook.is_kept
    assert waiting.lost == ["a process that was stopped holds the lock"]
    daybook.close([take(1)])
    assert read(daybook) == []


@pytest.mark.parametrize("cut", range(1, 64, 7))
def test_a_torn_entry_is_overwritten(path, cut):
    one, other = Process(path).daybook(), Process(path).daybook()
    write(one, take(1), take(2))
    os.truncate(file(path), file(path).stat().st_size - cut)
    assert read(other) == [take(1)]
    write(other, take(3))
    assert read(Process(path).daybook()) == [take(1), take(3)]


@pytest.mark.parametrize("header", [b"", b"brimshr1 of another", b"x" * 64, b"brimshr0" + bytes(56)])
def test_a_file_that_is_no_daybook_or_another_format_is_begun_anew(path, header):
    daybook = Process(path).daybook()
    (path / "x.daybook").write_bytes(header + b"rest" * 64)
    assert write(daybook, take(1)) == []
    assert read(Process(path).daybook()) == [take(1)]


def test_a_file_from_another_boot_is_begun_anew(path, monkeypatch):
    write(Process(path).daybook(), take(1))
    monkeypatch.setattr(shares, "_boot", lambda: b"another boot....")
    assert read(Process(path).daybook()) == []


def test_where_no_boot_has_a_name_a_file_that_speaks_of_the_future_is_begun_anew(path, monkeypatch):
    monkeypatch.setattr(shares, "_boot", lambda: bytes(16))
    write(Process(path).daybook(), take(DAY), take(1))
    assert read(Process(path).daybook()) == []
    write(Process(path).daybook(), take(1))
    assert read(Process(path).daybook()) == [take(1)]


def test_it_is_known_since_when_it_holds_everything(path):
    daybook = Process(path).daybook()
    assert daybook.since() == 10**18 + SECOND
    later = Process(path)
    later.time = 50 * SECOND
    assert later.daybook().since() == 10**18 + SECOND
    assert read(later.daybook()) == []


def test_a_file_that_somebody_removes_is_made_again(path):
    """What was known stays known; from then on it is shared again."""
    maker = Process(path)
    one, other = maker.daybook(), Process(path).daybook()
    write(one, take(1))
    assert read(other) == [take(1)]
    file(path).unlink()
    maker.time += SECOND
    for _ in range(module.LOOKS):
        assert not one.open().whole
        one.close(())
        assert not other.open().whole
        other.close(())
    write(one, take(2))
    assert read(other) == [take(2)]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(5, "Input/output error")])
def test_a_disk_that_fails_ends_the_sharing_and_nothing_else(path, monkeypatch, error):
    process = Process(path)
    limits = LimitSet(parse_quotas("2/min burst 2"), daybook=process.daybook())

    def fail(*_):
        raise error

    assert isinstance(limits.acquire(SECOND, Demand()), Permit)
    monkeypatch.setattr(module.os, "pwrite", fail)
    assert isinstance(limits.acquire(SECOND, Demand()), Permit)
    assert isinstance(limits.acquire(SECOND, Demand()), NotUntil)
    assert not limits.is_shared
    assert process.lost == [error.strerror]


def test_a_disk_that_takes_half_an_entry_ends_the_sharing(path, monkeypatch):
    process = Process(path)
    daybook = process.daybook()
    write(daybook, take(1))
    whole = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda fd, data, at: whole(fd, data[:30], at))
    write(daybook, take(2))
    assert process.lost
    monkeypatch.undo()
    assert read(Process(path).daybook()) == [take(1)]


def test_it_is_made_shorter_and_all_read_the_same(path, monkeypatch):
    monkeypatch.setattr(module, "SPAN", 100)
    one, other = Process(path), Process(path)
    writer, reader = one.daybook(), other.daybook()
    write(writer, take(1))
    read(reader)
    for _ in range(1000):
        one.time += SECOND
        write(writer, take(one.time))
    assert file(path).stat().st_size < 64 * 300
    news = reader.open()
    reader.close(())
    assert news.whole
    assert sum(entry.demand.requests for entry in news.entries if entry.at > one.time - MINUTE) == 60
    assert reader.open() == ((), False)
    reader.close(())
    assert [path.suffix for path in path.iterdir() if path.suffix not in {".daybook", ".member"}] == []


def test_the_longest_window_of_anybody_is_kept(path, monkeypatch):
    """Who counts seconds does not make those forget who count days."""
    monkeypatch.setattr(module, "SPAN", 10)
    daily, quick = Process(path).daybook(window=DAY), Process(path)
    write(daily, take(SECOND))
    daybook = quick.daybook(window=SECOND)
    for _ in range(100):
        quick.time += MINUTE
        write(daybook, take(quick.time))
    assert sum(entry.demand.requests for entry in read(Process(path).daybook())) == 101


def test_a_daybook_is_told_again_from_its_beginning(path):
    daybook = Process(path).daybook()
    write(daybook, take(1), take(2))
    daybook.rewind(DAY)
    news = daybook.open()
    daybook.close(())
    assert news == ([take(1), take(2)], True)


def test_what_is_left_behind_is_removed(path):
    one = Process(path)
    write(one.daybook("old"), take(1))
    os.utime(path / "old.daybook", ns=(0, 0))
    write(one.daybook("new"), take(1))
    (path / "0badcafe.member").touch()
    second = 10**18 // 10**9
    os.utime(path / "new.daybook", (second, second))
    Process(path)
    names = sorted(entry.name for entry in path.iterdir())
    assert "new.daybook" in names
    assert "old.daybook" not in names
    assert "0badcafe.member" not in names


def test_a_member_lives_until_it_leaves(path):
    one, other = Process(path), Process(path)
    assert other.folder.is_alive(one.folder.member)
    assert other.folder.is_alive(other.folder.member)
    one.folder.close()
    assert not other.folder.is_alive(one.folder.member)
    assert not other.folder.is_alive(12345)


# Real processes.


def live(path, name, quotas, concurrency=None):
    """Return limits as an engine of this process would share them."""
    folder = ShareFolder(path, now=time.monotonic_ns, wall=time.time_ns, lost=print)
    daybook = folder.daybook(name, window=max((quota.window for quota in quotas), default=0))
    return LimitSet(quotas, concurrency, daybook=daybook)


def send(path, text, count, queue):
    """Send as fast as the limits allow, and say when."""
    module.SPAN = 50
    limits, gone = live(path, "x", parse_quotas(text)), []
    while len(gone) < count:
        now = time.monotonic_ns()
        answer = limits.acquire(now, Demand())
        if isinstance(answer, NotUntil):
            time.sleep(max(0, answer.when - now) / 1e9)
            continue
        gone.append(now)
        limits.depart(now, answer)
        limits.settle(answer, None)
        limits.release(answer)
        limits.publish(now)
    queue.put(gone)


def hold_slots(path, count, queue):
    limits = live(path, "x", (), count)
    queue.put(sum(isinstance(limits.acquire(time.monotonic_ns(), Demand()), Permit) for _ in range(count)))
    time.sleep(60)


@pytest.mark.real_time
@pytest.mark.timeout(50)
def test_four_processes_that_write_at_once_are_never_over(path):
    """Under load, with the file made shorter again and again."""
    queue = SPAWN.Queue()
    workers = [SPAWN.Process(target=send, args=(path, "300/s", 300, queue)) for _ in range(4)]
    for worker in workers:
        worker.start()
    gone = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    everything = sorted(at for times in gone for at in times)
    most = max(sum(start <= at < start + SECOND for at in everything) for start in everything[::7])
    assert most <= 300
    assert everything[-1] - everything[0] < 6 * SECOND


@pytest.mark.real_time
@pytest.mark.timeout(50)
def test_the_slots_of_a_killed_process_are_free_at_once(path):
    queue = SPAWN.Queue()
    holder = SPAWN.Process(target=hold_slots, args=(path, 3, queue))
    holder.start()
    assert queue.get() == 3
    limits = live(path, "x", (), 3)
    assert isinstance(limits.acquire(time.monotonic_ns(), Demand()), NotUntil)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    answers = Counter(type(limits.acquire(time.monotonic_ns(), Demand())) for _ in range(4))
    assert answers == {Permit: 3, NotUntil: 1}
