"""Models of known accuracy: their scores are what is known, whether the run was interrupted or not."""

import json
import random

import pytest

import brimline as bl
from brimline.evals import find_scorer, score_file

pytestmark = pytest.mark.real_time

SHARES = {"good": 0.8, "fair": 0.5}
ROWS = 400


def word_problem(n):
    apples, pears = n % 37 + 2, n % 11 + 3
    right = apples * pears * 1_000
    return {
        "id": n,
        "question": f"{n}. Ann has {apples} boxes with {pears},000 pears each. How many pears has she?",
        "answer": f"She has {apples} * {pears},000 = <<{apples}*{pears}000={right}>>{right} pears.\n#### {right:,}",
    }


PROBLEMS = [word_problem(n) for n in range(ROWS)]
RIGHT = {
    model: {n for n in range(ROWS) if random.Random(f"{model}{n}").random() < share}
    for model, share in SHARES.items()
}


def solve(request):
    """Show some work, and then the right number or one near it."""
    n = int(request.messages[-1]["content"].split(".")[0])
    total = int(PROBLEMS[n]["answer"].split("#### ")[1].replace(",", ""))
    is_right = n in RIGHT[request.model_name]
    return (
        f"There are {n} things to say. The total is ${total:,}.00."
        if is_right
        else f"The answer is {total + 1}."
    )


def run(path, **options):
    models = [f"mine/{model}" for model in SHARES]
    endpoints = {"mine": bl.Endpoint(function=solve)}
    return bl.run(
        path, model=models, prompt="{{ question }}", output="out.jsonl", endpoints=endpoints, **options
    )


def test_scores_are_what_is_known_and_a_resumed_run_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    interrupted = run(path, limit=300)
    assert (interrupted.ok, interrupted.pending) == (300, 500)
    assert run(path).answered == 500
    scored = score_file(tmp_path / "out.jsonl", [find_scorer("numeric")])
    for model, share in SHARES.items():
        mean = scored.means((f"mine/{model}",))["numeric"]
        assert mean.value == len(RIGHT[model]) / ROWS
        assert mean.low < share < mean.high
        assert 0.06 < mean.high - mean.low < 0.11
    resumed = [line["response"] for line in run(path, limit=0)]
    assert resumed == [line["response"] for line in run(path, fresh=True)]
