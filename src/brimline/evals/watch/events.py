"""What a watcher has to tell, as values: lines for people, objects for programs."""

from typing import TypeAlias

import msgspec


class Taken(msgspec.Struct, frozen=True, tag_field="event", tag="taken"):
    """A file is run now: so many requests, of which so many are left to send."""

    file: str
    requests: int
    to_send: int


class Progressed(msgspec.Struct, frozen=True, tag_field="event", tag="progress"):
    """How a file stands: requests with an outcome of all, failed ones, seconds left or None if nobody knows."""

    file: str
    done: int
    requests: int
    failed: int
    seconds_left: float | None


class Done(msgspec.Struct, frozen=True, tag_field="event", tag="done"):
    """Every request of a file has its outcome; `too_many_failed` says whether more failed than may."""

    file: str
    ok: int
    failed: int
    seconds: float
    results: str
    too_many_failed: bool


class Rejected(msgspec.Struct, frozen=True, tag_field="event", tag="rejected"):
    """A file cannot be run and was put aside with these problems."""

    file: str
    to: str
    problems: tuple[str, ...]


class Postponed(msgspec.Struct, frozen=True, tag_field="event", tag="postponed"):
    """A file could not be run to its end; it stays where it is and is tried again after `seconds`.

    `waits` says that a provider asked for too long a wait.
    """

    file: str
    reason: str
    seconds: float
    waits: bool


class Interrupted(msgspec.Struct, frozen=True, tag_field="event", tag="interrupted"):
    """A file was stopped with so many requests pending; the next watcher goes on with it."""

    file: str
    pending: int


class Elsewhere(msgspec.Struct, frozen=True, tag_field="event", tag="elsewhere"):
    """Another process runs a file, its number is `pid` if that is known."""

    file: str
    pid: int | None


class Notice(msgspec.Struct, frozen=True, tag_field="event", tag="notice"):
    """Something that people should know."""

    text: str


Event: TypeAlias = Taken | Progressed | Done | Rejected | Postponed | Interrupted | Elsewhere | Notice
