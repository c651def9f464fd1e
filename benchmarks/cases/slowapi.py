"""A server with a fixed window: 10 prompts at 2/s against FastAPI and slowapi, answers in randint(2, 5) s.

slowapi's window opens with the first request after the last one has closed, so the i-th request cannot start before
floor(i / 2) s, and with the latencies d that the server drew no client can be done before max(floor(i / 2) + d_i).
Measured at the server, from the first arrival to the last reply, as seconds above that bound. Ten rounds, each with a
server of its own and the same draws for all. The others (peers/) run in the first three rounds only: they are slow.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.brimline_cli import PROMPT, Brimline
from benchmarks.contract import BenchmarkError, Figure, Options
from benchmarks.inputs import write_questions
from benchmarks.process import HERE, run_process, slowapi_server

NEEDS = ("fastapi", "slowapi", "uvicorn")
COUNT = 10
TIMEOUT = 120.0
PEERS = {
    "thread pool of 2": "thread_pool",
    "bare gather with retries": "bare_gather",
    "token bucket in asyncio": "token_bucket",
}
PEER_ROUNDS = 3


def run(options: Options) -> list[Figure]:
    """Let the contenders take turns."""
    rows = write_questions(options.folder, COUNT)
    contenders = {"brimline": partial(run_brimline, rows)}
    contenders |= {name: partial(run_peer, script, options.folder) for name, script in PEERS.items()}
    logs: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in contenders}
    for number in options.turns(10):
        for name, contender in contenders.items():
            if name == "brimline" or number < PEER_ROUNDS:
                logs[name].append(served(options.folder, number, contender))
    own = logs["brimline"]
    return [
        Figure("brimline: above the bound", "s", [*map(above_bound, own)], bar=0.25, every=True),
        Figure("brimline: requests refused (429)", "", [*map(refused, own)], bar=0, every=True),
        *(Figure(f"{name}: first to last", "s", [*map(span, runs)]) for name, runs in logs.items()),
        *(Figure(f"{name}: above the bound", "s", [*map(above_bound, logs[name])]) for name in PEERS),
        *(Figure(f"{name}: requests refused (429)", "", [*map(refused, logs[name])]) for name in PEERS),
    ]


def served(folder: Path, seed: int, contender: Callable[[str], None]) -> list[dict[str, Any]]:
    """Let one contender loose on a new server and return the server's log."""
    with slowapi_server(folder, seed) as server:
        contender(server.url)
        log = server.records("/log")
    if len(accepted(log)) != COUNT:
        raise BenchmarkError(f"{len(accepted(log))} of {COUNT} prompts were answered")
    return log


def run_brimline(rows: Path, url: str) -> None:
    """Run brimline with the server's limit declared."""
    brimline = Brimline(rows.parent, url)
    brimline.forget()
    brimline.run(rows, "-m", "lab/x", *PROMPT, "--rate", "2/s", timeout=TIMEOUT).expect(0)


def run_peer(script: str, folder: Path, url: str) -> None:
    """Run a script of peers/."""
    command = [sys.executable, HERE / "peers" / f"{script}.py", url, str(COUNT)]
    run_process(command, folder=folder, timeout=TIMEOUT).expect(0)


def accepted(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requests that were answered, in order of arrival."""
    return [entry for entry in log if entry["status"] == 200]


def refused(log: list[dict[str, Any]]) -> int:
    """Return how many requests were refused."""
    return sum(entry["status"] == 429 for entry in log)


def span(log: list[dict[str, Any]]) -> float:
    """Return the seconds from the first arrival to the last reply."""
    return max(entry["done"] for entry in log) - min(entry["arrived"] for entry in log)


def above_bound(log: list[dict[str, Any]]) -> float:
    """Return the seconds beyond what is possible with the server's own draws."""
    return span(log) - max(number // 2 + entry["draw"] for number, entry in enumerate(accepted(log)))
