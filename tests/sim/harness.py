"""What the simulator's tests share: a world whose clock they hold, and scripts read as a client would."""

import random
import subprocess
import sys
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from brimline.sim import Exchange, Scenario, World
from brimline.sim.script import Script

SECOND = 1_000_000_000


class Reply(NamedTuple):
    """A script, read as a client would."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def content(self) -> str | None:
        return self.json["choices"][0]["message"]["content"]

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def events(self) -> list[bytes]:
        return [line.removeprefix(b"data: ") for line in self.body.split(b"\n\n") if line]


def read(script: Script | None) -> Reply:
    assert script is not None
    head, _, body = b"".join(data for _, data in script.pieces).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Reply(int(status.split()[1]), headers, body)


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


def chat(text: str = "hi", model: str = "m", **parameters: Any) -> bytes:
    messages = [{"role": "user", "content": text}]
    return msgspec.json.encode({"model": model, "messages": messages} | parameters)


class Provider:
    """A world with its hands on the clock."""

    def __init__(self, toml: str = "", **options: Any) -> None:
        scenario = Scenario.parse(toml)
        self.world = World(scenario, random.Random(scenario.seed), **options)
        self.now = 0

    def arrive(
        self, body: bytes | None = None, *, at: float | None = None, key: str | None = None
    ) -> Exchange:
        self.now = self.now if at is None else round(at * SECOND)
        return self.world.arrive(self.now, key, chat() if body is None else body)

    def leave(self, exchange: Exchange) -> list[Exchange]:
        return self.world.leave(self.now, exchange)

    def ask(self, *args: Any, **options: Any) -> Reply:
        """A request that is answered before the next one comes."""
        exchange = self.arrive(chat(*args, **options))
        self.leave(exchange)
        return read(exchange.script)


@contextmanager
def started(*options):
    """The process and its base URL; it is stopped with SIGTERM at the end."""
    command = [sys.executable, "-m", "brimline.sim", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(10)
