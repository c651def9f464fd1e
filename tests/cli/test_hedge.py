"""`--hedge` by the real command, counted at the simulator."""

import json
from collections import Counter

import pytest

from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

ROWS = [{"text": f"prompt {n:02}"} for n in range(40)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl", "--concurrency", "20")
STUCK = '[[models."*".faults]]\nkind = "stall"\nwhen = "prompt 3{}"\ntimes = 1\n'


@pytest.fixture
def cli(tmp_path, simulator):
    cli = Cli(tmp_path)
    cli.server = simulator("".join(STUCK.format(n) for n in (7, 8)))
    cli.lab(cli.server.url)
    cli.write("in.jsonl", ROWS)
    return cli


def test_requests_that_are_stuck_at_the_end_are_sent_once_more(cli):
    done = cli(*RUN, "--hedge", "--json")
    assert done.returncode == 0, done.stderr
    assert "2 hedged" in done.stderr
    report = json.loads(done.stdout)
    assert (report["attempts"], report["hedged"], report["ok"]) == (42, 2, 40)
    assert report["elapsed"] < 30
    results = cli.results("out.jsonl")
    assert [result["response"] for result in results] == [f"echo: {row['text']}" for row in ROWS]
    assert [result["id"] for result in results if result["attempts"] == 2] == [37, 38]
    assert cli.server.stats["total"]["received"] == 42
    log = cli.results("out.jsonl.run/attempts.jsonl")
    assert Counter(entry["what"] for entry in log) == {"begin": 1, "start": 42, "end": 42}
    assert [entry["status"] for entry in log if entry["what"] == "end"].count("cancelled") == 2
    again = cli(*RUN, "--hedge")
    assert "in flight" not in again.stderr
    assert cli.server.stats["total"]["received"] == 42


def test_a_file_can_ask_for_it_and_the_command_against_it(cli):
    with (cli.folder / "brimline.toml").open("a") as file:
        file.write("[run]\nhedge = true\n")
    assert "hedge = true  (brimline.toml)" in cli("config", "explain").stdout
    done = cli(*RUN, "--no-hedge", "--timeout", "3", "--max-tries", "1", "--json")
    report = json.loads(done.stdout)
    assert (report["hedged"], report["failed"], done.returncode) == (0, 2, 3)
    again = cli(*RUN, "--json")
    assert json.loads(again.stdout)["ok"] == 40
