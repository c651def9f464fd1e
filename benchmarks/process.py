"""Whole processes: run to their end and measured by the kernel, or served from until nobody needs them any more."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.contract import BenchmarkError

HERE = Path(__file__).resolve().parent
STARTUP = 30.0
"""Seconds that a server may take to start, and a process to end that was asked to."""

_FOREIGN = ("OPENAI_", "BRIMLINE_", "XDG_", "HTTP_", "HTTPS_", "ALL_", "NO_PROXY", "PYTHON")
_MB = 1 << 20
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended.

    Attributes:
        code: Its exit code.
        wall: Seconds from its start to its end.
        cpu: Seconds of user and system time, as the kernel counted them.
        peak_mb: The most memory it held at once, MiB. The kernel starts from the size of the process that
            started it, so nothing below the size of this one (some 30 MiB) can be seen.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int
    wall: float
    cpu: float
    peak_mb: float
    out: str
    err: str

    def expect(self, *codes: int) -> Self:
        """Return itself.

        Raises:
            BenchmarkError: It ended with another code than one of these.
        """
        if self.code not in codes:
            raise BenchmarkError(f"exit code {self.code}: {self.err.strip()[-800:] or 'no word why'}")
        return self


def run_process(
    command: Sequence[str | Path],
    *,
    folder: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command in a folder to its end and measure it.

    Raises:
        BenchmarkError: It did not end within `timeout` seconds and was killed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=clean_environment(folder, environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        used = _await(process, timeout)
        wall = time.perf_counter() - began
        if wall >= timeout:
            raise BenchmarkError(f"a command did not end within {timeout:g} s")
        cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * _RSS_UNIT / _MB
        return Finished(process.returncode, wall, cpu, peak, _text(out), _text(err))


def _await(process: subprocess.Popen[bytes], timeout: float) -> resource.struct_rusage:
    """Wait for a process, kill it if it takes too long, and return what it has used."""
    alarm = threading.Timer(timeout, process.kill)
    alarm.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        alarm.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return used


def clean_environment(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without what would steer brimline, Python or a proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
    own = {"XDG_CONFIG_HOME": str(folder / "config"), "BRIMLINE_SHARE_FOLDER": str(folder / "shares")}
    return {**kept, **own, **(extra or {})}


def _text(file: Any) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


class Server:
    """A server in its own process. It prints its base URL first, and ends when its standard input is closed.

    Args:
        command: What starts it.
        folder: Where it runs.
    """

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self._command = [str(part) for part in command]
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=clean_environment(self._folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process = process
        alarm = threading.Timer(STARTUP, process.kill)
        alarm.start()
        self.url = process.stdout.readline().strip()
        alarm.cancel()
        if not self.url.startswith("http://"):
            self._stop(process)
            raise BenchmarkError(f"the server did not start: {Path(self._command[1]).name}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(self._process)

    def get(self, path: str) -> bytes:
        """Return what the server says at a path, outside the API."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url.removesuffix("/v1") + path, timeout=STARTUP) as reply:
            return reply.read()

    def records(self, path: str) -> list[dict[str, Any]]:
        """Return the JSON lines at a path."""
        return [json.loads(line) for line in self.get(path).splitlines()]

    def _stop(self, process: subprocess.Popen[str]) -> None:
        process.stdin.close()
        try:
            process.wait(STARTUP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def null_server(folder: Path) -> Server:
    """Return a server that answers at once and costs next to nothing."""
    return Server([sys.executable, HERE / "servers" / "null_server.py"], folder)


def slowapi_server(folder: Path, seed: int) -> Server:
    """Return a FastAPI server with slowapi's limit of 2 requests a second; `seed` decides its latencies."""
    return Server([sys.executable, HERE / "servers" / "slowapi_server.py", str(seed)], folder)


def simulator(folder: Path, scenario: str) -> Server:
    """Return brimline's simulator with a scenario; `/sim/ledger` says what it served."""
    path = folder / "scenario.toml"
    path.write_text(scenario)
    command = (sys.executable, "-m", "brimline", "sim", "--port", "0", "--with-parent", "--scenario", path)
    return Server(command, folder)
