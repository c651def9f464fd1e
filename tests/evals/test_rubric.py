"""Rubrics: what judges are asked, and which verdicts count."""

import pytest

from brimline.errors import ConfigError
from brimline.evals.rubric import both_ways, read_rubric

RUBRIC = """
judges = ["openai/gpt-5", "anthropic/claude-sonnet-5"]
[criteria.accuracy]
question = "Is every claim right?"
scale = [1, 5]
[criteria.tone]
question = "How does it sound?"
choices = ["friendly", "rude"]
"""
PAIR = """
kind = "pairwise"
[criteria.help]
question = "Which one helps more?"
"""
ROW = {"id": 1, "prompt": ["a?", "b?"], "response": ["x", "{{ 7 * 7 }} {criteria}"], "topic": "law"}


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return read_rubric(path)

    return read


def test_a_judge_is_asked_for_each_criterion(read):
    rubric = read(RUBRIC)
    asked = rubric.prompt(ROW)
    assert "[Prompt]\na?\nb?\n" in asked
    assert "- accuracy: Is every claim right? (1 to 5)\n- tone: How does it sound? (friendly, rude)" in asked
    assert "[Answer]\nx\n{{ 7 * 7 }} {criteria}\n" in asked, "what an answer says is never a template"
    assert (rubric.name, rubric.judges) == ("mine", ("openai/gpt-5", "anthropic/claude-sonnet-5"))


def test_a_verdict_has_a_schema_and_is_checked(read):
    jsonschema = pytest.importorskip("jsonschema")
    rubric = read(RUBRIC)
    said = {"accuracy": {"reason": "r", "verdict": 4}, "tone": {"reason": "r", "verdict": "rude"}}
    jsonschema.validate(said, rubric.schema)
    assert [*rubric.schema["properties"]["tone"]["properties"]] == ["reason", "verdict"], "first the reason"
    assert rubric.verdicts(said) == {"accuracy": 4, "tone": "rude"}
    for wrong in (
        {**said, "tone": {"verdict": "nice"}},
        {**said, "accuracy": {"verdict": True}},
        {},
        None,
        "4",
    ):
        with pytest.raises(ValueError, match=r"accuracy|tone"):
            rubric.verdicts(wrong)


def test_a_prompt_of_ones_own_sees_the_columns(read):
    rubric = read('prompt = "On {{ topic }}: {{ response }}"\n' + RUBRIC)
    assert rubric.prompt(ROW) == "On law: x\n{{ 7 * 7 }} {criteria}"


def test_pairs_are_asked_both_ways(read):
    rubric = read(PAIR)
    asked = rubric.pair(ROW, "one", "two")
    assert asked.index("\none\n") < asked.index("\ntwo\n")
    assert rubric.verdicts({"reason": "r", "verdict": "tie"}) == {"verdict": "tie"}
    assert [both_ways(*said) for said in (("first", "second"), ("second", "first"), ("tie", "tie"))] == [
        "first", "second", "tie",
    ]  # fmt: skip
    assert both_ways("first", "first") == both_ways("first", "tie") == "tie", (
        "a judge that likes a place has no opinion"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("judges = 'x'\n" + RUBRIC.split("\n", 2)[2], "judges is a list of model references"),
        ("criterias = 1", "unknown key 'criterias'"),
        ("kind = 'x'", "kind is 'rubric' or 'pairwise'"),
        ("", "there is no criterion"),
        ("[criteria.a]\nscale = [1, 5]", "criteria.a: question is missing"),
        ("[criteria.a]\nquestion = 'q'", "it has either a scale or choices"),
        ("[criteria.a]\nquestion = 'q'\nscale = [5, 1]", "scale is its ends"),
        ("[criteria.a]\nquestion = 'q'\nchoices = ['x']", "at least two different words"),
        ("[criteria.a]\nquestion = 'q'\nchoises = ['x']", "unknown key 'choises'"),
        (PAIR + "scale = [1, 2]", "it has neither scale nor choices"),
        ("prompt = '{{ x'\n" + RUBRIC, "prompt"),
        ("[", "is no TOML"),
    ],
)
def test_a_rubric_that_is_wrong_says_where(read, text, why):
    with pytest.raises(ConfigError) as refused:
        read(text)
    assert why in str(refused.value)
