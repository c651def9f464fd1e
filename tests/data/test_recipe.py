"""Rows of every form become requests, and a row that is none says why."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brimline.data.batch import FORMS, is_batch_row
from brimline.data.inputs import open_table
from brimline.data.media import Media
from brimline.data.recipe import Origin, Recipe, parse_value
from brimline.data.rows import Row, RowError
from brimline.data.template import Plain, Template
from brimline.types import Operation, Priority

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
HI = ({"role": "user", "content": "Hi"},)


@pytest.fixture
def recipe(tmp_path):
    return Recipe(media=Media(tmp_path))


def requests(recipe, number=0, /, **columns):
    return recipe.requests(Row(0, 1, columns), number)


def only(recipe, /, **columns):
    (request,) = requests(recipe, **columns)
    return request


def reason(recipe, /, **columns):
    with pytest.raises(RowError) as refused:
        requests(recipe, **columns)
    return str(refused.value)


# The three forms of rows.


def test_a_prompto_row_names_api_and_model(recipe):
    row = {
        "id": 7,
        "api": "openai",
        "model_name": "gpt-4o",
        "prompt": "Hi",
        "parameters": {"n": 1},
        "group": "g",
    }
    request = only(recipe, **row)
    assert (request.id, request.model, request.messages, request.params) == (7, "openai/gpt-4o", HI, {"n": 1})
    assert request.origin == Origin(0, row, 7, is_batch=False)
    assert request.priority == Priority.NORMAL


@pytest.mark.parametrize(
    ("prompt", "texts", "turns"),
    [
        ("How does technology impact us?", ["How does technology impact us?"], 1),
        (["How does trade create jobs?", "I want a joke about that"], ["How does trade create jobs?"], 2),
        (
            [{"role": "system", "content": "Briefly."}, {"role": "user", "content": "Hi"}],
            ["Briefly.", "Hi"],
            1,
        ),
        (
            [
                {"role": "user", "content": "I'm 6"},
                {"role": "assistant", "content": "OK"},
                {"role": "user", "content": "?"},
            ],
            ["I'm 6", "OK", "?"],
            1,
        ),
    ],
)
def test_every_form_of_a_prompto_prompt_is_read(recipe, prompt, texts, turns):
    request = only(recipe, api="lab", model_name="x", prompt=prompt)
    assert [message["content"] for message in request.messages] == texts
    assert request.turns == turns
    assert request.follow_ups == (tuple(prompt[1:]) if turns > 1 else ())


@pytest.mark.parametrize("image", ["a.png", {"url": "a.png"}, {"url": "a.png", "detail": "auto"}])
def test_every_form_of_a_prompto_image_is_read(recipe, tmp_path, image):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.png").write_bytes(PNG)
    content = ["describe this", {"type": "image_url", "image_url": image}]
    request = only(recipe, api="lab", model_name="x", prompt=[{"role": "user", "content": content}])
    assert [*request.media] == [request.messages[0]["content"][1]["image_url"]["url"]]


def test_a_plain_row_has_a_prompt_or_messages_and_a_model(recipe):
    assert only(recipe, prompt="Hi", model="lab/x", answer=4).messages == HI
    assert only(recipe, messages=[*HI], model="lab/x").messages == HI
    assert only(recipe, prompt=None, messages="Hi", model="lab/x").messages == HI
    assert (
        only(recipe, prompt="Hi", messages=[{"role": "user", "content": "no"}], model="lab/x").messages == HI
    )


@pytest.mark.parametrize(
    ("api", "more", "params"),
    [
        ("gemini", {"safety_filter": "few"}, {"safety_filter": "few"}),
        ("vertexai", {"safety_filter": "few", "parameters": {"a": 1}}, {"a": 1, "safety_filter": "few"}),
        (
            "gemini",
            {"safety_filter": "few", "parameters": {"safety_filter": "most"}},
            {"safety_filter": "most"},
        ),
        ("gemini", {"safety_filter": None}, {}),
        ("gemini", {}, {}),
        ("openai", {"safety_filter": "few"}, {}),
    ],
)
def test_promptos_safety_filter_is_a_parameter_of_googles_models(recipe, api, more, params):
    assert only(recipe, api=api, model_name="m", prompt="Hi", **more).params == params
    row = {"api": api, "model_name": "m", "prompt": "Hi", **more}
    other, same = requests(replace(recipe, models=("lab/x", f"{api}/y")), **row)
    assert "safety_filter" not in other.params or "parameters" in more
    assert same.params == params


def test_a_batch_row_is_openais(recipe):
    body = {"model": "gpt-4o", "messages": [*HI], "max_tokens": 5, "stream": False}
    row = {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    request = only(recipe, **row)
    assert (request.id, request.model, request.messages) == ("r-1", "openai/gpt-4o", HI)
    assert request.params == {"max_tokens": 5, "stream": False}
    assert request.origin == Origin(0, row, row["custom_id"], is_batch=True)
    (moved,) = requests(replace(recipe, models=("lab/x",)), **row)
    assert moved.model == "lab/x"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"url": "/v1/moderations"},
            f"its url '/v1/moderations' is not supported; there is {', '.join(FORMS)}",
        ),
        ({"method": "GET"}, "its method 'GET' is not POST"),
        ({"body": "text"}, "its body is no object"),
        ({"body": {"messages": [*HI]}}, "its body names no model"),
        ({"body": {"model": 4, "messages": [*HI]}}, "its body names no model"),
        ({"body": {"model": "gpt-4o"}}, "the prompt is empty"),
        ({"custom_id": ["r"]}, "its id is neither text nor a number"),
    ],
)
def test_a_batch_row_that_is_wrong_says_why(recipe, changed, why):
    row = {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions"}
    body = {"model": "gpt-4o", "messages": [*HI]}
    assert reason(recipe, **{**row, "body": body, **changed}) == why


def test_a_row_that_lacks_only_its_custom_id_says_so(recipe):
    row = {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [*HI]}}
    assert "but no custom_id" in reason(recipe, **row)
    asked = replace(recipe, models=("lab/x",), prompt=Template("{{ body.model }}", "-p"))
    assert only(asked, **row).messages[0]["content"] == "m", "a template makes it a plain row"


def test_a_plain_row_may_have_columns_that_mean_something_elsewhere(recipe):
    """An e-mail has a body, a data set a mode, a ticket a custom_id: nobody asked for OpenAI's batches or prompto."""
    mails = replace(recipe, models=("lab/x",), prompt=Template("{{ body }}", "-p"))
    assert only(mails, custom_id="c", body="Hi", id=3).id == 3
    assert not is_batch_row({"custom_id": "c", "body": "Hi"})
    assert not is_batch_row({"custom_id": "c", "url": "u"})
    assert not is_batch_row({"body": {}, "url": "u"})
    assert only(recipe, prompt="Hi", model="lab/x", mode="train").messages == HI
    assert only(recipe, prompt="Hi", model="lab/x", mode="completion").operation is Operation.CHAT


