"""Rows for judges and for rephrasing: prompto's records and ids, to the letter."""

import json

import pytest

from brimline.errors import ConfigError, InputError
from brimline.evals.folder import fill, read_lines, read_settings, read_templates, shown
from brimline.evals.records import (
    Answer,
    Names,
    ask_with,
    find_parser,
    judge_rows,
    rephrase_rows,
    rephrased_rows,
    split_numbered_list,
)

GPT = {"api": "openai", "model_name": "gpt-4o", "parameters": {"temperature": 0.5}}
LLAMA = {"api": "ollama", "model_name": "llama3.1", "parameters": {}}
DONE = [
    {"id": 0, "api": "a", "model_name": "m", "prompt": "a joke", "response": "Ha {x}"},
    {"api": "a", "model_name": "m", "prompt": "a fact", "response": "Cats"},
]


def answers(rows):
    names = Names(rows)
    return [Answer(names.of(number, row), row) for number, row in enumerate(rows)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"gpt-4o": GPT, "llama": LLAMA}))
    (tmp_path / "template.txt").write_text('Reply {"yes"} or no.\nQ: {INPUT_PROMPT}\nA: {OUTPUT_RESPONSE}')
    (tmp_path / "funny.txt").write_text("Funny? {OUTPUT_RESPONSE}")
    (tmp_path / "lines.txt").write_text('Say it again: "{INPUT_PROMPT}"\n\nOnce more.\\n{INPUT_PROMPT}\n')
    return tmp_path


def test_the_rows_for_judges(folder):
    judges = read_settings(folder, ["gpt-4o", "llama"])
    templates = read_templates(folder, ["template.txt", "funny.txt"])
    rows = [*judge_rows(answers(DONE), judges, {name: ask_with(text) for name, text in templates.items()})]
    assert [row["id"] for row in rows] == [
        f"judge-{judge}-{template}-{name}"
        for judge in ("gpt-4o", "llama") for template in ("template", "funny") for name in (0, "NA")
    ]  # fmt: skip
    assert rows[0] == {
        "id": "judge-gpt-4o-template-0",
        "template_name": "template",
        "prompt": 'Reply {"yes"} or no.\nQ: a joke\nA: Ha {x}',
        **GPT,
        "input-id": 0, "input-api": "a", "input-model_name": "m", "input-prompt": "a joke", "input-response": "Ha {x}",
    }  # fmt: skip
    assert [*rows[0]] == [
        "id", "template_name", "prompt", "api", "model_name", "parameters", "input-id", "input-api", "input-model_name",
        "input-prompt", "input-response",
    ]  # fmt: skip


def test_ids_tell_rows_apart():
    rows = [
        {"id": 1, "model": "a/x"}, {"id": 1, "model": "b/y"}, {"id": "1", "model": "a/x", "repeat": 1}, {"id": 2, "model": "a/x"},
        {"id": 2.5, "model": "a/x", "repeat": 0}, {"model": "a/x"}, {"api": "a", "model_name": "x"},
    ]  # fmt: skip
    assert [answer.name for answer in answers(rows)] == ["1-a/x", "1-b/y", "1-a/x-1", "2", "2.5-0", "5", "6"]
    assert [answer.name for answer in answers(rows[3:4] + rows[5:6])] == ["2", "NA"], "as prompto has it"
    assert Names([], with_model=True).of(0, rows[3]) == "2-a/x"


def test_what_is_said_stands_for_itself():
    assert (
        fill("{INPUT_PROMPT}|{OUTPUT_RESPONSE}|{}", prompt="{OUTPUT_RESPONSE}", response="\\1")
        == "{OUTPUT_RESPONSE}|\\1|{}"
    )


