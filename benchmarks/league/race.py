"""One client on one scenario: servers are started, the client is let loose and stopped if it takes too long."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.inputs import questions
from benchmarks.league.clients import Client
from benchmarks.league.environments import python_of
from benchmarks.league.places import Opened
from benchmarks.league.scenarios import Scenario
from benchmarks.league.score import Ended, Run, score
from benchmarks.process import clean_environment

MODEL = "x"
INSTANT_ANSWER = "#### 18"
"""What every answer of the server that answers at once ends with."""
_MB = 1 << 20
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_QUIET = {
    "OPENAI_API_KEY": "none",
    "NO_PROXY": "127.0.0.1",
    "TELEMETRY_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
"""A key that nobody looks at, and the switches that keep peers from asking anything of the internet."""


def race(scenario: Scenario, client: Client, *, show: bool = False) -> Run:
    """Run a client on a scenario and return its figures; `show` prints the end of what it said."""
    with tempfile.TemporaryDirectory(prefix="brimline-league-") as name, ExitStack() as stack:
        folder = Path(name)
        opened: dict[str, Opened] = {}
        for place, server in scenario.places.items():
            (folder / place).mkdir()
            opened[place] = stack.enter_context(server.open(folder / place))
        rows = list(make_rows(scenario))
        job = write_job(folder, scenario, client, rows, {place: one.url for place, one in opened.items()})
        interpreter = python_of(client.environment) if client.environment else Path(sys.executable)
        ended, said = run_bounded([interpreter, client.path, job], folder, scenario.patience)
        if show and said:
            print(said[-3000:], file=sys.stderr)
        logs = [one.arrivals() for one in opened.values()]
        alive = {place for place, server in scenario.places.items() if server.is_alive}
        prompts = {row["id"]: row["prompt"] for row in rows if place_of(row) in alive}
        right = [
            key
            for key, text in read_answers(folder / "answers.jsonl")
            if is_right(scenario, prompts, key, text)
        ]
        return score(ended, prompts, right, logs[0], [arrival for log in logs[1:] for arrival in log])


def make_rows(scenario: Scenario) -> list[dict[str, str]]:
    """Return the rows of a scenario, its places in turn."""
    places = list(scenario.places)
    asked = questions(scenario.rows * len(places))
    return [
        {"id": f"row-{number}", "model": f"{places[number % len(places)]}/{MODEL}", "prompt": row["question"]}
        for number, row in enumerate(asked)
    ]


def place_of(row: dict[str, str]) -> str:
    """Return the name of the place that a row is for."""
    return row["model"].partition("/")[0]


def write_job(
    folder: Path, scenario: Scenario, client: Client, rows: list[dict[str, str]], urls: dict[str, str]
) -> Path:
    """Write down all that a script is given, and return the path of that."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told = scenario.told
    job: dict[str, Any] = {
        "endpoints": urls,
        "model": MODEL,
        "rows": "rows.jsonl",
        "answers": "answers.jsonl",
        "told_requests": told.requests,
        "told_seconds": told.seconds,
        "told_in_flight": told.in_flight,
        "in_flight": told.in_flight or client.in_flight,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def run_bounded(command: list[Path], folder: Path, patience: float) -> tuple[Ended, str]:
    """Run a command in a folder, kill it and its children after `patience` seconds; also return what it said."""
    environment = clean_environment(folder, {**_QUIET, "HOME": str(folder)})
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            os.killpg(process.pid, signal.SIGKILL)

        alarm = threading.Timer(patience, stop)
        alarm.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            stop()
            process.wait()
            raise
        finally:
            alarm.cancel()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
        code = None if stopped.is_set() else process.returncode
        return Ended(
            code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss * _RSS_UNIT / _MB, os.getloadavg()[0]
        ), said


def read_answers(path: Path) -> list[tuple[str, str]]:
    """Return ids and texts of a results file; a torn last line of a client that was stopped is no answer."""
    answers = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record.get("response"), str):
            answers.append((record["id"], record["response"]))
    return answers


def is_right(scenario: Scenario, prompts: dict[str, str], key: str, text: str) -> bool:
    """Whether a text is the answer to the row with that id."""
    if key not in prompts:
        return False
    is_echo = all(place.is_echo for place in scenario.places.values() if place.is_alive)
    return (prompts[key] if is_echo else INSTANT_ANSWER) in text
