"""Kill a run with duplicates and repeats at random moments: no answer is lost, none is paid for twice, copies are copies."""

import collections
import random
import time

import pytest

from tests.crash.victim import FAULTS, in_flight, whole_lines
from tests.servers import Cli

TEXTS, EACH, REPEAT, KILLS = 90, 4, 2, 6


SCENARIO = FAULTS.replace("latency", 'reply = "lorem"\nlatency', 1)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(120)
def test_kills_between_an_answer_and_its_copies_cost_nothing(tmp_path, simulator):
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng, server, cli = random.Random(seed), simulator(SCENARIO), Cli(tmp_path)
    cli.lab(server.url)
    texts = [f"prompt number {n % TEXTS}" for n in range(TEXTS * EACH)]
    rng.shuffle(texts)
    rows = cli.write("in.jsonl", [{"text": text, "label": n} for n, text in enumerate(texts)])
    command = ("run", rows, "-m", "lab/y", "-p", "{{ text }}", "-o", "out.jsonl", "--concurrency", 8)
    command += ("--dedupe", "--repeat", REPEAT)
    recorded, announced = [], 0
    for _ in range(KILLS):
        announced += in_flight(killed(cli.start(*command), tmp_path / "out.jsonl", rng.uniform(0, 0.2)))
        lines = whole_lines(tmp_path / "out.jsonl")
        assert lines[: len(recorded)] == recorded, "what was recorded stays as it is"
        recorded = lines
    done = cli(*command)
    announced += in_flight(done.stderr)
    assert done.returncode == 0, done.stderr
    check_results(cli.results("out.jsonl"))
    served = collections.Counter(entry["text"] for entry in server.ledger if entry["kind"] in {"ok", "gone"})
    resent = sum(served.values()) - TEXTS * REPEAT
    print(f"{resent} sent twice, {announced} announced")
    assert len(served) == TEXTS
    assert 0 <= resent <= announced <= KILLS * 8


def killed(process, output, delay):
    """Kill a run a moment after it has recorded something new; return what it said."""
    before = len(whole_lines(output))
    while len(whole_lines(output)) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -9, f"it ended before it could be killed: {err}"
    return err


def check_results(results):
    """Every row has its answers in order; each was paid for on one line and is the same on all of its copies."""
    names = [(result["id"], result["repeat"]) for result in results]
    assert names == [(n, which) for n in range(TEXTS * EACH) for which in range(REPEAT)]
    assert [result["label"] for result in results[::REPEAT]] == [*range(TEXTS * EACH)]
    answers = {(result["text"], result["repeat"], result["response"]) for result in results}
    assert len(answers) == len({response for _, _, response in answers}) == TEXTS * REPEAT
    assert sum(result["attempts"] > 0 for result in results) == TEXTS * REPEAT
