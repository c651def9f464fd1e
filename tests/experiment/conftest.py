"""A data folder, rows, and experiments run in this process with a function that answers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from brimline.config import Config, Endpoint
from brimline.engine.engine import Engine
from brimline.evals.data_folder import DataFolder
from brimline.evals.experiment import open_experiment, run_experiment
from brimline.evals.queues import Queues

NOW = datetime(2026, 3, 4, 12, 30, 59, tzinfo=UTC).astimezone()
FAST = Queues(max_queries=60_000)


def rows(number, **more):
    return [
        {"id": f"r{n}", "api": "lab", "model_name": "m", "prompt": f"question {n}", **more}
        for n in range(number)
    ]


async def echo(request):
    """Answer with what was asked."""
    return f"echo: {request.messages[-1]['content']}"


class Lab:
    """A data folder in which experiments are run; each begins an hour after the one before."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "data").mkdir()
        self.data = DataFolder(folder / "data")
        self.now = NOW
        self.asked = []

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def open(self, file, queues=FAST, **more):
        self.now += timedelta(hours=1)
        return open_experiment(file, self.data, queues, now=self.now, **more)

    async def run(self, experiment, answer=echo, **options):
        async def ask(request):
            self.asked.append(request.id)
            return await answer(request)

        base = Config(endpoints={"lab": Endpoint(function=ask)}, environment={})
        async with Engine(config=experiment.configured(base)) as engine:
            return await run_experiment(engine, experiment, **options)

    def completed(self, experiment):
        return [json.loads(line) for line in experiment.files.completed.read_bytes().splitlines()]

    def names(self, folder="output"):
        """The files of a data folder, without what stands beside results."""
        found = (self.folder / "data" / folder).rglob("*")
        return sorted(path.name for path in found if path.is_file() and ".run" not in str(path))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Lab(tmp_path)
