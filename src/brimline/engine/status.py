"""How a run stands, as a value: while it is alive by its own word, else by what is on file."""

import os
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from brimline.core.view import LimitView
from brimline.engine.clock import wall_clock
from brimline.engine.progress import Progress
from brimline.errors import OutputError
from brimline.store.attempts import name_request, read_history
from brimline.store.folder import FolderView
from brimline.store.lines import Recorded
from brimline.store.matching import Standing, standing_of
from brimline.store.results import ResultsReader

T = TypeVar("T")


class State(StrEnum):
    """What a run is doing, or how it ended."""

    RUNNING = "running"
    PAUSED = "paused"
    """Nothing is started until it is resumed."""
    STOPPING = "stopping"
    """Nothing more is started; what is in flight is finished."""
    BUSY = "busy"
    """It lives and takes no commands: it reads its input, or another version of brimline has started it."""
    COMPLETE = "complete"
    """Every request has its outcome."""
    INCOMPLETE = "incomplete"
    """It has ended and requests are pending."""
    KILLED = "killed"
    """Its process ended without a word."""
    UNKNOWN = "unknown"
    """There are results and no word of the run."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is declared for a model: quotas as text, and attempts in flight at once (None: not declared)."""

    quotas: tuple[str, ...]
    concurrency: int | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a run stands.

    Attributes:
        output: The results file.
        state: What it is doing, or how it ended.
        pid: Its process, where it lives.
        total: Its requests, or None where that is not known.
        ok: Requests that are answered.
        failed: Requests that are given up.
        pending: Requests without an outcome, or None.
        failures: Failed requests on file, by the kind of their fault; None while it runs.
        stopped: Why it was stopped early, or None.
        unfinished: Requests in flight when it was killed that have no answer; they may have been billed.
        began: When it began, RFC 3339, or None.
        ended: When it ended, or None.
        limits: What is declared for each model.
        seen: What was declared, advertised and learned of each model when it ended.
        progress: How each model stands, while it runs.
    """

    output: str
    state: State
    pid: int | None = None
    total: int | None = None
    ok: int = 0
    failed: int = 0
    pending: int | None = None
    failures: dict[str, int] | None = None
    stopped: str | None = None
    unfinished: int = 0
    began: str | None = None
    ended: str | None = None
    limits: dict[str, Limits] = {}
    seen: dict[str, tuple[LimitView, ...]] = {}
    progress: Progress | None = None


def status_on_file(output: Path) -> Status:
    """Return how a run stands that is not running, or takes no commands.

    Raises:
        OutputError: There are no such results, or they cannot be read.
    """
    folder = FolderView(output)
    if not output.is_file() and not folder.path.is_dir():
        raise OutputError(f"there is no run with the results {output}", hint="Name the file given with -o.")
    try:
        return _on_file(output, folder)
    except PermissionError as error:
        raise OutputError(f"{error.filename} cannot be read: {error.strerror}") from None


def runs_in(folder: Path) -> list[Path]:
    """Return the results files of the runs in a folder, by name."""
    return sorted(path.with_suffix("") for path in folder.glob("*.run") if (path / "lock").exists())


def _on_file(output: Path, folder: FolderView) -> Status:
    manifest = folder.read_manifest()
    owner = folder.owner()
    unfinished = set(read_history(folder.attempts, now=wall_clock(), span=0).unfinished)
    tally = _Tally()
    if output.is_file():
        reader = ResultsReader(output)
        tally.read(reader, unfinished)
        if reader.is_foreign and not manifest and not owner:
            raise OutputError(f"{output} is no results file of brimline", hint="Name the file given with -o.")
    total, failed = _number(manifest.get("requests")), sum(tally.failures.values())
    pending = None if total is None else max(0, total - tally.ok - failed)
    if manifest.get("ended"):
        pending = _number(manifest.get("missing"))
    return Status(
        output=os.fspath(output),
        state=_state(manifest, pending, owner),
        pid=owner,
        total=total,
        ok=tally.ok,
        failed=failed,
        pending=pending,
        failures=dict(tally.failures),
        stopped=_text(manifest.get("stopped")),
        unfinished=0 if owner else len(unfinished),
        began=_text(manifest.get("began")),
        ended=_text(manifest.get("ended")),
        limits=_read(manifest.get("models"), dict[str, Limits]),
        seen=_read(manifest.get("limits"), dict[str, tuple[LimitView, ...]]),
    )


class _Tally:
    """Counts the last word on each request; only those that failed are remembered."""

    def __init__(self) -> None:
        self.ok = 0
        self._failed: dict[bytes, str] = {}

    def read(self, lines: ResultsReader, unfinished: set[bytes]) -> None:
        for _, recorded in lines:
            if recorded.is_ok:
                self.ok += 1
                if self._failed:
                    self._failed.pop(_name(recorded), None)
            else:
                self._failed[_name(recorded)] = recorded.kind or "unknown"
            if unfinished and standing_of(recorded) is not Standing.TRANSIENT:
                unfinished.discard(name_request(recorded.id, recorded.key, recorded.sample))

    @property
    def failures(self) -> Counter[str]:
        return Counter(self._failed.values())


def _name(recorded: Recorded) -> bytes:
    return name_request(recorded.id, recorded.model, recorded.sample)


def _state(manifest: dict[str, Any], pending: int | None, owner: int | None) -> State:
    if owner:
        return State.BUSY
    if not manifest:
        return State.UNKNOWN
    if pending == 0:
        return State.COMPLETE
    return State.INCOMPLETE if manifest.get("ended") else State.KILLED


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _read(written: Any, kind: type[dict[str, T]]) -> dict[str, T]:
    """Read what an earlier run wrote down; what cannot be read is left out."""
    try:
        return msgspec.convert(written, kind)
    except msgspec.ValidationError:
        return {}
