"""`brimline limits` says what is declared, advertised and learned, while a run runs and afterwards."""

import json

import pytest

from tests.cli.lab import until

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl", "--rpm", "1200")
SLOW = '[models."*"]\nlatency = "20ms"\nrequests = { rate = "600/min", bucket = 10 }\n'


def found(cli, *arguments):
    done = cli("limits", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def sources(view):
    return {limit["source"]: limit["limit"] for limit in view["limits"]}


def test_of_a_run_that_runs_and_of_one_that_has_ended(lab):
    cli = lab(SLOW)
    process = cli.start(*RUN)
    until(lambda: cli.server.stats["total"]["served"] > 10)
    (now,) = found(cli)
    assert (now["model"], now["is_now"]) == ("lab/x", True)
    assert sources(now) == {
        "declared": "1200/min",
        "advertised": "600 requests/min",
        "learned": "concurrency 1024",
    }
    assert "600 requests/min (advertised)" in now["limited_by"]
    _, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert "600 requests/min are advertised, less than the 1200/min that are declared" in err
    configured, ended = found(cli, "lab/x")
    assert configured["output"] is None
    assert (ended["is_now"], ended["ended"] is None) == (False, False)
    assert sources(ended)["advertised"] == "600 requests/min"
    assert "  advertised  600 requests/min" in cli("limits").stdout


def test_of_what_is_only_declared(lab):
    cli = lab()
    shown = cli("limits", "lab/x", "--rpm", "5", "--concurrency", "lab/*=3")
    assert shown.stdout == "lab/x, as configured:\n  declared    5/min\n  declared    concurrency 3\n"
    assert "nothing declared" in cli("limits", "lab/x").stdout


def test_mistakes(lab):
    cli = lab()
    assert "no endpoint 'labb'" in cli("limits", "labb/x").stderr
    assert cli("limits", "labb/x").returncode == 2
    assert "There is no run in this folder" in cli("limits").stderr
