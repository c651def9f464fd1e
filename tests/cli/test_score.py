"""`brimline score`: what it writes, what it says, and what it refuses."""

import json

import pytest

from brimline.store.lines import result_line
from tests.store.outcomes import request, response, success


@pytest.fixture
def results(write):
    """Ten sums; the answers to the odd ones are wrong."""
    rows = [
        {"kind": "odd" if n % 2 else "even", "answer": f"#### {n - n % 2}", "model": "lab/x"}
        for n in range(10)
    ]
    answers = [success(request(n, text=str(n)), response(f"it is {n}")) for n in range(10)]
    return write("sums.results.jsonl", b"".join(map(result_line, rows, answers)))


def test_scores_and_means(cli, results):
    before = results.read_bytes()
    code, out, _ = cli("score", results, "-s", "numeric", "--by", "kind", "--json")
    even, odd = json.loads(out)["groups"]
    assert code == 0
    assert (even["kind"], even["scores"]["numeric"]["mean"], odd["scores"]["numeric"]["mean"]) == (
        "even",
        1,
        0,
    )
    scored = [json.loads(line) for line in results.with_name("sums.scored.jsonl").read_text().splitlines()]
    assert [line["scores"]["numeric"] for line in scored] == [1, 0] * 5
    assert results.read_bytes() == before, "the results stay as they are"
    _, shown, _ = cli("score", results, "-s", "numeric", "-s", "f1")
    assert "0.237 to 0.763" in shown
    assert "lab/x" in shown


def test_gates_decide_the_exit_code(cli, results):
    assert cli("score", results, "-s", "numeric", "--gate", "numeric >= 50%")[0] == 0
    code, _, said = cli("score", results, "-s", "numeric", "--gate", "numeric > 0.5")
    assert (code, said.splitlines()[-1]) == (4, "brimline: gate missed: numeric > 0.5: lab/x has 0.5")


def test_what_cannot_be_scored_is_said(cli, results):
    code, _, said = cli("score", results, "-s", "match:expected=gold")
    assert code == 0
    assert "brimline: line 1, match: has no column 'gold' with the right answer" in said
    assert "10 scores could not be given" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["sums.results.jsonl"], "Missing option '-s' / '--score'"),
        (["sums.results.jsonl", "-s", "nope"], "there is no scorer 'nope'"),
        (["sums.results.jsonl", "-s", "match", "--gate", "x"], "gate 'x' is none"),
        (
            ["sums.results.jsonl", "-s", "match", "--gate", "mtach > 1"],
            "a score that is not given; there is match",
        ),
        (["rows.jsonl", "-s", "match"], "rows.jsonl is no results file of brimline"),
        (["none.jsonl", "-s", "match"], "none.jsonl cannot be read"),
        (["sums.results.jsonl", "-s", "match", "-o", "sums.results.jsonl"], "holds the results themselves"),
    ],
)
def test_mistakes_are_refused(cli, results, write, arguments, why):
    write("rows.jsonl", [{"a": 1}])
    before = results.read_bytes()
    code, _, said = cli("score", *arguments)
    assert code == 2
    assert why in said
    assert results.read_bytes() == before


@pytest.mark.real_time
def test_a_run_scores_its_answers_when_it_is_done(lab, cli, write, tmp_path):
    lab()
    write("sums.jsonl", [{"q": f"{n}", "answer": f"{n % 5}"} for n in range(10)])
    asked = ["run", "sums.jsonl", "-m", "lab/x", "-p", "{{ q }}", "--score", "numeric"]
    code, out, err = cli(*asked, "--gate", "numeric > 50%")
    assert code == 4
    assert "0.500" in out
    assert "gate missed: numeric > 0.5: lab/x has 0.5" in err
    assert len((tmp_path / "sums.scored.jsonl").read_text().splitlines()) == 10
    code, out, _ = cli(*asked, "--gate", "numeric >= 50%", "--json")
    told = json.loads(out)
    assert (code, told["scores"]["groups"][0]["scores"]["numeric"]["mean"]) == (0, 0.5)
    for wrong, why in (
        (["--gate", "x > 1"], "about scores"),
        (["--score", "numeric", "-o", "-"], "from a file"),
    ):
        code, _, err = cli("run", "sums.jsonl", "-m", "lab/x", "-p", "{{ q }}", *wrong)
        assert (code, why in err) == (2, True)
