"""Kill the real program at random moments, resume it, and compare what it kept with what the provider served."""

import itertools
import json
import random
import time

import pytest

from tests.crash.victim import FAULTS, Victim, chosen_seed

KILLS = 50


def plain(count):
    """Rows without ids."""
    return [{"prompt": f"row {n} asks"} for n in range(count)]


def with_ids(count):
    """Rows with ids, in no order."""
    return [{"id": f"r-{n * 7919 % count}", "prompt": f"row {n} asks"} for n in range(count)]


def talks(count):
    """Conversations among single questions."""
    return [
        {"id": n, "prompt": f"row {n} asks" if n % 3 else [f"row {n} turn {turn}" for turn in range(3)]}
        for n in range(count)
    ]


INPUTS = {
    "jsonl, three models": {"rows": plain(300), "models": ("a", "b", "c")},
    "csv with ids, two models": {"rows": with_ids(400), "models": ("a", "b"), "is_csv": True},
    "conversations, two models": {"rows": talks(200), "models": ("a", "b")},
}


def killer(rng, output):
    """Return what kills a process: sometimes while it starts, mostly some time after it has sent something."""
    log = output.with_name("out.jsonl.run") / "attempts.jsonl"

    def size():
        return log.stat().st_size if log.exists() else 0

    def kill(process):
        before = size()
        if rng.random() < 0.2:
            time.sleep(rng.uniform(0, 0.6))
        else:
            while size() == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.4))
        process.kill()

    return kill


def kill_often(tmp_path, server, case, rng, kills):
    """Kill runs until there were so many kills; each run is finished in the end."""
    done = 0
    for number in itertools.count():
        victim = Victim(tmp_path / f"{number}", server, options=("--concurrency", 16), **case)
        kill = killer(rng, victim.output)
        is_finished = False
        while done < kills and not is_finished:
            is_finished = victim.run(kill)
            done += not is_finished
        if not is_finished:
            assert victim.run(lambda _: None)
        victim.check_end()
        if done == kills:
            return


@pytest.mark.real_time
def test_eight_kills_lose_nothing_and_double_nothing(tmp_path, simulator):
    case = {"rows": plain(300), "models": ("a",)}
    kill_often(tmp_path, simulator(FAULTS), case, random.Random(chosen_seed()), 8)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", INPUTS)
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path, simulator, case):
    kill_often(tmp_path, simulator(FAULTS), INPUTS[case], random.Random(chosen_seed()), KILLS)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(300)
def test_killed_in_the_final_ordering_it_loses_nothing(tmp_path, simulator):
    """Large rows make the ordering last; as soon as its copy is there the program is killed."""
    rng, server = random.Random(chosen_seed()), simulator('[models."*"]\nlatency = "uniform(1ms, 40ms)"\n')
    rows = [{"prompt": f"row {n} asks", "pad": "x" * 200_000} for n in range(200)]
    victim = Victim(tmp_path / "run", server, rows, ("a",))
    copy = victim.output.with_name("out.jsonl.ordering")
    kills = 0

    def kill(process):
        while not copy.exists() and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()

    for _ in range(40):
        is_finished = victim.run(kill)
        kills += copy.exists()
        if kills == 10:
            break
        if is_finished or not copy.exists():
            disorder(victim, rng)
    assert kills == 10, "it was killed in the ordering"
    assert victim.run(lambda _: None)
    victim.check_end()
    assert server.stats["total"]["received"] == len(rows), "nothing is sent again"
    assert not copy.exists()


def disorder(victim, rng):
    """Let the results stand in the order of completion again."""
    lines = victim.output.read_bytes().splitlines(keepends=True)
    rng.shuffle(lines)
    victim.output.write_bytes(b"".join(lines))
    victim.recorded = [line.rstrip(b"\n") for line in lines]
    assert all(json.loads(line) for line in lines)