def test_images_go_to_a_judge_that_sees_the_prompt():
    image = {"type": "image_url", "image_url": "/cat.jpg"}
    prompt = [{"role": "user", "content": ["what is it?", image]}]
    answer = Answer("1", {"id": 1, "prompt": prompt, "response": "a cat"}, [image])
    asks = {"a": ask_with("{INPUT_PROMPT}: {OUTPUT_RESPONSE}"), "b": ask_with("{OUTPUT_RESPONSE}")}
    seen, blind = judge_rows([answer], {"j": GPT}, asks)
    assert seen["prompt"] == [
        {"role": "user", "content": [{"type": "text", "text": "user: what is it?[image_url]: a cat"}, image]}
    ]
    assert blind["prompt"] == "a cat"


def test_the_rows_for_rephrasing_and_of_it(folder):
    rows = [*rephrase_rows(DONE[:1], read_settings(folder, ["llama"]), read_lines(folder, "lines.txt"))]
    assert [(row["id"], row["template_index"], row["prompt"]) for row in rows] == [
        ("rephrase-llama-0-0", 0, 'Say it again: "a joke"'),
        ("rephrase-llama-1-0", 1, "Once more.\na joke"),
    ]
    results = [
        {**rows[0], "response": "one joke", "status": "ok"},
        {**rows[1], "response": None, "status": "failed"},
    ]
    made = [*rephrased_rows(results, originals=DONE)]
    assert made[0] == {
        "id": "rephrase-llama-0-0", "prompt": "one joke", "input-prompt": "a joke", "input-id": 0, "api": "a",
        "model_name": "m", "response": "Ha {x}",
    }  # fmt: skip
    assert made[1:] == [{**DONE[0], "input-id": 0}, {**DONE[1], "input-id": None}], (
        "also those that nobody rephrased"
    )
    assert len([*rephrased_rows(results)]) == 1


def test_a_row_without_a_prompt_is_not_rephrased():
    with pytest.raises(InputError, match=r"row 1 \(id x\) has no prompt to rephrase"):
        [*rephrase_rows([DONE[0], {"id": "x"}], {"llama": LLAMA}, ["{INPUT_PROMPT}"])]


def test_one_answer_may_hold_several_prompts():
    row = {"id": "r", "response": "1. one\n2) two\nlines\n3: three", "input-id": 7, "input-prompt": "p"}
    made = [*rephrased_rows([row], parse=find_parser("split_numbered_list"))]
    assert [(each["id"], each["prompt"]) for each in made] == [
        ("r-0", "one"),
        ("r-1", "two\nlines"),
        ("r-2", "three"),
    ]
    assert split_numbered_list("a\n\nb") == ["a", "b"]
    with pytest.raises(ConfigError, match="there is no parser 'x'"):
        find_parser("x")


def test_prompts_of_every_form_can_be_shown():
    assert shown(["a?", "b?"]) == "a?\nb?"
    assert shown([
        {"role": "system", "content": "s"},
        {"role": "model", "parts": ["x", {"type": "text", "media": "y"}]},
    ]) == ("system: s\nmodel: xy")
    assert shown({"a": 1}) == '{"a":1}'
    assert shown(None) == ""


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("settings.json", "[]", "holds no object"),
        ("settings.json", "{", "is no JSON"),
        ("settings.json", '{"gpt-4o": {"api": "x"}}', "gpt-4o: model_name is missing"),
        ("settings.json", '{"other": {"api": "x", "model_name": "y", "parameters": {}}}', "does not know gpt-4o; it knows other"),
        ("template.txt", "no holes", "holds neither"),
        ("lines.txt", "no holes", "template 1 has no {INPUT_PROMPT}"),
        ("lines.txt", "\n", "holds no template"),
    ],
)  # fmt: skip
def test_a_folder_that_is_wrong_says_where(folder, name, content, why):
    def read_all():
        read_settings(folder, ["gpt-4o"])
        read_templates(folder, ["template.txt"])
        read_lines(folder, "lines.txt")

    read_all()
    (folder / name).write_text(content)
    with pytest.raises(ConfigError) as refused:
        read_all()
    assert why in str(refused.value)
