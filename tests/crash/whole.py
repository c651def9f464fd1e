"""Whole runs over files in this process: the real program but for the provider and the clock."""

import json
import os
import random

from brimline.config import Config, Endpoint
from brimline.engine.engine import Engine
from brimline.engine.execution import Execution
from brimline.engine.options import RunOptions
from brimline.engine.prepared import prepare
from brimline.testing.scripted import ScriptedEndpoint

CONFIG = Config(
    endpoints={"lab": Endpoint(base_url="http://lab.invalid", key="none")},
    environment={},
)
OUTPUT = "out.jsonl"


class Folder:
    """A folder with an input and its results, and what was sent for them.

    Attributes:
        path: The folder.
        endpoint: What answers; it counts what left.
        visible: Names of the requests whose outcome was shown so far, in this or an earlier run.
        prepared: The last run as it was prepared.
        execution: The last run.
    """

    def __init__(self, path, script=None):
        path.mkdir(exist_ok=True)
        self.path = path
        self.endpoint = ScriptedEndpoint(script)
        self.visible = set()
        self.prepared = self.execution = None

    def write(self, rows, name="in.jsonl"):
        """Write the input, each time at another time: file systems do not tell a few milliseconds apart."""
        path = self.path / name
        later = path.stat().st_mtime + 1 if path.exists() else None
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if later is not None:
            os.utime(path, (later, later))

    async def run(self, *models, concurrency=4, name="in.jsonl", **options):
        """Run the input to its end and return the report."""
        asked = RunOptions(input=self.path / name, output=self.path / OUTPUT, models=models, **options)
        self.prepared = prepare(asked, CONFIG)
        engine = Engine(config=CONFIG, connect=self._connect, rng=random.Random(1), concurrency=concurrency)
        async with engine:
            self.execution = Execution(engine, self.prepared)
            watch = self.execution._run.watch
            self.execution._run.watch = lambda outcome: (watch(outcome), self._see(outcome))
            return await self.execution.run()

    async def _connect(self, _):
        return self.endpoint.live()

    def _see(self, outcome):
        self.visible.add((str(outcome.request.id), outcome.request.key))

    @property
    def results(self):
        """The lines of the results."""
        return lines(self.path / OUTPUT)

    @property
    def superseded(self):
        """The lines that were put aside."""
        return lines(self.path / f"{OUTPUT}.superseded.jsonl")


def lines(path):
    """Every line of a file, which must be whole."""
    data = path.read_bytes() if path.exists() else b""
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def named(line):
    """Who the request is that a line answers."""
    return str(line["id"]), line["key"]


def name_of(exchange):
    """Who the request of an exchange is, and the turn."""
    return (str(exchange.request.id), exchange.request.key), exchange.turn