def test_promptos_mode_says_what_is_asked_for(recipe):
    row = {"api": "lab", "model_name": "x", "prompt": "Hi"}
    asked = {mode: only(recipe, **row, mode=mode) for mode in (None, "chat", "completion")}
    assert [request.operation for request in asked.values()] == ["chat", "chat", "completion"]
    assert asked[None].key == only(recipe, **row).key == asked["chat"].key != asked["completion"].key
    assert asked["completion"].messages == HI
    assert reason(recipe, **row, mode="edit") == "its mode 'edit' is none; it can be 'chat' or 'completion'"
    assert "its mode ['chat'] is none" in reason(recipe, **row, mode=["chat"])
    talk = {**row, "prompt": ["Hi", "And?"]}
    assert "there is only a text to complete" in reason(recipe, **talk, mode="completion")


# Models.


@pytest.mark.parametrize(
    ("row", "model"),
    [
        ({"api": "lab", "model_name": "x"}, "lab/x"),
        ({"api": "lab", "model_name": "x", "model": "other/y"}, "lab/x"),
        ({"api": "lab", "model": "other/y"}, "other/y"),
        ({"model_name": "x", "model": "other/y"}, "other/y"),
        ({"api": "lab", "model_name": "a/b/c"}, "lab/a/b/c"),
        ({"model": "openrouter/meta/llama/free"}, "openrouter/meta/llama/free"),
        ({"api": "lab", "model_name": ""}, "lab/"),
        ({"api": "", "model_name": "x"}, "/x"),
    ],
)
def test_a_row_names_its_model(recipe, row, model):
    """Whether there is such an endpoint is asked once for each model, not for each row."""
    assert only(recipe, prompt="Hi", **row).model == model


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, "names no model; give one with -m ENDPOINT/MODEL"),
        ({"model": None}, "names no model"),
        ({"api": "lab"}, "names no model"),
        (
            {"model": "gpt-4"},
            "its model 'gpt-4' has no endpoint; write it as ENDPOINT/MODEL, or give one with -m",
        ),
        ({"model": ""}, "its model '' has no endpoint"),
        ({"model": 4}, "its model 4 has no endpoint"),
        ({"model": ["lab/x"]}, "its model ['lab/x'] has no endpoint"),
    ],
)
def test_a_row_without_a_model_says_so(recipe, row, why):
    assert reason(recipe, prompt="Hi", **row).startswith(why)


