"""prompto's queues: the tables of its documentation's six settings, exactly, and what they mean as limits."""

import json

import pytest

from brimline.config import Config
from brimline.errors import ConfigError
from brimline.evals.queues import Queues, read_rates

MODELS = [
    ("gemini", "gemini-1.0-pro"), ("gemini", "gemini-1.5-pro"), ("openai", "gpt3.5-turbo"),
    ("openai", "gpt4"), ("ollama", "llama3"), ("ollama", "mistral"),
]  # fmt: skip
MORE = [*MODELS, ("ollama", "gemma"), ("ollama", "phi3")]


def rows(models=MODELS, groups=None):
    """Two rows for each model, numbered, as in the documentation's files."""
    made = []
    for number in range(2 * len(models)):
        api, model = models[number // 2]
        row = {"id": number, "api": api, "model_name": model, "prompt": "What is the capital?"}
        group = groups(number) if groups else None
        made.append({**row, "group": group} if group else row)
    return made


def one_two_three(number):
    return "group3" if number >= 8 else f"group{number % 2 + 1}"


def mixed(number):
    return None if number < 8 else "group1" if number < 12 else "group2"


APIS = {"gemini": [0, 1, 2, 3], "openai": [4, 5, 6, 7], "ollama": [8, 9, 10, 11]}
BY_MODEL = {"gemini": {"gemini-1.5-pro": 20}, "openai": {"gpt4": 10, "gpt3.5-turbo": 20}}
WITH_DEFAULTS = {
    "gemini": {"default": 30, "gemini-1.5-pro": 20},
    "openai": {"gpt4": 10, "gpt3.5-turbo": 20},
    "ollama": 4,
}
ALL_IDS = [*range(12)]
TABLES = {
    "no parallel": (rows(), Queues(max_queries=5), [("all", 5, ALL_IDS)]),
    "parallel without rates": (
        rows(), Queues(max_queries=5, parallel=True), [(api, 5, ids) for api, ids in APIS.items()],
    ),
    "rates by api": (
        rows(), Queues(max_queries=5, parallel=True, rates={"openai": 20, "gemini": 10}),
        [("openai", 20, APIS["openai"]), ("gemini", 10, APIS["gemini"]), ("ollama", 5, APIS["ollama"])],
    ),
    "rates by api and model": (
        rows(), Queues(max_queries=5, parallel=True, rates=BY_MODEL),
        [("gemini-gemini-1.5-pro", 20, [2, 3]), ("openai-gpt4", 10, [6, 7]), ("openai-gpt3.5-turbo", 20, [4, 5]),
         ("gemini", 5, [0, 1]), ("openai", 5, []), ("ollama", 5, [8, 9, 10, 11])],
    ),
    "rates by api and model with defaults": (
        rows(), Queues(max_queries=5, parallel=True, rates=WITH_DEFAULTS),
        [("gemini", 30, [0, 1]), ("gemini-gemini-1.5-pro", 20, [2, 3]), ("openai-gpt4", 10, [6, 7]),
         ("openai-gpt3.5-turbo", 20, [4, 5]), ("ollama", 4, [8, 9, 10, 11]), ("openai", 5, [])],
    ),
    "groups": (
        rows(groups=one_two_three),
        Queues(max_queries=5, parallel=True, rates={"group1": 5, "group2": 10, "group3": 15}),
        [("group1", 5, [0, 2, 4, 6]), ("group2", 10, [1, 3, 5, 7]), ("group3", 15, [8, 9, 10, 11])],
    ),
    "groups with models and defaults": (
        rows(groups=one_two_three),
        Queues(max_queries=5, parallel=True,
               rates={"group1": {"default": 7, "gpt4": 2}, "group3": {"llama3": 9}}),
        [("group1", 7, [0, 2, 4]), ("group1-gpt4", 2, [6]), ("group3-llama3", 9, [8, 9]),
         ("group2", 5, [1, 3, 5, 7]), ("group3", 5, [10, 11])],
    ),
    "groups beside apis": (
        rows(MORE, mixed), Queues(max_queries=5, parallel=True, rates={"group1": 5, "group2": 10}),
        [("group1", 5, [8, 9, 10, 11]), ("group2", 10, [12, 13, 14, 15]), ("gemini", 5, [0, 1, 2, 3]),
         ("openai", 5, [4, 5, 6, 7])],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "queues", "table"), TABLES.values(), ids=TABLES)
def test_a_setting_makes_the_queues_of_the_documentation(given, queues, table):
    made = queues.table(given)
    assert [(name, queue.rate, [row["id"] for row in queue.rows]) for name, queue in made.items()] == table


@pytest.mark.parametrize(("given", "queues", "table"), TABLES.values(), ids=TABLES)
def test_each_queue_becomes_a_limit_of_its_rate(given, queues, table):
    config = queues.configured(Config(environment={}))
    assert {name: [str(quota) for quota in config.group_quotas(name)] for name, *_ in table} == {
        name: [f"{rate}/min"] for name, rate, _ in table
    }
    by_group = {row["id"]: queues.grouping.group_of(row) for row in given}
    assert by_group == {id_: name for name, _, ids in table for id_ in ids}


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_group_is_none(empty):
    (name,) = Queues(parallel=True).table([{"api": "openai", "model_name": "m", "group": empty}])
    assert name == "openai"


def test_rows_that_name_their_model_otherwise_are_queued_by_its_reference():
    grouping = Queues(parallel=True, rates={"openai": {"gpt4": 3}}).grouping
    assert grouping.group_of({"model": "openai/gpt4"}, "openai/gpt4") == "openai-gpt4"
    assert grouping.group_of({}, "ollama/llama3") == "ollama"


def test_what_no_row_is_in_is_named():
    queues = Queues(parallel=True, rates={"openaii": 5, "openai": {"gpt4": 1, "default": 2}})
    assert queues.idle(["openai", "gemini"]) == ["openaii", "openai-gpt4"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"openai": 0}', "openai: expected queries a minute, at least 1, got 0"),
        ('{"openai": {"gpt4": 0.5}}', "openai: gpt4: expected queries a minute"),
        ('{"openai": true}', "got True"),
        ('{"openai": "10"}', "got '10'"),
        ("[1]", "expected an object"),
        ("{", "is no JSON"),
        ("\xff", "is no JSON"),
    ],
)
def test_a_rate_that_is_none_is_refused_before_anything_happens(tmp_path, text, reason):
    path = tmp_path / "rates.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=reason):
        read_rates(path)


def test_rates_are_read(tmp_path):
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(WITH_DEFAULTS))
    assert read_rates(path) == WITH_DEFAULTS


def test_rates_of_queues_need_queues():
    with pytest.raises(ConfigError, match="--max-queries-json names the rates of several queues") as caught:
        Queues(rates={"openai": 5})
    assert "--parallel" in (caught.value.hint or "")
