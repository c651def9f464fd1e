"""Patience: ends the wait of a task for which nothing has come for so long."""

import asyncio
from types import TracebackType
from typing import Self


class Patience:
    """Lets a task go on as long as something comes now and then; else TimeoutError is raised where it waits.

    As `asyncio.timeout`, but that to start anew costs no timer: it is called for every piece of every answer.

    Args:
        seconds: How long nothing may come.

    Attributes:
        is_over: Whether it came to an end.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        is_ours = self.is_over and self._task.uncancel() <= self._cancelling
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def begin(self) -> float:
        """Count from now, as something has come; return what time it is."""
        self._since = now = self._loop.time()
        if self._timer is None:
            self._look()
        return now

    def rest(self) -> None:
        """Do not count, until it begins anew."""
        self._since = None

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self._since is None else self._since) + self._seconds
        if due > now:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self.is_over = True
            self._task.cancel()
