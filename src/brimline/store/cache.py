"""Answers kept across runs in a SQLite file, each under the name of what was asked of whom.

Equal requests are samples, so a name may have several answers, each with a number. Nothing here ends a run: a file that is
damaged is put aside and a new one is begun, a full disk only ends the writing, and both are noted for people. Several
processes may use one file.

Used from one thread at a time; SQLite waits, so that thread is never the event loop's.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from brimline.store.folder import make_cache_folder

T = TypeVar("T")

FILE = "answers-1.sqlite"
"""The number is the version of what stands in it."""

PATIENCE = 2.0
"""Seconds to wait for another process that writes; then the cache is left alone this once."""

FRESH = 60
"""Seconds in which an answer's last use is not noted again."""

STEP = 64
"""Answers that are forgotten at a time."""

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS answers (
        name BLOB NOT NULL, number INTEGER NOT NULL, used INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (name, number)
    );
    CREATE INDEX IF NOT EXISTS by_use ON answers (used);
"""
_FIND = "SELECT rowid, used, body FROM answers WHERE name = ? AND number = ?"
_ADD = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)"
_TOUCH = "UPDATE answers SET used = ? WHERE rowid = ?"
_FORGET = "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers ORDER BY used LIMIT ?)"

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class AnswerCache:
    """The cache in one folder.

    Args:
        folder: Where it is; made if it does not exist, for its owner only.
        size: Bytes that its file may have; what was not used for longest is forgotten.

    Attributes:
        notices: What people should know.

    Raises:
        ConfigError: There can be no cache in that folder.
    """

    def __init__(self, folder: Path, *, size: int) -> None:
        make_cache_folder(folder)
        self._path = folder / FILE
        self._size = size
        self._takes = True
        self._inode = 0
        self._db: sqlite3.Connection | None = None
        self.notices: list[str] = []
        self._open()

    def find(self, wanted: Sequence[tuple[bytes, int]], now: int) -> list[bytes | None]:
        """Return the answers of these names and numbers, or None for those that there are not.

        Args:
            wanted: Names and numbers.
            now: Unix time, s.
        """
        found: list[bytes | None] = [None] * len(wanted)
        stale: list[tuple[int, int]] = []

        def look(db: sqlite3.Connection) -> None:
            for place, asked in enumerate(wanted):
                for row, used, body in db.execute(_FIND, asked):
                    found[place] = body
                    if used < now - FRESH:
                        stale.append((now, row))

        self._try(look)
        if stale and self._takes:
            self._write(lambda db: db.executemany(_TOUCH, stale))
        return found

    def add(self, answers: Sequence[tuple[bytes, int, bytes]], now: int) -> None:
        """Add answers that are not there yet, and forget the oldest ones if there is no room.

        Args:
            answers: Names, numbers and answers.
            now: Unix time, s.
        """
        rows = [(name, number, now, body) for name, number, body in answers]
        if self._takes and self._write(lambda db: db.executemany(_ADD, rows)):
            self._try(self._shrink)

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """Do something as a whole or not at all; return whether it was done."""

        def transact(db: sqlite3.Connection) -> None:
            with _transaction(db):
                work(db)

        return self._try(transact)

    def _shrink(self, db: sqlite3.Connection) -> None:
        """Forget what was not used for longest until the file has its size."""
        while _bytes_used(db) > self._size:
            with _transaction(db):
                if not db.execute(_FORGET, (STEP,)).rowcount:
                    break
        (pages,), (page,) = db.execute("PRAGMA page_count"), db.execute("PRAGMA page_size")
        if pages[0] * page[0] > self._size:
            db.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page

    def _try(self, work: Callable[[sqlite3.Connection], None]) -> bool:
        """Do something with the file; whatever is wrong with it is no reason to end a run."""
        if self._db is None:
            return False
        try:
            work(self._db)
        except sqlite3.Error as error:
            self._blame(error)
            return False
        return True

    def _blame(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            return
        if code in _DAMAGED:
            self._open(damaged=self._inode)
        elif self._takes:
            self._takes = False
            self.notices.append(f"the cache {self._path}: {error}; nothing more is kept in it")

    def _open(self, *, damaged: int | None = None) -> None:
        """Open the file, or a new one if it is damaged: then another process may have put it aside already."""
        self.close()
        try:
            with _alone(self._path.with_suffix(".lock")):
                if damaged is not None and self._path.stat().st_ino == damaged:
                    self._put_aside()
                self._db = self._connected()
        except (OSError, sqlite3.Error) as error:
            self.notices.append(f"the cache {self._path} cannot be used: {error}")

    def _connected(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            self._put_aside()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with suppress(
            FileExistsError
        ):  # to open what SQLite has open, and close it, would take its locks away
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        self._inode = self._path.stat().st_ino
        return db

    def _put_aside(self) -> None:
        aside = self._path.with_suffix(".damaged")
        self._path.replace(aside)
        for tail in ("-wal", "-shm"):
            self._path.with_name(self._path.name + tail).unlink(missing_ok=True)
        self.notices.append(
            f"the cache {self._path} was damaged; it is kept in {aside}, and a new one is begun"
        )


class Occurrences:
    """Counts how often each name came, in a temporary file where they are many."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (name BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")

    def count(self, name: bytes) -> int:
        """Return how often `name` came before."""
        count = (
            "INSERT INTO seen VALUES (?, 0) ON CONFLICT DO UPDATE SET number = number + 1 RETURNING number"
        )
        (row,) = self._db.execute(count, (name,)).fetchall()
        return int(row[0])

    def close(self) -> None:
        """Forget everything."""
        self._db.close()


def _bytes_used(db: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    pages, free, size = (
        db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Do all of it or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time open the file or put it aside."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
