"""Kill a stream that keeps its outcomes: none that was yielded is lost, none on file is paid for again."""

import json
import random
import subprocess
import sys
import time

import pytest

from tests.crash.victim import FAULTS, chosen_seed, whole_lines

ROWS, KILLS, AT_ONCE = 400, 6, 8
PROGRAM = f"""
import asyncio, sys
import brimline as bl

async def main(url):
    lab = bl.Endpoint(base_url=url, key="none")
    rows = [{{"id": n, "prompt": f"prompt number {{n}}"}} for n in range({ROWS})]
    async with bl.Engine(endpoints={{"lab": lab}}, concurrency={AT_ONCE}, share=False) as engine:
        async for outcome in engine.stream(rows, model="lab/x", results="out.jsonl"):
            if outcome.ok:
                print(outcome.request.id, flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(120)
def test_kills_lose_nothing_and_pay_nothing_twice(tmp_path, simulator):
    rng, server = random.Random(chosen_seed()), simulator(FAULTS)
    yielded, on_file = set(), []
    for _ in range(KILLS):
        seen, ended = killed(tmp_path, server.url, rng.uniform(0, 0.2))
        yielded |= seen
        lines = whole_lines(tmp_path / "out.jsonl")
        assert lines[: len(on_file)] == on_file, "what is on file stays as it is"
        on_file = lines
        assert yielded <= answered(lines), "durable before it is yielded"
        if ended:
            break
    process = start(tmp_path, server.url)
    seen = {int(line) for line in process.communicate(timeout=60)[0].split()}
    assert (process.returncode, seen) == (0, {*range(ROWS)})
    lines = whole_lines(tmp_path / "out.jsonl")
    assert len([line for line in lines if b'"status":"ok"' in line]) == ROWS
    served = sum(entry["kind"] in {"ok", "gone"} for entry in server.ledger)
    print(f"{served - ROWS} answered and not on file after {KILLS} kills")
    assert ROWS <= served <= ROWS + KILLS * AT_ONCE


def start(folder, url):
    command = [sys.executable, "-c", PROGRAM, url]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


def killed(folder, url, delay):
    """Kill the program a while after it was given anew; return the ids that it was given, and whether it had ended."""
    output = folder / "out.jsonl"
    before = len(whole_lines(output))
    process = start(folder, url)
    while len(whole_lines(output)) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    out, _ = process.communicate()
    return {int(line) for line in out.splitlines() if line.isdigit()}, process.returncode == 0


def answered(lines):
    return {line["id"] for line in map(json.loads, lines) if line["status"] == "ok"}
