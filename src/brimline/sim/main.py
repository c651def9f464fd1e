"""Run a server until it is told to stop."""

import asyncio
import resource
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path

import uvloop

from brimline.sim.scenario import Scenario
from brimline.sim.server import Clock, simulate

_OPEN_FILES = 65_536


def run(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ledger: str | Path | None = None,
    announce: Callable[[str], object] = lambda _url: None,
) -> None:
    """Serve until SIGINT or SIGTERM; blocks. Arguments and errors are those of `serve`."""
    _allow_many_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signalled(serve(scenario, host=host, port=port, ledger=ledger, announce=announce)))


async def serve(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ledger: str | Path | None = None,
    announce: Callable[[str], object] = lambda _url: None,
    clock: Clock = time.monotonic_ns,
) -> None:
    """Serve until cancelled; `announce` gets the base URL once connections are accepted.

    Port 0 takes a free one; `ledger` is a file that the entries are appended to. Raises OSError when the
    port or the file is not to be had, ScenarioError when a file to replay cannot be read.
    """
    async with simulate(scenario, host=host, port=port, ledger=ledger, clock=clock) as simulator:
        announce(simulator.url)
        await asyncio.Event().wait()


async def _until_signalled(serving: Coroutine[None, None, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(serving)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _allow_many_connections() -> None:
    """Raise the soft limit of open files: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS may refuse; a smaller limit still serves
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
