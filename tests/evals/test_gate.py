"""Gates: what they take, and that nothing passes because it is missing."""

import pytest

from brimline.errors import ConfigError
from brimline.evals.gate import parse_gate
from brimline.evals.scoring import score_lines
from brimline.evals.spec import find_scorer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("match >= 0.8", "match >= 0.8"), ("match>=80%", "match >= 0.8"), ("f1<.5", "f1 < 0.5"),
        ("rouge-l[openai/gpt-5-mini] > 0", "rouge-l[openai/gpt-5-mini] > 0"),
    ],
)  # fmt: skip
def test_a_gate(text, said):
    assert str(parse_gate(text)) == said


@pytest.mark.parametrize(
    "text", ["", "match", "match = 1", ">= 1", "match >= x", "match >= 1 or so", "match >= 1.2.3"]
)
def test_what_is_no_gate(text):
    with pytest.raises(ConfigError, match="is none; write it like"):
        parse_gate(text)


def test_a_row_without_a_score_counts_as_nothing():
    lines = [
        {"model": "a/x", "id": n, "status": "ok" if n < 8 else "failed", "response": "r", "expected": "r"}
        for n in range(10)
    ]
    scored = score_lines(lines, [find_scorer("match")])
    assert scored.means(("a/x",))["match"].value == 1.0
    assert scored.rows(("a/x",)) == (10, 2)
    assert scored.misses([parse_gate("match >= 0.8")]) == []
    assert scored.misses([parse_gate("match > 0.8")]) == ["match > 0.8: a/x has 0.8"]
    assert scored.misses([parse_gate("f1 > 0")]) == ["f1 > 0: nothing has that score"]
    assert scored.misses([parse_gate("match[b/y] > 0")]) == ["match[b/y] > 0: nothing has that score"]


def test_each_model_has_to_hold_and_one_can_be_named():
    lines = [
        {"model": model, "id": 1, "status": "ok", "response": response, "expected": "r"}
        for model, response in (("a/x", "r"), ("b/y", "s"))
    ]
    scored = score_lines(lines, [find_scorer("match")])
    assert scored.misses([parse_gate("match >= 1")]) == ["match >= 1: b/y has 0"]
    assert scored.misses([parse_gate("match[a/x] >= 1")]) == []


def test_a_scorer_that_raises_is_said_for_its_row_and_for_no_other():
    def fragile(row):
        return 1 / row["n"]

    lines = [{"model": "a/x", "id": n, "n": n, "status": "ok", "response": "r"} for n in range(20)] * 2
    scored = score_lines(lines, [find_scorer(fragile)])
    assert scored.problems == [f"line {n}, fragile: ZeroDivisionError: division by zero" for n in (1, 21)]
    assert (scored.unscored, scored.means(("a/x",))["fragile"].clusters) == (2, 19)
