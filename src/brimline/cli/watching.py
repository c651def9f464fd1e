"""What people and programs see of a watcher, and what a shell gets of it."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import replace

import msgspec

from brimline.cli.display import Display
from brimline.cli.text import plural, span
from brimline.engine.progress import Progress
from brimline.evals.watch.events import (
    Done,
    Elsewhere,
    Event,
    Interrupted,
    Notice,
    Postponed,
    Progressed,
    Rejected,
    Taken,
)
from brimline.evals.watch.watcher import Watcher

INTERVAL = 10.0
"""Seconds between two looks at how files stand, where nothing is drawn."""

PROBLEMS = 5
"""So many problems of a bad file are shown; its reason has all."""

_WRONG = Rejected | Postponed | Notice
_encode = msgspec.json.Encoder().encode


class Teller:
    """Tells what a watcher does, and remembers what came of each file.

    Args:
        display: Where lines go, and how things stand if it draws.
        is_live: Whether the display draws.
        is_silent: Whether nothing is shown to people.
        quiet: Whether only what went wrong is.
        to_json: Whether everything is also written to standard output as JSON.
    """

    def __init__(
        self, display: Display, *, is_live: bool, is_silent: bool, quiet: bool, to_json: bool
    ) -> None:
        self._display = display
        self._is_live = is_live
        self._is_silent = is_silent
        self._quiet = quiet
        self._to_json = to_json
        self._last: dict[str, Event] = {}
        self._watcher: Watcher | None = None
        self._showing: asyncio.Task[None] | None = None

    async def follow(self, watcher: Watcher, *, once: bool) -> None:
        """Let a watcher run, and show how its files stand while any of them does; nothing is drawn while none does."""
        self._watcher = watcher
        try:
            await watcher.run(once=once)
        finally:
            if self._showing is not None:
                self._showing.cancel()
                with suppress(asyncio.CancelledError):
                    await self._showing

    def tell(self, event: Event) -> None:
        """Show an event, and remember it if it says what became of a file."""
        if isinstance(event, Done | Rejected | Postponed | Interrupted):
            self._last[event.file] = event
        if self._to_json:
            sys.stdout.buffer.write(_encode(event) + b"\n")
            sys.stdout.buffer.flush()
        if not self._quiet or isinstance(event, _WRONG):
            self._write(words(event))
        if isinstance(event, Taken) and self._showing is None:
            self._showing = asyncio.create_task(self._show())

    def say(self, text: str) -> None:
        """Show a line."""
        if not self._quiet:
            self._write(text)

    @property
    def is_interrupted(self) -> bool:
        """Whether a file was left with requests pending."""
        return any(isinstance(event, Interrupted) for event in self._last.values())

    def exit_code(self) -> int:
        """Return what came of all files, to a shell."""
        last = self._last.values()
        postponed = [event for event in last if isinstance(event, Postponed)]
        if any(not event.waits for event in postponed):
            return 1
        if any(isinstance(event, Rejected) for event in last):
            return 2
        if postponed:
            return 5
        return 3 if any(isinstance(event, Done) and event.too_many_failed for event in last) else 0

    def _write(self, text: str) -> None:
        if not self._is_silent:
            self._display.say(text)

    async def _show(self) -> None:
        """Show how files stand until none runs any more."""
        assert self._watcher is not None
        watcher = self._watcher
        drawing = None
        if self._is_live:
            drawing = asyncio.create_task(self._display.follow(lambda: together(watcher)))
        try:
            while watcher.progress():
                await asyncio.sleep(1.0 if self._is_live else INTERVAL)
                self._report(watcher)
        finally:
            self._showing = None
            if drawing is not None:
                drawing.cancel()
                with suppress(asyncio.CancelledError):
                    await drawing
        if not watcher.waiting() and not self._is_live:
            self.say("nothing left to do")

    def _report(self, watcher: Watcher) -> None:
        if self._is_live and not self._to_json:
            return
        progress = watcher.progress()
        for name, one in progress.items():
            event = Progressed(name, one.done, one.total or 0, one.failed, one.eta)
            if self._to_json:
                sys.stdout.buffer.write(_encode(event) + b"\n")
                sys.stdout.buffer.flush()
            if not self._is_live:
                self.say(words(event))
        if not self._is_live and watcher.waiting():
            self.say(_waiting(watcher, progress))


def together(watcher: Watcher) -> Progress:
    """Return how all files stand that run, as one."""
    progress = watcher.progress()
    files = [*progress.values()]
    models = tuple(
        replace(model, model=f"{name}: {model.model}")
        for name, one in progress.items()
        for model in one.models
    )
    notices = [one.notice for one in files if one.notice]
    if watcher.waiting():
        notices.append(_waiting(watcher, progress))
    return Progress(
        total=sum(one.total or 0 for one in files),
        before=sum(one.before for one in files),
        ok=sum(one.ok for one in files),
        failed=sum(one.failed for one in files),
        elapsed=max((one.elapsed for one in files), default=0.0),
        models=models,
        waiting=tuple(late for one in files for late in one.waiting),
        notice="; ".join(notices),
    )


def _waiting(watcher: Watcher, progress: dict[str, Progress]) -> str:
    left = watcher.left(progress)
    about = "" if left is None else f", about {span(left)} for all"
    verb = "waits" if watcher.waiting() == 1 else "wait"
    return f"{plural(watcher.waiting(), 'file')} {verb}{about}"


def words(event: Event) -> str:
    """Return an event as people read it."""
    match event:
        case Taken(file, requests, to_send):
            rest = f", {to_send:,} to send" if to_send != requests else ""
            return f"{file}: taken, {plural(requests, 'request')}{rest}"
        case Progressed(file, done, requests, failed, seconds):
            failures = f", {failed:,} failed" if failed else ""
            left = "" if seconds is None else f", {span(seconds)} left"
            return f"{file}: {done:,} of {requests:,}{failures}{left}"
        case Done(file, ok, failed, seconds, results, _):
            failures = f", {failed:,} failed" if failed else ""
            return f"{file}: done, {plural(ok, 'answer')}{failures}, {span(seconds)}: {results}"
        case Notice(text):
            return text
        case _:
            return _unfinished(event)


def _unfinished(event: Rejected | Postponed | Interrupted | Elsewhere) -> str:
    """Return why a file is not done."""
    match event:
        case Rejected(file, to, problems):
            more = [f"... and {len(problems) - PROBLEMS} more"] if len(problems) > PROBLEMS else []
            return "\n  ".join((
                f"{file}: cannot be run and was put aside: {to}",
                *problems[:PROBLEMS],
                *more,
            ))
        case Postponed(file, reason, seconds, _):
            return f"{file}: {reason}\n  It stays where it is and is tried again in {span(seconds)}."
        case Interrupted(file, pending):
            return f"{file}: stopped, {plural(pending, 'request')} pending; the next watcher goes on with it"
        case Elsewhere(file, pid):
            return f"{file}: is run by {f'process {pid}' if pid else 'another process'}"
