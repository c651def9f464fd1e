"""Kill a pipeline at random moments: it goes on in the middle, and pays again only for what was in flight."""

import random
import time
from collections import Counter

import pytest

from tests.crash.victim import FAULTS, chosen_seed, whole_lines
from tests.servers import Cli

DOCS, CHUNKS, KILLS, AT_ONCE = 60, 4, 6, 8
MODULE = """
def merged(rows):
    return {"parts": [row["part"] for row in rows]}
"""
STEPS = f"""
folder = "work"
input = "docs.jsonl"
[endpoints.lab]
base_url = "URL"
key = "none"
[limits."lab/*"]
concurrency = {AT_ONCE}
[[steps]]
split = "text"
into = "chunk"
size = 40
[[steps]]
ask = "part"
model = "lab/x"
prompt = "part: {{{{ chunk }}}}"
[[steps]]
gather = "merging:merged"
[[steps]]
ask = "whole"
model = "lab/x"
prompt = "whole: {{{{ parts | join('|') }}}}"
"""


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(120)
def test_kills_cost_no_more_than_what_was_in_flight(tmp_path, simulator):
    rng, server, cli = random.Random(chosen_seed()), simulator(FAULTS), Cli(tmp_path)
    (tmp_path / "merging.py").write_text(MODULE)
    (tmp_path / "p.toml").write_text(STEPS.replace("URL", server.url))
    cli.write("docs.jsonl", [{"id": f"d{n}", "text": text(n)} for n in range(DOCS)])
    files = [tmp_path / "work" / f"{name}.jsonl" for name in ("part", "whole")]
    recorded = [[], []]
    for _ in range(KILLS):
        process = cli.start("steps", "p.toml", "-o", "out.jsonl", "--max-tries", 8)
        while [whole_lines(file) for file in files] == recorded and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
        lines = [whole_lines(file) for file in files]
        for before, now in zip(recorded, lines, strict=True):
            assert now[: len(before)] == before, "what is on file stays as it is"
        recorded = lines
        assert not (tmp_path / "out.jsonl").exists() or process.returncode == 0
    done = cli("steps", "p.toml", "-o", "out.jsonl", "--max-tries", 8)
    assert done.returncode == 0, done.stderr
    rows = cli.results("out.jsonl")
    assert [row["id"] for row in rows] == [f"d{n}" for n in range(DOCS)]
    assert all(len(row["parts"]) == CHUNKS and row["whole"] for row in rows)
    served = Counter(entry["text"] for entry in server.ledger if entry["kind"] in {"ok", "gone"})
    again = sum(served.values()) - len(served)
    print(f"{again} of {len(served)} were paid for again after {KILLS} kills")
    assert len(served) == DOCS * (CHUNKS + 1)
    assert again <= KILLS * AT_ONCE


def text(number):
    """A text of as many chunks."""
    return "\n\n".join(f"paragraph {chunk} of document {number:03}" for chunk in range(CHUNKS))
