"""A run and a second terminal: `status`, `pause`, `resume`, `stop` and `set`, as a user would.

The run is a process of its own; what is said to it is said from here.
"""

import json
import signal
import stat
import subprocess
import sys

import pytest

from tests.cli.lab import RUN, until

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

SLOW = '[models."*"]\nlatency = "100ms"\n'
VERY_SLOW = '[models."*"]\nlatency = "30s"\n'
MANY = [{"text": f"prompt {n}"} for n in range(4000)]


@pytest.fixture
def status(cli):
    def status():
        code, out, err = cli("status", "out.jsonl", "--json")
        assert code == 0, err
        return json.loads(out)

    return status


def test_pause_resume_and_stop_from_another_terminal(lab, cli, status):
    real = lab(SLOW, MANY)
    run = real.start(*RUN, "--concurrency", "4", "--display", "lines")
    until(lambda: real.server.stats["total"]["served"] >= 4)
    code, out, err = cli("pause", "out.jsonl")
    assert code == 0, err
    assert out.startswith("out.jsonl: paused: ")
    until(lambda: real.server.stats["total"]["in_flight"] == 0)
    received = real.server.stats["total"]["received"]
    until(lambda: status()["ok"] == received)
    paused = status()
    assert (paused["state"], paused["pid"], paused["total"]) == ("paused", run.pid, 4000)
    assert real.server.stats["total"]["received"] == received
    shown = cli("status", "out.jsonl")[1]
    assert "now: paused" in shown
    assert "paused; `brimline resume out.jsonl` goes on" in shown
    assert json.loads(cli("resume", "out.jsonl", "--json")[1])["said"] == "resumed"
    until(lambda: real.server.stats["total"]["received"] > received)
    assert "in flight to be finished" in cli("stop", "out.jsonl")[1]
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130, err
    assert "paused; `brimline resume out.jsonl` goes on" in err
    assert "Run the same command again to resume" in err
    assert real.server.stats["total"]["received"] == len(real.results("out.jsonl")) < 4000
    assert not (real.folder / "out.jsonl.run" / "control.sock").is_symlink()
    assert not (real.folder / "out.jsonl.run" / "control.sock").exists()
    assert status()["state"] == "incomplete"


def test_stop_now_drops_what_is_in_flight(lab, cli):
    real = lab(VERY_SLOW)
    run = real.start(*RUN, "--concurrency", "4")
    until(lambda: real.server.stats["total"]["in_flight"] == 4)
    assert "4 in flight dropped" in cli("stop", "out.jsonl", "--now")[1]
    run.communicate(timeout=20)
    assert run.returncode == 130


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_paused_run_is_stopped_by_a_signal(lab, cli, number):
    real = lab(SLOW, MANY)
    run = real.start(*RUN, "--concurrency", "4")
    until(lambda: real.server.stats["total"]["served"] >= 4)
    assert cli("pause", "out.jsonl")[0] == 0
    run.send_signal(number)
    run.communicate(timeout=20)
    assert run.returncode == 128 + number


@pytest.mark.slow
def test_a_paused_run_keeps_its_deadline(lab, cli):
    real = lab(SLOW, MANY)
    run = real.start(*RUN, "--concurrency", "4", "--deadline", "4")
    until(lambda: real.server.stats["total"]["served"] >= 4)
    assert cli("pause", "out.jsonl")[0] == 0
    run.communicate(timeout=20)
    assert run.returncode == 5


def test_limits_change_while_it_runs(lab, cli):
    real = lab()
    run = real.start(*RUN, "--rpm", "2")
    until(lambda: "1 answered" in cli("status", "out.jsonl")[1] or real.server.stats["total"]["served"] == 1)
    shown = cli("status", "out.jsonl")[1]
    assert "requests in the last minute" in shown
    assert "now: limit 2/min, waits" in shown
    code, out, _ = cli("set", "out.jsonl", "--rpm", "6000", "--concurrency", "8")
    assert (code, out) == (0, "out.jsonl: lab/x: 6k requests/min burst 99 smooth, concurrency 8\n")
    _, err = run.communicate(timeout=20)
    assert run.returncode == 0
    assert "limits were changed: lab/x: 6k requests/min" in err


