"""The simulator in another process, and the command line in a third."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.forks import Fork


class SimServer:
    """A simulator in its own process, with its ledger."""

    def __init__(self, scenario=""):
        self._folder = tempfile.TemporaryDirectory(prefix="brimline-test-")
        path = Path(self._folder.name) / "scenario.toml"
        path.write_text(scenario)
        command = ["sim", "--port", "0", "--with-parent", "--scenario", str(path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = Fork(command, cwd=self._folder.name, env={**os.environ}, **pipes)
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://"), "the simulator did not start"

    def get(self, path):
        with urllib.request.urlopen(self.url.removesuffix("/v1") + path) as reply:
            return reply.read().decode()

    @property
    def ledger(self):
        return [json.loads(line) for line in self.get("/sim/ledger").splitlines()]

    @property
    def stats(self):
        return json.loads(self.get("/sim/stats"))

    def stop(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()
        self._folder.cleanup()


class Cli:
    """`brimline` run as a user would, in a folder of its own."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.processes = []
        self._has_own_path = "PYTHONPATH" in environment
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "BRIMLINE_", "XDG_"))}
        own = {"XDG_CONFIG_HOME": str(folder / "config"), "BRIMLINE_SHARE_FOLDER": str(folder / "shares")}
        self.environment = {**clean, **own, **environment}

    def start(self, *arguments, **options):
        """Start it and return the process: a fork, unless an option or a path of its own need a new Python."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        settings = {"cwd": self.folder, "env": self.environment, "text": True} | pipes
        words = [*map(str, arguments)]
        if self._has_own_path or "preexec_fn" in options:
            process = subprocess.Popen([sys.executable, "-m", "brimline", *words], **settings)
        else:
            process = Fork(words, **settings)
        self.processes.append(process)
        return process

    def stop(self):
        """Kill what a failed test has left, and let go of what was not read."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def __call__(self, *arguments, timeout=50, **options):
        """Run it to its end and return the completed process."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def lab(self, url):
        """Make `lab/...` models answer at `url`."""
        text = f'[endpoints.lab]\nbase_url = "{url}"\nkey = "none"\n'
        (self.folder / "brimline.toml").write_text(text)

    def configure(self, text):
        """Add to the configuration."""
        path = self.folder / "brimline.toml"
        path.write_text(path.read_text() + text)

    def write(self, name, rows):
        """Write a JSONL file."""
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def results(self, name):
        """Read a results file."""
        return [json.loads(line) for line in (self.folder / name).read_bytes().splitlines()]
