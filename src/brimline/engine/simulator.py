"""`sim/...` models: the simulator, started on loopback in its own process when it is first needed."""

import asyncio
import os
import sys

from brimline.errors import RunError

PATIENCE = 30.0
"""Seconds the simulator has to start."""


class SimulatorProcess:
    """The simulator as a child. It ends with us, whatever ends us: it watches its standard input."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, scenario: str | None) -> str:
        """Start it and return its base URL.

        Raises:
            RunError: It did not start; the message has its own words.
        """
        command = [sys.executable, "-m", "brimline", "sim", "--port", "0", "--with-parent"]
        if scenario is not None:
            command += ["--scenario", scenario]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line.startswith(b"http://"):
            raise RunError(f"the simulator did not start: {await self._last_words()}")
        return line.decode().strip()

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _last_words(self) -> str:
        assert self._process is not None
        assert self._process.stderr is not None
        if self._process.returncode is None:
            self._process.kill()
        return (await self._process.stderr.read()).decode("utf-8", "replace").strip()[-2000:]
