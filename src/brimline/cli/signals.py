"""Signals: the first one lets what is in flight end, the second one stops at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

SIGNALLED = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""Exit codes after a signal."""

PATIENCE = 25.0
"""Seconds that requests in flight have after SIGTERM; those who send it seldom wait longer."""


@contextmanager
def heeding(
    stop: Callable[[], None], abort: Callable[[], None], say: Callable[[str], None]
) -> Iterator[list[signal.Signals]]:
    """Stop at the first signal, abort at the second; gives the list of those that have come."""
    loop, received = asyncio.get_running_loop(), list[signal.Signals]()

    def interrupt(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            abort()
            return
        stop()
        if number is not signal.SIGINT:
            loop.call_later(PATIENCE, abort)
        say("stopping: nothing more is sent, what is in flight is finished; once more to stop at once")

    for number in SIGNALLED:
        loop.add_signal_handler(number, partial(interrupt, number))
    try:
        yield received
    finally:
        for number in SIGNALLED:
            loop.remove_signal_handler(number)
