"""Kill a run of embeddings at random moments: each row gets its own vector, and what may be billed twice is named."""

import collections
import random

import pytest

from tests.crash.test_kill_dedupe import killed
from tests.crash.victim import FAULTS, in_flight, whole_lines
from tests.servers import Cli

ROWS, SIZE, KILLS = 900, 12, 6
"""So many texts of a bundle fit into what the ledger keeps of it."""


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(120)
def test_kills_between_bundles_cost_what_was_in_flight(tmp_path, simulator):
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng, server, cli = random.Random(seed), simulator(FAULTS), Cli(tmp_path)
    cli.lab(server.url)
    rows = cli.write("in.jsonl", [{"text": f"t{n:03}", "label": n} for n in range(ROWS)])
    command = ("run", rows, "-m", "lab/y", "--embed", "--concurrency", 4)
    bundled = (*command, "--batch-size", SIZE, "-o", "out.jsonl")
    recorded, announced = [], 0
    for _ in range(KILLS):
        announced += in_flight(killed(cli.start(*bundled), tmp_path / "out.jsonl", rng.uniform(0, 0.1)))
        lines = whole_lines(tmp_path / "out.jsonl")
        assert lines[: len(recorded)] == recorded, "what was recorded stays as it is"
        recorded = lines
    done = cli(*bundled)
    announced += in_flight(done.stderr)
    assert done.returncode == 0, done.stderr
    served = collections.Counter()
    for entry in server.ledger:
        served.update(entry["text"].splitlines() if entry["kind"] in {"ok", "gone"} else ())
    resent = sum(served.values()) - ROWS
    print(f"{resent} sent twice, {announced} announced")
    assert len(served) == ROWS
    assert 0 <= resent <= announced <= KILLS * 4 * SIZE
    assert cli(*command, "--batch-size", 100, "-o", "whole.jsonl").returncode == 0
    found, truth = cli.results("out.jsonl"), cli.results("whole.jsonl")
    assert [(line["id"], line["label"], line["text"]) for line in found] == [
        (n, n, f"t{n:03}") for n in range(ROWS)
    ]
    assert [line["embedding"] for line in found] == [line["embedding"] for line in truth]
    assert len({tuple(line["embedding"]) for line in truth}) == ROWS
