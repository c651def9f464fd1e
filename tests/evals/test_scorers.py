"""What each scorer finds right, and that no row and no scorer can harm another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.errors import ConfigError
from brimline.evals import find_scorer
from brimline.evals.extract import choice_in, number_in, plain
from brimline.evals.row import ScoreError
from brimline.evals.scorers import BUILT_IN

LINE = {"id": 1, "model": "lab/m", "status": "ok"}


def score(spec, response, expected=None, **columns):
    columns = {"expected_response": expected, **columns} if expected is not None else columns
    (value,) = find_scorer(spec).score({**LINE, **columns, "response": response}).values()
    return value


@pytest.mark.parametrize(
    ("spec", "response", "expected", "value"),
    [
        ("match", "Paris", "Paris", 1), ("match", "Paris.", "Paris", 0), ("match", "paris", "Paris", 0),
        ("match", "b", ["a", "b"], 1),
        ("includes", "It is Paris.", "Paris", 1), ("includes", "It is paris.", "Paris", 0),
        ("exact", " the PARIS! ", "Paris", 1), ("exact", "Paris, France", "Paris", 0),
        ("contains", "It is Paris, of course", "paris", 1), ("contains", "Parisian", "Paris", 0),
        ("contains", "in New York City", "New York", 1), ("contains", "new and York", "New York", 0),
        (r"regex:^\d+$", "123", None, 1), (r"regex:^\d+$", "123 apples", None, 0), ("regex", "abc", "^a.c$", 1),
        ("regex:pattern=a,b", "x a,b", None, 1),
        ("choice", "The answer is (B).", "B", 1), ("choice", "**C** because", "C", 1), ("choice", "A) x", "(A)", 1),
        ("choice", "I do not know", "A", 0), ("choice", "A dog is B", "A", 0),
        ("numeric", "He makes $18 every day.", "9 eggs * 2 = <<9*2=18>>18\n#### 18", 1),
        ("numeric", "so 3 + 15 = 18\n#### 1,800", "#### 1800", 1), ("numeric", "17.99", "18", 0),
        ("numeric:abs=0.01", "17.99", "18", 1), ("numeric:rel=0.01", "101", "100", 1),
        ("numeric:rel=0.01", "101.1", "100", 0), ("numeric", "none", "18", 0), ("numeric", "3.0", 3, 1),
        ("json", '{"b": 1, "a": [1, 2]}', '{"a": [1, 2], "b": 1}', 1), ("json", "```json\n[1]\n```", [1], 1),
        ("json", {"a": 1.0}, {"a": 1}, 1), ("json", "true", "1", 0), ("json", "{", "{}", 0),
        ("f1", "the cat sat", "cat sat down", 0.8), ("f1", "", "", 1), ("f1", "x", "", 0),
        ("rouge-l", "police killed the gunman", "police kill the gunman", 2 / 3),
        ("rouge-l", "b d", "a b c d", 0.8),
    ],
)  # fmt: skip
def test_how_right_an_answer_is(spec, response, expected, value):
    assert score(spec, response, expected) == pytest.approx(value)


def test_bleu_is_sacrebleus():
    sacrebleu = pytest.importorskip("sacrebleu")
    given, right = "the cat is on the mat", "there is a cat on the mat"
    theirs = sacrebleu.BLEU(effective_order=True).sentence_score(given, [right]).score
    assert score("bleu", given, right) == pytest.approx(theirs / 100)


def test_a_schema_is_a_file(tmp_path):
    path = tmp_path / "answer.json"
    path.write_text('{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}')
    assert score(f"schema:{path}", '{"n": 1}') == score(f"schema:file={path}", {"n": 2}) == 1
    assert score(f"schema:{path}", '{"n": "1"}') == score(f"schema:{path}", "no json") == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 18", 18), ("The total is $1,234.50.", 1234.5), (r"\boxed{-3}", -3), ("The answer is 7. It took 3 steps", 7),
        ("-5", -5), ("\u22125", -5), ("1/2", 0.5), ("1.2e3", 1200), ("no number", None), ("v2 of it", None), (".5", 0.5),
        ("10%", 10), ("E0", None), ("-.5e1", -5), ("3.", 3), ("1,2 and 3", 3), ("#### eighteen, so 18", 18),
    ],
)  # fmt: skip
def test_the_number_that_a_text_comes_to(text, number):
    assert number_in(text) == number


@given(st.text(max_size=200))
def test_any_text_can_be_looked_at(text):
    number, choice = number_in(text), choice_in(text)
    assert number is None or isinstance(number, float)
    assert choice is None or len(choice) == 1
    for name in BUILT_IN.keys() - {"schema", "regex", "bleu", "choice", "numeric", "json"}:
        assert 0 <= score(name, text, text or "x") <= 1
    assert plain(text) == plain(plain(text))


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_the_longest_common_run_is_that_of_the_slow_table(one, other):
    from brimline.evals.scorers import _longest_common

    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert _longest_common(one, other) == table[-1][-1]


def test_which_column_is_the_right_answer():
    assert score("match", "x", None, answer="x") == 1
    assert score("match", "x", None, answer="y", expected_response="x") == 1
    assert score("match:expected=gold", "x", "y", gold="x") == 1
    with pytest.raises(ScoreError, match="has no column with the right answer"):
        score("match", "x")
    with pytest.raises(ScoreError, match="has no column 'gold'"):
        score("match:expected=gold", "x", "x")


def test_several_answers_are_scored_in_the_mean_and_of_a_conversation_the_last():
    assert score("match", ["a", "b", "a"], "a") == pytest.approx(2 / 3)
    assert score("match", ["x", "a"], "a", prompt=["first?", "second?"]) == 1


def test_a_function_gives_one_score_or_several():
    def length(row):
        return len(row["response"])

    assert find_scorer(length).score({**LINE, "response": "abc"}) == {"length": 3.0}
    several = find_scorer(lambda row: {"a": True, "b": 0.5})
    assert {*several.score({**LINE, "response": ""}).values()} == {1.0, 0.5}


@pytest.mark.parametrize("returned", ["yes", None, math.nan, [1]])
def test_what_is_no_number_is_no_score(returned):
    with pytest.raises(ScoreError, match="which is no number"):
        find_scorer(lambda row: returned).score({**LINE, "response": ""})


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("mtach", "there is no scorer 'mtach'; there is match, includes"),
        ("numeric:abs=x", "could not convert"),
        ("numeric:tolerance=1", "scorer 'numeric' has no option 'tolerance'; it takes abs, expected, rel"),
        ("schema", "scorer 'schema' needs a file"),
        ("schema:none.json", "none.json: No such file"),
        ("nothing:here", "scorer 'nothing:here' cannot be loaded: ModuleNotFoundError"),
        ("json:dumps", "scorer 'json' has no option 'dumps'"),
        ("math:pi", "scorer 'math:pi' is no function"),
    ],
)
def test_a_scorer_that_is_none(spec, why):
    with pytest.raises(ConfigError) as refused:
        find_scorer(spec)
    assert why in str(refused.value)
