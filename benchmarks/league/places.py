"""The endpoints of a scenario: servers in processes of their own on loopback, and what they saw."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from benchmarks.league.environments import python_of
from benchmarks.process import HERE, Server, null_server, simulator

KNOWN_BY = 40
"""Characters of a prompt by which a log knows it; no two prompts are alike in them."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as the server saw it.

    Attributes:
        at: When it came, in seconds on the server's clock.
        done: When the last byte of the reply had left.
        status: What the client was told; 0 for nothing.
        is_answer: Whether it was an answer, handed over whole.
        prompt: How the prompt begins; empty where the server does not note it.
    """

    at: float
    done: float
    status: int
    is_answer: bool
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A place that is open: its base URL, and what arrived there so far, in order."""

    url: str
    arrivals: Callable[[], list[Arrival]]


class Place(Protocol):
    """Somewhere to send requests to."""

    is_alive: ClassVar[bool]
    """Whether a row that is sent there can be answered at all."""
    is_echo: ClassVar[bool]
    """Whether an answer holds its prompt."""

    def open(self, folder: Path) -> AbstractContextManager[Opened]:
        """Start it; `folder` is its own."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """brimline's simulator with a scenario (TOML); it keeps a ledger. If silent, a 429 says nothing but that."""

    scenario: str
    is_silent: bool = False
    is_alive: ClassVar[bool] = True
    is_echo: ClassVar[bool] = True

    @contextmanager
    def open(self, folder: Path) -> Iterator[Opened]:
        """Start it."""
        with _silent(folder, self.scenario) if self.is_silent else simulator(folder, self.scenario) as server:
            yield Opened(server.url, lambda: _in_order(map(_of_ledger, server.records("/sim/ledger"))))


@dataclass(frozen=True, slots=True)
class Slowapi:
    """FastAPI with slowapi's 2 requests a second, answering in randint(2, 5) s drawn from `seed`."""

    seed: int
    is_alive: ClassVar[bool] = True
    is_echo: ClassVar[bool] = True

    @contextmanager
    def open(self, folder: Path) -> Iterator[Opened]:
        """Start it in its own environment."""
        command = (python_of("servers"), HERE / "servers" / "slowapi_server.py", str(self.seed))
        with Server(command, folder) as server:
            yield Opened(server.url, lambda: _in_order(map(_of_slowapi, server.records("/log"))))


@dataclass(frozen=True, slots=True)
class Instant:
    """A server that answers at once, always the same, costs next to nothing and notes nothing."""

    is_alive: ClassVar[bool] = True
    is_echo: ClassVar[bool] = False

    @contextmanager
    def open(self, folder: Path) -> Iterator[Opened]:
        """Start it."""
        with null_server(folder) as server:
            yield Opened(server.url, list)


@dataclass(frozen=True, slots=True)
class Dead:
    """A port at which nobody listens: connections are refused."""

    is_alive: ClassVar[bool] = False
    is_echo: ClassVar[bool] = False

    @contextmanager
    def open(self, folder: Path) -> Iterator[Opened]:  # noqa: ARG002  as the others have it
        """Hold the port, so that nobody else listens there."""
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            yield Opened(f"http://127.0.0.1:{held.getsockname()[1]}/v1", list)


def _silent(folder: Path, scenario: str) -> Server:
    path = folder / "scenario.toml"
    path.write_text(f'{scenario}\nheaders = false\nretry_after = "none"\n', encoding="utf-8")
    script = HERE / "league" / "servers" / "silent_simulator.py"
    return Server((sys.executable, script, "--port", "0", "--with-parent", "--scenario", path), folder)


def _in_order(arrivals: Iterator[Arrival]) -> list[Arrival]:
    return sorted(arrivals, key=lambda arrival: arrival.at)


def _of_ledger(entry: dict[str, Any]) -> Arrival:
    prompt = entry["text"][:KNOWN_BY]
    return Arrival(entry["t"], entry["done"], entry["status"], entry["kind"] == "ok", prompt)


def _of_slowapi(entry: dict[str, Any]) -> Arrival:
    is_answer = entry["status"] == 200 and entry["draw"] is not None
    done = entry["done"] if entry["done"] is not None else entry["arrived"]
    return Arrival(entry["arrived"], done, entry["status"], is_answer)
