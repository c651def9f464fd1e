"""The command line in this process, for what ends before anything is sent."""

import json

import pytest

from brimline.cli.main import main
from tests.cli.lab import ROWS
from tests.servers import Cli


@pytest.fixture
def cli(tmp_path, monkeypatch, capsysbinary):
    """Run `brimline` in an empty folder; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "SIM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return exit_.value.code or 0, out.decode(), err.decode()

    return run


@pytest.fixture
def write(tmp_path):
    """Write a file: rows as JSONL, or bytes or text as they are."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def lab(tmp_path, simulator):
    """A command line whose `lab/...` models answer as the scenario says."""

    cli = Cli(tmp_path)

    def start(scenario="", rows=ROWS):
        cli.server = simulator(scenario)
        cli.lab(cli.server.url)
        cli.write("in.jsonl", rows)
        return cli

    yield start
    cli.stop()
