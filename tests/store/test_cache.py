"""The answer cache: what is kept under a name, what is forgotten, and what a file may go through."""

import multiprocessing
import os
import stat
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.errors import ConfigError
from brimline.store import cache as module
from brimline.store.cache import FILE, FRESH, AnswerCache, Occurrences
from brimline.store.folder import make_cache_folder
from tests.thorough import examples

LARGE = 10**9


@pytest.fixture
def cache(tmp_path):
    made = AnswerCache(tmp_path / "cache", size=LARGE)
    yield made
    made.close()


def names(*texts):
    return [text.encode() for text in texts]


def found(cache, *wanted, now=0):
    return cache.find([(name.encode(), number) for name, number in wanted], now)


def test_what_was_added_is_found_by_name_and_number_and_stays(tmp_path, cache):
    cache.add([(b"a", 0, b"one"), (b"b", 0, b"other"), (b"a", 2, b"three")], 0)
    cache.add([(b"a", 1, b"two"), (b"a", 0, b"late")], 0)
    wanted = [("a", 2), ("c", 0), ("b", 0), ("a", 0), ("b", 1), ("a", 1), ("a", 3)]
    expected = [b"three", None, b"other", b"one", None, b"two", None]
    assert found(cache, *wanted) == expected
    cache.close()
    again = AnswerCache(tmp_path / "cache", size=LARGE)
    assert found(again, *wanted) == expected
    again.close()


@examples(60)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([b"a", b"b", b""]), st.integers(0, 3), st.binary(max_size=5)),
            max_size=5,
        ),
        max_size=6,
    )
)
def test_equal_to_a_dict(tmp_path_factory, batches):
    cache, model = AnswerCache(tmp_path_factory.mktemp("cache"), size=LARGE), {}
    for now, batch in enumerate(batches):
        cache.add(batch, now)
        for name, number, body in batch:
            model.setdefault((name, number), body)
    wanted = [(name, number) for name in (b"a", b"b", b"") for number in range(5)]
    assert cache.find(wanted, 0) == [model.get(name) for name in wanted]
    cache.close()


def test_nobody_else_can_read_it(tmp_path, cache):
    cache.add([(b"a", 0, b"one")], 0)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").iterdir()} == {0o600}


# What is forgotten.


def size_of(cache):
    return module._bytes_used(cache._db)


def test_what_was_not_used_for_longest_is_forgotten_first_and_the_file_keeps_its_size(tmp_path):
    limit = 400_000
    cache = AnswerCache(tmp_path, size=limit)
    body = os.urandom(1000)
    for now in range(1000):
        cache.add([(b"%d" % now, 0, body)], now * 1000)
        if now % 10 == 0:
            assert found(cache, ("0", 0), now=now * 1000) == [body], "what is used stays"
    assert size_of(cache) <= limit
    assert (tmp_path / FILE).stat().st_size <= limit + 64 * 4096
    kept = [number for number in range(1, 1000) if found(cache, (f"{number}", 0), now=10**6)[0]]
    assert kept == [*range(kept[0], 1000)], "the others went in the order in which they came"
    assert 200 < len(kept) < 400
    cache.close()


def test_a_smaller_size_shrinks_the_file(tmp_path):
    cache = AnswerCache(tmp_path, size=LARGE)
    cache.add([(b"%d" % number, 0, os.urandom(3000)) for number in range(500)], 0)
    cache.close()
    cache = AnswerCache(tmp_path, size=100_000)
    cache.add([(b"last", 0, b"x")], 1)
    cache.close()
    assert (tmp_path / FILE).stat().st_size <= 100_000


def test_a_size_that_holds_nothing_keeps_nothing(tmp_path):
    cache = AnswerCache(tmp_path, size=1)
    cache.add([(b"a", 0, b"one")], 0)
    assert found(cache, ("a", 0)) == [None]
    assert cache.notices == []
    cache.close()


def test_a_use_is_noted_once_in_a_while(cache):
    cache.add([(b"a", 0, b"one")], 1000)
    for now, noted in ((1000 + FRESH, 1000), (1001 + FRESH, 1001 + FRESH)):
        found(cache, ("a", 0), now=now)
        assert cache._db.execute("SELECT used FROM answers").fetchall() == [(noted,)]


# What a file may go through.


