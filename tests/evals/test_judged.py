"""What verdicts come to: means, counts, agreement, contests and gates."""

import json

import pytest

from brimline.evals.gate import parse_gate
from brimline.evals.judged import Judged, Seat
from brimline.evals.panel import Panel, folder_panel, plain_verdict, rubric_panel
from brimline.evals.records import Answer

RUBRIC = """
judges = ["j/one", "j/two"]
[criteria.accuracy]
question = "Right?"
scale = [1, 5]
[criteria.tone]
question = "How?"
choices = ["kind", "rude"]
"""
PAIR = 'kind = "pairwise"\njudges = ["j/one"]\n[criteria.help]\nquestion = "Which one?"\n'


@pytest.fixture
def panel(tmp_path):
    def panel(text, *judges):
        (tmp_path / "r.toml").write_text(text)
        return rubric_panel(tmp_path / "r.toml", judges)

    return panel


def said(accuracy, tone="kind"):
    return {"accuracy": {"reason": "r", "verdict": accuracy}, "tone": {"reason": "r", "verdict": tone}}


def replies(panel, answers, reply):
    """Return the lines of the judges' results."""
    lines = []
    for row in panel.rows([Answer(str(row["id"]), row) for row in answers]):
        response = reply(row)
        error = {"kind": "bad_reply", "message": "no JSON"} if response is None else None
        status = "failed" if response is None else "ok"
        lines.append({"model": "?", **row, "response": response, "status": status, "error": error})
    return lines


ANSWERS = [{"id": n, "model": f"m/{n % 2}", "prompt": "p", "response": n} for n in range(10)]


def test_means_and_counts_by_judge_and_model(panel):
    lines = replies(
        panel(RUBRIC),
        ANSWERS,
        lambda row: said(4 + row["input-id"] % 2, "rude" if row["input-id"] < 4 else "kind"),
    )
    judged = Judged(panel(RUBRIC), {"m/0": 5, "m/1": 5})
    verdicts = [*judged.take(lines)]
    assert len(verdicts) == 20
    assert verdicts[1]["verdicts"] == {"accuracy": 5, "tone": "rude"}
    assert verdicts[1]["judge"] == "j/one"
    seats = [Seat(judge, model, "r") for judge in ("j/one", "j/two") for model in ("m/0", "m/1")]
    assert [*judged.tallies] == seats
    means = {
        group.seat.model: judged.mean(group).value for group in judged.groups if group.criterion == "accuracy"
    }
    assert means == {"m/0": 4, "m/1": 5}
    tones = [group for group in judged.groups if group.criterion == "tone"]
    assert judged.mean(tones[0]) is None
    assert judged.counts(tones[0]) == {"kind": 3, "rude": 2}
    assert [(one.criterion, one.kind, one.kappa, one.rows) for one in judged.agreement()] == [
        ("accuracy", "Cohen, weighted", 1, 10), ("tone", "Cohen", 1, 10),
    ]  # fmt: skip


def test_the_lowest_verdict_of_a_scale_is_no_share(panel):
    for ends, high in (("[1, 5]", 1.0), ("[0, 1]", 1.0)):
        wanted = panel(RUBRIC.replace("[1, 5]", ends))
        judged = Judged(wanted, {"m/0": 5, "m/1": 5})
        [*judged.take(replies(wanted, ANSWERS, lambda _: said(1)))]
        mean = judged.mean(judged.groups[0])
        assert (mean.value, mean.high) == (1, high)
        assert (mean.low == 1) == (ends == "[1, 5]")


def test_judges_agree_on_rows_that_all_have_judged(panel):
    three = panel(RUBRIC, "j/a", "j/b", "j/c")
    lines = replies(
        three,
        ANSWERS,
        lambda row: (
            None
            if (row["model"], row["input-id"]) in {("j/a", 0), ("j/c", 1)}
            else said(row["input-id"] % 3 + 1)
        ),
    )
    judged = Judged(three, {"m/0": 5, "m/1": 5})
    assert sum(line["verdicts"] is None for line in judged.take(lines)) == 2
    accuracy = judged.agreement()[0]
    assert (accuracy.kind, accuracy.rows, accuracy.kappa) == ("Fleiss", 8, 1)
    assert judged.failed == 2
    assert judged.failures == ["judge-j/a-r-0: bad_reply: no JSON", "judge-j/c-r-1: bad_reply: no JSON"]