def test_what_makes_no_sense_is_refused_with_a_reason_and_a_suspended_run_hangs_nobody(lab, cli, monkeypatch):
    real = lab(VERY_SLOW)
    run = real.start(*RUN)
    until(lambda: real.server.stats["total"]["in_flight"] == 32)
    for arguments, reason in (
        (("--rate", "openai/*=5/s"), "'openai/*' matches no model of this run: lab/x"),
        (("--rate", "5 per second"), "'5 per second' is no limit"),
        (("--tpm", "10"), "more than 10 tokens/min ever allows"),
        (("--concurrency", "0"), "at least 1"),
        ((), "nothing to set"),
    ):
        code, out, err = cli("set", "out.jsonl", *arguments)
        assert (code, out) == (2, "")
        assert reason in err
    monkeypatch.setattr("brimline.engine.remote.PATIENCE", 0.2)
    run.send_signal(signal.SIGSTOP)
    code, _, err = cli("status", "out.jsonl")
    assert code == 1
    assert f"Is process {run.pid} suspended" in err
    run.kill()
    run.communicate()


@pytest.mark.slow
def test_a_run_that_was_killed(lab, cli, status):
    real = lab('[models."*"]\nlatency = "1s"\n')
    run = real.start(*RUN, "--concurrency", "4")
    until(lambda: real.server.stats["total"]["served"] >= 4)
    until(lambda: real.server.stats["total"]["in_flight"] == 4)
    path = real.folder / "out.jsonl.run" / "control.sock"
    path = path.readlink() if path.is_symlink() else path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    run.kill()
    run.communicate()
    assert path.exists()
    for verb in ("pause", "resume", "stop"):
        code, out, err = cli(verb, "out.jsonl")
        assert (code, out) == (1, "")
        assert "no run is writing out.jsonl now" in err
        assert ("is resumed by running its command again" in err) == (verb == "resume")
    killed = status()
    assert (killed["state"], killed["pid"]) == ("killed", None)
    assert killed["ok"] == len(real.results("out.jsonl"))
    assert killed["pending"] == 40 - killed["ok"]
    assert 1 <= killed["unfinished"] <= 4
    assert "Run the same command again to resume" in cli("status", "out.jsonl")[1]
    assert real(*RUN).returncode == 0
    assert cli("status", "out.jsonl")[1] == "out.jsonl: complete, 40 of 40 answered\n"
    assert not path.exists()


def test_all_runs_of_a_folder(lab, cli):
    real = lab()
    assert cli("status") == (0, "", "There is no run in this folder.\n")
    real(*RUN)
    real("run", "in.jsonl", "-m", "lab/y", "-p", "{{ text }}", "-o", "other.jsonl", "--limit", "5")
    assert cli("status")[1].splitlines() == [
        "other.jsonl: incomplete, 5 of 40 answered, 35 pending",
        "out.jsonl: complete, 40 of 40 answered",
    ]
    objects = [json.loads(line) for line in cli("status", "--json")[1].splitlines()]
    assert {each["output"]: each["state"] for each in objects} == {
        "out.jsonl": "complete",
        "other.jsonl": "incomplete",
    }


@pytest.mark.parametrize("verb", ["status", "retry"])
def test_results_that_do_not_exist(cli, verb):
    code, _, err = cli(verb, "nothing.jsonl")
    assert code == 2
    assert "nothing.jsonl" in err
    assert "Name the file given with -o" in err


@pytest.mark.slow
def test_a_run_from_python_takes_commands_too(lab, cli, status):
    real = lab(VERY_SLOW)
    script = (
        "import brimline as bl\n"
        "print(bl.run('in.jsonl', model='lab/x', prompt='{{ text }}', output='out.jsonl').stopped)"
    )
    run = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        cwd=real.folder,
        env=real.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    until(lambda: real.server.stats["total"]["in_flight"] == 32)
    assert status()["state"] == "running"
    cli("stop", "out.jsonl", "--now")
    out, _ = run.communicate(timeout=20)
    assert (run.returncode, out) == (0, "interrupted\n")