def test_every_row_goes_to_every_model_given_in_their_order(recipe):
    both = replace(recipe, models=("lab/x", "lab/y"))
    made = requests(both, 5, prompt="Hi", model="own/z", id="a")
    assert [(request.id, request.model, request.origin.number) for request in made] == [
        ("a", "lab/x", 10),
        ("a", "lab/y", 11),
    ]
    assert made[0].key != made[1].key
    assert both.per_row == 2


# Prompts.


def test_a_template_wins_over_every_prompt_and_a_column_over_the_usual_ones(recipe):
    row = {"prompt": "a", "messages": [*HI], "question": ["b", "c"], "model": "lab/x"}
    template = replace(recipe, prompt=Template("{{ prompt }}!", "-p"))
    assert only(template, **row).messages[0]["content"] == "a!"
    column = replace(recipe, column="question")
    assert (only(column, **row).messages[0]["content"], only(column, **row).follow_ups) == ("b", ("c",))


def test_messages_in_a_cell_are_read_wherever_they_are_named(recipe):
    text = '[{"role": "user", "content": "Hi"}]'
    assert only(recipe, messages=text, model="lab/x").messages == HI
    assert only(replace(recipe, column="messages"), messages=text, model="lab/x").messages == HI
    assert only(recipe, prompt=text, model="lab/x").messages[0]["content"] == text, (
        "a prompt is a text as it is"
    )


def test_a_system_message_is_for_rows_without_one(recipe):
    brief = replace(recipe, system=Plain("Be brief."))
    own = [{"role": "system", "content": "own"}, *HI]
    assert [message["content"] for message in only(brief, prompt="Hi", model="lab/x").messages] == [
        "Be brief.",
        "Hi",
    ]
    assert only(brief, prompt=own, model="lab/x").messages == tuple(own)
    assert only(brief, prompt=["a", "b"], model="lab/x").messages[0]["content"] == "Be brief."


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "has no prompt; give a template with -p, or a column with --prompt-column"),
        ({"column": "c"}, "has no column 'c' (it has: text, model)"),
        ({"prompt": Template("{{ body }}", "-p")}, "has no field 'body' that -p needs (it has: text, model)"),
        ({"prompt": Template("{% if 0 %}{% endif %}", "-p")}, "the prompt is empty"),
        (
            {"column": "text", "system": Template("{{ s }}", "--system")},
            "has no field 's' that --system needs",
        ),
    ],
)
def test_a_row_without_a_prompt_says_what_it_has(recipe, options, why):
    assert reason(replace(recipe, **options), text="Hi", model="lab/x").startswith(why)


# Ids.


@pytest.mark.parametrize("id_", [0, "0", "", "a", True, False, 1.5, -3, 2**70, "null"])
def test_any_scalar_is_an_id_as_it_is(recipe, id_):
    made = requests(recipe, 4, prompt="Hi", model="lab/x", id=id_)[0]
    assert (made.id, type(made.id)) == (id_, type(id_))
    assert made.origin.own_id is id_


def test_without_an_id_the_rows_number_is_it(recipe):
    for row in ({}, {"id": None}):
        made = requests(recipe, 4, prompt="Hi", model="lab/x", **row)[0]
        assert (made.id, made.origin.own_id) == (4, None)


@pytest.mark.parametrize("id_", [[], {}, [1], {"a": 1}])
def test_an_id_that_is_no_scalar_is_refused(recipe, id_):
    assert reason(recipe, prompt="Hi", model="lab/x", id=id_) == "its id is neither text nor a number"


# Parameters and priorities.