@pytest.mark.parametrize("content", [b"no database at all" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_damaged_is_put_aside(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    cache = AnswerCache(tmp_path, size=LARGE)
    (notice,) = cache.notices
    assert "was damaged" in notice
    assert [path.read_bytes() for path in tmp_path.glob("*.damaged")] == [content]
    cache.add([(b"a", 0, b"one")], 0)
    assert found(cache, ("a", 0)) == [b"one"]
    cache.close()


def test_damage_that_shows_later_is_put_aside_then(tmp_path):
    cache = AnswerCache(tmp_path, size=LARGE)
    cache.add([(b"%d" % number, 0, os.urandom(900)) for number in range(300)], 0)
    cache.close()
    data = bytearray((tmp_path / FILE).read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    (tmp_path / FILE).write_bytes(data)
    cache = AnswerCache(tmp_path, size=LARGE)
    other = AnswerCache(tmp_path, size=LARGE)
    for user in (cache, other):
        assert found(user, *((f"{number}", 0) for number in range(300))) == [None] * 300
        user.add([(b"a", 0, b"one")], 0)
    other.add([(b"b", 0, b"two")], 0)
    assert found(cache, ("a", 0), ("b", 0)) == [b"one", b"two"], "both use the new file"
    assert len(cache.notices + other.notices) == 1
    cache.close()
    other.close()


def test_a_full_disk_ends_the_writing_only(cache):
    cache.add([(b"a", 0, b"one")], 0)
    (pages,) = cache._db.execute("PRAGMA page_count").fetchone()
    cache._db.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(3):
        cache.add([(b"b", 0, os.urandom(50_000))], 0)
    assert found(cache, ("a", 0), ("b", 0), now=10**6) == [b"one", None]
    (notice,) = cache.notices
    assert "database or disk is full" in notice


def test_another_process_that_writes_for_long_is_not_waited_for(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    cache.add([(b"a", 0, b"one")], 0)
    impatient = AnswerCache(tmp_path / "cache", size=LARGE)
    cache._db.execute("BEGIN IMMEDIATE")
    impatient.add([(b"b", 0, b"lost")], 0)
    assert found(impatient, ("a", 0), ("b", 0), now=10**6) == [b"one", None]
    cache._db.execute("COMMIT")
    impatient.add([(b"b", 0, b"kept")], 0)
    assert found(cache, ("b", 0)) == [b"kept"]
    assert impatient.notices == []
    impatient.close()


def _write_some(folder, who):
    cache = AnswerCache(folder, size=LARGE)
    for number in range(50):
        cache.add(
            [(b"shared", who * 50 + number, b"%d" % (who * 50 + number)), (b"one", number, b"%d" % who)], 0
        )
    cache.close()


@pytest.mark.parametrize("is_damaged", [False, True])
def test_several_processes_share_it(tmp_path, is_damaged):
    """They all open it at once; one puts a damaged file aside, and no answer is lost."""
    garbage = b"garbage" * 1000
    if is_damaged:
        (tmp_path / FILE).write_bytes(garbage)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_some, args=(tmp_path, who)) for who in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert [path.read_bytes() for path in tmp_path.glob("*.damaged")] == [garbage] * is_damaged
    cache = AnswerCache(tmp_path, size=LARGE)
    assert found(cache, *(("shared", number) for number in range(200))) == [b"%d" % n for n in range(200)]
    assert None not in found(cache, *(("one", number) for number in range(50)))
    cache.close()


def test_one_at_a_time_opens_it_or_puts_it_aside(tmp_path):
    opener = threading.Thread(target=lambda: AnswerCache(tmp_path, size=LARGE).close())
    with module._alone(tmp_path / "answers-1.lock"):
        opener.start()
        opener.join(0.2)
        assert opener.is_alive()
        assert not (tmp_path / FILE).exists()
    opener.join()
    assert (tmp_path / FILE).exists()


def test_two_in_one_process_do_not_take_each_others_locks(tmp_path):
    """POSIX gives up a file's locks when the process closes any handle of it: then others think that nobody uses it."""
    one = AnswerCache(tmp_path, size=LARGE)
    one.add([(b"a", 0, b"one")], 0)
    AnswerCache(tmp_path, size=LARGE).close()
    look = f"import sqlite3; db = sqlite3.connect({str(tmp_path / FILE)!r}); db.execute('SELECT * FROM answers'); db.close()"
    subprocess.run([sys.executable, "-c", look], check=True)
    assert (tmp_path / f"{FILE}-wal").exists(), "whoever leaves last clears up"
    one.close()
    assert not (tmp_path / f"{FILE}-wal").exists()


def test_a_folder_that_cannot_be_one_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        make_cache_folder(tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be made"):
        make_cache_folder(tmp_path / "file" / "in it")


@given(st.lists(st.sampled_from([b"a", b"b", b"c"])))
def test_occurrences_are_counted(came):
    occurrences = Occurrences()
    assert [occurrences.count(name) for name in came] == [
        came[:place].count(name) for place, name in enumerate(came)
    ]
    occurrences.close()