@pytest.mark.parametrize(
    ("gate", "miss"),
    [
        ("accuracy >= 4", None),
        ("accuracy >= 4.7", "accuracy >= 4.7: m/0 has 4.6"),  # five rows, one without an answer: a 1 from each judge
        ("accuracy[m/1] > 4", "nothing has that score"),
        ("accuracy <= 4.9", "accuracy <= 4.9: m/0 has 5"),
        ("tone.kind >= 90%", None),
        ("tone.rude <= 0", "tone.rude <= 0: m/0 has 0.1"),
        ("tone > 0", "nothing has that score"),
    ],
)  # fmt: skip
def test_what_nobody_judged_counts_as_the_worst(panel, gate, miss):
    judged = Judged(panel(RUBRIC), {"m/0": 10})
    answers = [{**row, "model": "m/0"} for row in ANSWERS[:9]]  # the tenth has failed
    [*judged.take(replies(panel(RUBRIC), answers, lambda _: said(5)))]
    misses = judged.misses([parse_gate(gate)])
    assert misses == [] if miss is None else miss in misses[0]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [(" Yes. ", "yes"), ("**4**", 4.0), ("4.5", 4.5), ("-1", -1.0), ("no " * 30, None), ("", None), (None, None), ('"No!"', "no")],
)  # fmt: skip
def test_a_verdict_in_free_text(text, verdict):
    assert plain_verdict(text) == verdict


def test_the_judge_of_a_line_is_known_by_its_id_and_settings(tmp_path):
    people = {
        name: {"api": "a", "model_name": model, "parameters": {}}
        for name, model in (("x", "m"), ("x-t", "m"), ("y", "n"))
    }
    (tmp_path / "settings.json").write_text(json.dumps(people))
    (tmp_path / "t.txt").write_text("{OUTPUT_RESPONSE}")
    panel = folder_panel(tmp_path, ["t.txt"], [*people])
    rows = [*panel.rows([Answer("1", ANSWERS[1])])]
    assert [panel.judge_of(row) for row in rows] == ["x", "x-t", "y"]
    assert panel.judge_of({**rows[0], "parameters": {"temperature": 1}}) is None, "the judge of another day"
    judged = Judged(panel, {"m/1": 1})
    [*judged.take({**row, "response": "4", "status": "ok"} for row in rows)]
    assert [judged.mean(group).value for group in judged.groups] == [4, 4, 4]


def contest(panel: Panel, reply):
    pairs = [
        {"id": n, "prompt": "p", "model_a": "m/a", "model_b": "m/b", "response_a": f"a{n}", "response_b": f"b{n}"}
        for n in range(10)
    ]  # fmt: skip
    judged = Judged(panel, {"m/a": 10, "m/b": 10})
    lines = replies(panel, pairs, reply)
    return judged, [*judged.take(lines)]


def first_of(row):
    """Return which answer stands first."""
    return "b" if "swapped" in row["template_name"] else "a"


def test_a_fair_judge_and_one_that_likes_a_place(panel):
    def fair(row):
        better = "a" if row["input-id"] < 7 else "b"
        return {"reason": "r", "verdict": "first" if first_of(row) == better else "second"}

    judged, pairs = contest(panel(PAIR), fair)
    counts, mean = judged.wins("j/one")
    assert counts == (7, 0, 3)
    assert mean.value == 0.7
    assert judged.contest("j/one").contradicted == 0
    assert len(pairs) == 10
    assert pairs[0]["verdicts"] == {"win": "m/a"}
    assert pairs[9]["orders"] == ["second", "first"]
    assert judged.misses([parse_gate("win[m/a] >= 70%"), parse_gate("win[m/b] <= 0.3")]) == []
    assert judged.misses([parse_gate("win >= 0.5")]) == ["win >= 0.5: m/b has 0.3"]

    judged, _ = contest(panel(PAIR), lambda _: {"reason": "r", "verdict": "first"})
    assert judged.wins("j/one")[0] == (0, 10, 0), "a judge that likes a place has no opinion"
    assert judged.contest("j/one").contradicted == 10


def test_a_pair_with_one_order_is_not_judged(panel):
    def half(row):
        return (
            None
            if row["template_name"] == "r-swapped" and row["input-id"] == 3
            else {"reason": "r", "verdict": "tie"}
        )

    judged, pairs = contest(panel(PAIR), half)
    assert judged.wins("j/one")[0] == (0, 9, 0)
    assert [pair["id"] for pair in pairs] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert judged.failures == ["judge-j/one-r-swapped-3: bad_reply: no JSON"]
    assert judged.misses([parse_gate("win[m/a] >= 0.5")]) == ["win[m/a] >= 0.5: m/a has 0.45"]
