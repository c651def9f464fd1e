"""The one place that reads clocks: the loop's for deciding, the wall's for writing down."""

import asyncio
import time

from brimline.core.time import SECOND


class Clock:
    """Nanoseconds of the running loop's clock, and how they relate to Unix time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.epoch = time.time_ns() - self.now()

    def now(self) -> int:
        """Return the present on a clock that never goes back, ns."""
        return round(self._loop.time() * 1e9)

    def wall(self) -> int:
        """Return Unix time, ns, as it was when the clock was made plus what has passed since."""
        return self.epoch + self.now()

    @property
    def offset(self) -> int:
        """Return what is to be added for the machine's monotonic clock, which all processes read alike, ns.

        The loops that there are read that very clock, but some keep the time at which a turn began.
        """
        offset = time.monotonic_ns() - self.now()
        return 0 if abs(offset) < SECOND else offset


def ticks() -> float:
    """Return seconds of a clock that never goes back, for spans outside the loop."""
    return time.monotonic()


def effort() -> int:
    """Return how much CPU the thread that asks has used, ns."""
    return time.thread_time_ns()


def wall_clock() -> int:
    """Return Unix time, ns."""
    return time.time_ns()
