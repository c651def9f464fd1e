"""A loop whose clock jumps: hours of limits run in milliseconds, and a deadlock is an error instead of a hang.

It is an ordinary selector loop with another idea of time. Whenever nothing can run, the clock jumps to the next
timer. Two things of the outside world it waits for in real time instead: threads that `run_in_executor` or
`asyncio.to_thread` have started, and sockets, which get a moment to deliver what was written to them.

What it cannot do: child processes and threads of other makes (their time is not ours), and uvloop.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Every task waits, and nothing will ever wake one."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock jumps to the next timer once nothing else can run.

    Args:
        start: What its clock shows at first, seconds.
        patience: Real seconds in which a thread has to end, or something outside has to happen when no timer is set.
        grace: Real seconds for which sockets are looked at before the clock jumps.

    Raises:
        Deadlock: From whatever runs the loop.
    """

    def __init__(self, *, start: float = 0.0, patience: float = 10.0, grace: float = 0.001) -> None:
        self._jumping = _JumpingSelector(start, patience, grace, self._report)
        super().__init__(self._jumping)
        self._jumping.own = len(self._jumping.get_map())

    def time(self) -> float:
        """Return the virtual time, seconds."""
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` in a thread; the clock stands still until it has returned."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self._jumping.threads -= 1

    def _report(self) -> str:
        tasks = "\n".join(f"  {task!r}" for task in asyncio.all_tasks(self))
        return f"every task waits, and nothing will wake one:\n{tasks}"


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for sockets and threads as long as they may need; for a timer it does not wait but sets the clock.

    Attributes:
        now: The virtual time, seconds.
        threads: Threads at work.
        own: Sockets that are the loop's own.
    """

    def __init__(self, now: float, patience: float, grace: float, report: Callable[[], str]) -> None:
        super().__init__()
        self.now = now
        self.threads = 0
        self.own = 0
        self._patience = patience
        self._grace = grace
        self._report = report

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready. The loop says None if it has no timer, and 0 if it has something to run."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.threads:
            if not (ready := super().select(self._patience)):
                raise Deadlock(f"{self.threads} threads did not end within {self._patience:g} s")
            return ready
        if timeout is None:
            if not (ready := super().select(self._patience)):
                raise Deadlock(self._report())
            return ready
        if len(self.get_map()) > self.own and (ready := super().select(self._grace)):
            return ready
        self.now = round(self.now + timeout, 9)  # the loop subtracts; sums must not drift
        return []


def run_virtual(main: Coroutine[Any, Any, T], *, start: float = 0.0, patience: float = 10.0) -> T:
    """Run a coroutine on a loop of its own, like `asyncio.run`, and see that it leaves nothing behind.

    Raises:
        Deadlock: It can never end.
        AssertionError: Tasks were left.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start=start, patience=patience)) as runner:
        result = runner.run(main)
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks were left: {left}"
        return result
