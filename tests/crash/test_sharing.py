"""Real processes of one account: together they fill its limit, and no kill lets them go over."""

import json
import time

import pytest

from tests.servers import Cli

ACCOUNT = """
[models."*"]
latency = "50ms"
requests = { rate = "600/min", bucket = 10 }
"""
OPEN = '[models."*"]\nlatency = "50ms"\n'


def prepare(cli, url, name, count):
    """Return the command of a run whose prompts begin with `name`."""
    cli.lab(url)
    rows = cli.write(f"{name}.jsonl", [{"text": f"{name} {number}"} for number in range(count)])
    return "run", rows, "-m", "lab/x", "-p", "{{ text }}", "-o", f"{name}.out.jsonl", "--rate", "600/min"


def most_in_any_window(times, span):
    times = sorted(times)
    return max(sum(start <= at < start + span for at in times) for start in times)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(60)
def test_two_runs_share_an_account_evenly_and_fill_it(tmp_path, simulator):
    server, cli = simulator(ACCOUNT), Cli(tmp_path)
    runs = [cli.start(*prepare(cli, server.url, name, 90)) for name in ("one", "two")]
    for run in runs:
        _, err = run.communicate()
        assert run.returncode == 0, err
    entries = server.ledger
    times = [entry["t"] for entry in entries]
    assert sum(entry["kind"] == "refused" for entry in entries) <= 2
    assert max(times) - min(times) < 1.1 * (180 - 10) / 10
    half = [entry["text"] for entry in entries if entry["t"] < min(times) + 10]
    assert 0.3 < sum("one" in text for text in half) / len(half) < 0.7


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(150)
def test_a_kill_and_an_immediate_resume_beside_another_run_are_never_over(tmp_path, simulator):
    """No window of a minute holds more than 600, counted over everybody; and what was booked is not booked twice."""
    server, cli = simulator(OPEN), Cli(tmp_path)
    one, two = (prepare(cli, server.url, name, 500) for name in ("one", "two"))
    killed, other = cli.start(*one), cli.start(*two)
    time.sleep(15)
    killed.kill()
    killed.communicate()
    resumed = cli.start(*one)
    for run in (resumed, other):
        _, err = run.communicate()
        assert run.returncode == 0, err
    times = [entry["t"] for entry in server.ledger]
    assert len(times) >= 1000
    assert most_in_any_window(times, 60) <= 600
    assert max(times) - min(times) < 1.1 * len(times) / 10


@pytest.mark.real_time
@pytest.mark.timeout(60)
def test_what_a_killed_run_has_sent_is_booked_once(tmp_path, simulator):
    """It stands in the daybook and in the attempts log; booked twice it would leave no room for the rest."""
    server, cli = simulator(OPEN), Cli(tmp_path)
    one, two = (
        (*prepare(cli, server.url, name, 25)[:-1], "60/min burst 60", "--concurrency", 2)
        for name in ("one", "two")
    )
    killed = cli.start(*one)
    wait_for(server, 12)
    killed.kill()
    killed.communicate()
    for command in (two, one):
        assert cli(*command, timeout=20).returncode == 0
    assert 50 <= len(server.ledger) <= 52


def wait_for(server, count):
    until = time.monotonic() + 20
    while len(server.ledger) < count and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.real_time
@pytest.mark.timeout(60)
def test_who_does_not_share_is_not_held_up(tmp_path, simulator):
    server, cli = simulator(OPEN), Cli(tmp_path)
    assert cli(*prepare(cli, server.url, "one", 5)[:-1], "5/h burst 5").returncode == 0
    alone = cli(*prepare(cli, server.url, "two", 5)[:-1], "5/h burst 5", "--no-share")
    assert alone.returncode == 0
    waiting = cli(*prepare(cli, server.url, "three", 1)[:-1], "5/h burst 5", "--deadline", "1")
    assert waiting.returncode == 5
    assert len(server.ledger) == 10


@pytest.mark.real_time
@pytest.mark.timeout(60)
def test_a_folder_that_cannot_be_used_is_said_once(tmp_path, simulator):
    server = simulator(OPEN)
    (tmp_path / "file").touch()
    cli = Cli(tmp_path, BRIMLINE_SHARE_FOLDER=str(tmp_path / "file" / "shares"))
    done = cli(*prepare(cli, server.url, "one", 5), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] == 5
    assert done.stderr.count("limits are not shared") == 1


@pytest.mark.real_time
@pytest.mark.timeout(60)
def test_a_daybook_tells_nobody_whose_it_is(tmp_path, simulator):
    server = simulator(OPEN)
    cli = Cli(tmp_path, LAB_KEY="sk-very-secret")
    command = prepare(cli, server.url, "one", 3)
    text = f'[endpoints.lab]\nbase_url = "{server.url}"\nkey = "env:LAB_KEY"\n'
    (tmp_path / "brimline.toml").write_text(text)
    assert cli(*command).returncode == 0
    (daybook,) = (tmp_path / "shares").iterdir()
    everything = daybook.name.encode() + daybook.read_bytes()
    assert b"secret" not in everything
    assert b"lab" not in everything
    assert b"127.0.0.1" not in everything
