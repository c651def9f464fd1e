"""`brimline compare`: who is better, by how much, and where they differ."""

import json

import pytest

from brimline.evals import find_scorer
from brimline.evals.compare import compare
from brimline.store.lines import result_line
from brimline.types import FaultKind
from tests.store.outcomes import failure, request, response, success

EVIL = "<script>alert(1)</script>\x1b[31m"


def lines(model, wrong=(), failed=()):
    for n in range(20):
        asked = request(n, model=model, text=str(n))
        answer = success(asked, response(EVIL if n in wrong else f"{n}"))
        outcome = failure(asked, FaultKind.TIMEOUT) if n in failed else answer
        yield result_line({"prompt": f"say {n}", "answer": f"{n}", "model": model}, outcome)


@pytest.fixture
def two(write):
    one = write("one.jsonl", b"".join(lines("lab/a", wrong={0, 1, 2, 3})))
    return one, write("two.jsonl", b"".join(lines("lab/b", wrong={0}, failed={19})))


def test_wins_ties_and_losses_by_row(two):
    found = compare(two, find_scorer("match"))
    (difference,) = found.differences
    assert (difference.wins, difference.ties, difference.losses) == (3, 16, 0)
    assert difference.score.value == pytest.approx(3 / 19)
    assert [side.name for side in found.sides] == ["one", "two"]
    assert [row for row, _ in found.differing] == ["1", "2", "3", "19"]
    assert (difference.rows, difference.same) == (20, 16)


def test_models_of_one_file_are_sides(write):
    path = write("both.jsonl", b"".join((*lines("lab/a", wrong={5}), *lines("lab/b"))))
    found = compare([path], find_scorer("match"))
    assert [side.name for side in found.sides] == ["lab/a", "lab/b"]
    assert found.differences[0].wins == 1


def test_names_are_never_markup(cli, write):
    path = write("both.jsonl", b"".join((*lines("lab/[red]a"), *lines("lab/b[/]"))))
    code, out, _ = cli("compare", path)
    assert code == 0
    assert "lab/[red]a" in out
    assert "lab/b[/]" in out


def test_what_is_shown_and_written(cli, two, tmp_path):
    code, out, err = cli("compare", *two, "-s", "match", "--html", "page.html")
    assert code == 0
    assert "3 / 16 / 0" in out
    assert "\x1b[31m" not in out
    page = (tmp_path / "page.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "Page: page.html" in err
    code, out, _ = cli("compare", *two, "--json")
    told = json.loads(out)
    assert told["differences"][0]["same"] == 16
    assert told["differing"][0]["two"]["response"] == "1"


def test_scores_of_brimline_score_are_taken(cli, two):
    for path in two:
        assert cli("score", path, "-s", "match")[0] == 0
    code, out, _ = cli("compare", "one.scored.jsonl", "two.scored.jsonl", "--json")
    assert (code, json.loads(out)["scorer"], json.loads(out)["differences"][0]["wins"]) == (0, "match", 3)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["one.jsonl"], "there is only one side"),
        (["one.jsonl", "other.jsonl"], "they have no row in common"),
        (["one.jsonl", "none.jsonl"], "none.jsonl cannot be read"),
        ([], "Missing argument 'RESULTS...'"),
    ],
)
def test_what_cannot_be_compared(cli, two, write, arguments, why):
    asked = request("x", model="lab/a", text="x")
    write("other.jsonl", result_line({"model": "lab/a"}, success(asked, response("x"))))
    code, _, said = cli("compare", *arguments)
    assert code == 2
    assert why in said