def test_parameters_come_from_an_object_from_columns_and_from_the_command_in_rising_order(recipe):
    row = {
        "parameters": {"a": 1, "b": 1, "c": 1},
        "parameters-b": "2",
        "parameters-c": 2,
        "parameters-d": None,
    }
    asked = only(replace(recipe, params={"c": 3}), prompt="Hi", model="lab/x", **row)
    assert asked.params == {"a": 1, "b": 2, "c": 3}
    assert row["parameters"] == {"a": 1, "b": 1, "c": 1}, "the row itself is not changed"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.7", 0.7),
        ("1", 1),
        ("1.0", 1.0),
        ("true", True),
        ("null", None),
        ('["a"]', ["a"]),
        ('{"type": "json_object"}', {"type": "json_object"}),
        ('"quoted"', "quoted"),
        ("high", "high"),
        ("True", "True"),
        ("NaN", "NaN"),
        ("007", "007"),
        ("1e400", "1e400"),
        ("{broken", "{broken"),
        ("", ""),
        ("18446744073709551616", 2**64),
        ("\ud83d", "\ud83d"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_cell_is_json_or_else_the_text_it_is(text, value):
    parsed = parse_value(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("parameters", ["text", "5", ["a"], 5, True, '["a"]'])
def test_parameters_that_are_no_object_are_refused(recipe, parameters):
    assert reason(recipe, prompt="Hi", model="lab/x", parameters=parameters) == "its parameters are no object"


@pytest.mark.parametrize(
    ("value", "priority"), [(5, 5), ("-10", -10), (None, 0), (Priority.HIGH, 10), (2**70, 2**70)]
)
def test_a_row_may_carry_a_priority(recipe, value, priority):
    assert only(recipe, prompt="Hi", model="lab/x", priority=value).priority == priority


@pytest.mark.parametrize("value", ["high", "1.5", 1.5, True, [], "", {"a": 1}])
def test_a_priority_that_is_none_is_refused(recipe, value):
    assert (
        reason(recipe, prompt="Hi", model="lab/x", priority=value)
        == f"its priority {value!r} is no whole number"
    )


# Keys.


def test_a_key_knows_nothing_of_where_things_lie_and_what_else_a_row_holds(tmp_path):
    keys = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.png").write_bytes(PNG)
        prompt = [{"role": "user", "content": ["?", {"type": "image_url", "image_url": f"{name}.png"}]}]
        row = {"prompt": prompt, "model": "lab/x", "id": name, "label": name, "priority": len(keys)}
        keys.add(only(Recipe(media=Media(folder)), **row).key)
    assert len(keys) == 1
    (folder / "two.png").write_bytes(PNG + b"other")
    keys.add(only(Recipe(media=Media(folder)), **row).key)
    assert len(keys) == 2, "another content is another request"


def test_the_same_rows_as_csv_and_as_jsonl_are_the_same_requests(tmp_path, recipe):
    (tmp_path / "in.csv").write_text(
        'id,prompt,model,parameters-temperature,parameters-stop,priority\r\na,"Say ""hi""\nnow",lab/x,0.5,"[""a""]",5\r\n'
        "b,café,lab/y,,,\r\n"
    )
    (tmp_path / "in.jsonl").write_text(
        '{"id":"a","prompt":"Say \\"hi\\"\\nnow","model":"lab/x","parameters":{"stop":["a"],"temperature":0.5},"priority":5}\n'
        '{"id":"b","prompt":"caf\\u00e9","model":"lab/y"}\n'
    )
    made = [
        [replace(recipe.requests(row, number)[0], origin=None) for number, row in enumerate(table.scan())]
        for table in (open_table(tmp_path / "in.csv"), open_table(tmp_path / "in.jsonl"))
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 2


# Rows from Python may hold anything.


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"prompt": "half \ud83d"}, "it holds text that is not Unicode (half of a surrogate pair)"),
        ({"prompt": "Hi", "parameters": {"a": object()}}, "it holds what is not JSON"),
        ({"prompt": "Hi", "parameters": {None: 1}}, "it holds what is not JSON"),
        ({"prompt": [{"role": "user", "content": "Hi", "extra": {1, 2j}}]}, "it holds what is not JSON"),
        ({"prompt": b"Hi"}, "the prompt is neither a string"),
        ({"prompt": ("a", "b")}, "the prompt is neither a string"),
        ({"prompt": "Hi", "priority": Decimal(1)}, "its priority Decimal('1') is no whole number"),
    ],
)
def test_what_cannot_be_sent_is_the_rows_problem_and_never_a_crash(recipe, columns, why):
    assert reason(recipe, model="lab/x", **columns).startswith(why)


def test_columns_of_a_row_from_python_may_have_any_name(recipe):
    columns = {1: "a", None: "b", ("c",): 2, "prompt": "Hi", "model": "lab/x"}
    assert recipe.requests(Row(0, 1, columns), 0)[0].messages == HI
    with pytest.raises(RowError, match="has no column 'x'"):
        replace(recipe, column="x").requests(Row(0, 1, columns), 0)


def test_a_schema_is_for_answers(tmp_path):
    schema = {"type": "object"}
    recipe = Recipe(media=Media(tmp_path), models=("lab/x",), schema=schema)
    plain = Recipe(media=Media(tmp_path), models=("lab/x",))
    assert only(recipe, prompt="Hi").schema is schema
    assert only(recipe, prompt="Hi").key != only(plain, prompt="Hi").key
    assert "follows no schema" in reason(replace(recipe, embed=True), prompt="Hi")
