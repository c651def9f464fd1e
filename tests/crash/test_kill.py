"""Kill the real program at random moments, resume it, and compare what it kept with what the provider served."""

import collections
import random
import re
import time

import pytest

from tests.servers import Cli

FAULTS = """
seed = 5
[models."*"]
latency = "lognormal(60ms, 0.5)"
[[models."*".faults]]
kind = "500"
share = 0.04
[[models."*".faults]]
kind = "reset"
share = 0.02
[[models."*".faults]]
kind = "malformed"
share = 0.02
[[models."*".faults]]
kind = "429"
share = 0.02
retry_after = "20ms"
"""


def complete_lines(path):
    """What is recorded: lines that are whole."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1].splitlines()


@pytest.mark.real_time
@pytest.mark.timeout(120)
def test_ten_kills_lose_nothing_and_double_nothing(tmp_path, simulator):
    """Nothing recorded is lost or changed, no row has two results, and what is sent twice was announced."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng, server, cli = random.Random(seed), simulator(FAULTS), Cli(tmp_path)
    cli.lab(server.url)
    rows = cli.write("in.jsonl", [{"text": f"prompt number {n}"} for n in range(600)])
    command = ("run", rows, "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl", "--concurrency", 16)
    output, recorded, announced, kills = tmp_path / "out.jsonl", [], 0, 0
    while kills < 10:
        process = cli.start(*command)
        time.sleep(rng.uniform(0.35, 0.75))
        process.kill()
        _, err = process.communicate()
        assert process.returncode == -9, f"it ended before it could be killed: {err}"
        kills += 1
        announced += in_flight(err)
        lines = complete_lines(output)
        assert lines[: len(recorded)] == recorded, "what was recorded stays as it is"
        recorded = lines
    done = cli(*command)
    announced += in_flight(done.stderr)
    assert done.returncode == 0, done.stderr

    results = cli.results("out.jsonl")
    assert [result["id"] for result in results] == [*range(600)]
    assert all(result["response"] == f"echo: prompt number {result['id']}" for result in results)
    assert {line for line in recorded if b'"status":"ok"' in line} <= set(output.read_bytes().splitlines())
    served = collections.Counter(entry["text"] for entry in server.ledger if entry["kind"] in {"ok", "gone"})
    assert len(served) == 600
    resent = sum(served.values()) - 600
    print(f"{resent} sent twice, {announced} announced")
    assert resent <= announced <= 10 * 16


def in_flight(err):
    match = re.search(r"(\d+) requests? (was|were) in flight", err)
    return int(match[1]) if match else 0
