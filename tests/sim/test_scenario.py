"""Scenarios: defaults, inheritance, and errors that name the file, the key and what was expected."""

import msgspec
import pytest

from brimline.sim import Scenario, ScenarioError
from brimline.sim.scenario import Model
from brimline.sim.tables import to_words

EVERYTHING = """
seed = 7
keys = ["sk-good"]
strict_models = true

[models."*"]
latency = "lognormal(0.5s, 0.4)"
tokens_per_s = 80
reply = "lorem"
output_tokens = "uniform(10, 30)"
requests = { rate = "600/min", bucket = 10 }
tokens = { rate = "200k/min", bucket = 33000, charge = "actual" }
input = { rate = "2M/min", bucket = 100000 }
output = { rate = "400k/min" }
window = { limit = 2, seconds = 1 }
concurrency = { limit = 32, over = "queue" }
latency_per_inflight = "2ms"
knee = 48
headers = false
retry_after = "s"
max_context = 128000

[[models."*".faults]]
kind = "429"
share = 0.02
from = "10s"
to = "70s"
retry_after = "2s"

[[models."*".faults]]
kind = "stall"
when = "boom"
times = 1

[models."gpt-4"]
latency = "randint(2, 5)"

[[outages]]
from = "10s"
to = "70s"

[[changes]]
at = "30s"
model = "gpt-*"
requests = { rate = "300/min" }
input = { rate = "1M/min" }
"""


def test_an_empty_scenario_is_complete():
    assert Scenario.parse("").model("anything") == Model()


def test_every_word_is_understood():
    scenario = Scenario.parse(EVERYTHING)
    star = scenario.models["*"]
    assert star.requests.size == 10
    assert star.faults[0].end.ns == 70 * 10**9
    assert scenario.outages[0].kind == "gone"
    assert scenario.changes[0].requests.size == 5


def test_it_can_be_written_back_and_read_again():
    scenario = Scenario.parse(EVERYTHING)
    words = msgspec.json.decode(msgspec.json.encode(to_words(scenario)))
    assert Scenario.make(**words) == scenario


def test_python_values_use_the_same_words():
    made = Scenario.make(seed=7, models={"*": {"requests": {"rate": "600/min"}, "latency": 1}})
    assert made == Scenario.parse('seed = 7\n[models."*"]\nlatency = 1\nrequests = { rate = "600/min" }')


def test_a_model_inherits_what_it_does_not_say():
    scenario = Scenario.parse('[models."*"]\nlatency = "1s"\nknee = 3\n[models.gpt-4]\nlatency = "2s"')
    own = scenario.model("gpt-4")
    assert (str(own.latency), own.knee) == ("2s", 3)


@pytest.mark.parametrize(
    ("name", "reply"),
    [("gpt-4", "lorem"), ("gpt-4-mini", "answer"), ("gpt-3", "echo"), ("other", "echo")],
)
def test_the_exact_name_wins_then_the_longest_pattern(name, reply):
    scenario = Scenario.make(
        models={"gpt-*": {"reply": "echo"}, "gpt-4*": {"reply": "answer"}, "gpt-4": {"reply": "lorem"}}
    )
    assert scenario.model(name).reply == reply


def test_strict_models_leaves_the_star_as_a_default_only():
    scenario = Scenario.make(strict_models=True, models={"*": {"knee": 3}, "gpt-*": {}})
    assert scenario.model("gpt-4").knee == 3
    assert scenario.model("other") is None


def test_buckets_have_a_size_unless_given():
    model = Scenario.make(
        models={"*": {"requests": {"rate": "600/min"}, "tokens": {"rate": "60k/min"}}}
    ).model("m")
    assert (model.requests.size, model.tokens.size) == (10, 10_000)


@pytest.mark.parametrize(
    ("word", "form"),
    [(True, "openai"), (False, "none"), ("openai", "openai"), ("anthropic", "anthropic"), ("none", "none")],
)
def test_headers_have_a_form_or_are_off(word, form):
    assert Scenario.make(models={"*": {"headers": word}}).model("m").headers == form


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("sed = 1", "s.toml: sed: unknown key; did you mean 'seed'?"),
        ("[models.gpt-4]\nlatncy = 1", "s.toml: models.gpt-4.latncy: unknown key; did you mean 'latency'?"),
        (
            '[models."*"]\nlatncy = 1\n[models.a]',
            "s.toml: models.\"*\".latncy: unknown key; did you mean 'latency'?",
        ),
        (
            '[models."gpt 4".tokens]\nrat = 1',
            "s.toml: models.\"gpt 4\".tokens.rat: unknown key; did you mean 'rate'?",
        ),
        ("[models.a]\nzzz = 1", "s.toml: models.a.zzz: unknown key; known here: concurrency, faults,"),
        ('[models.a]\nlatency = "fast"', "s.toml: models.a.latency: expected '0.5s', 'lognormal(0.5s, 0.4)'"),
        (
            '[models.a.requests]\nrate = "6/year"',
            "s.toml: models.a.requests.rate: expected a rate of whole numbers",
        ),
        ("[models.a.requests]\nbucket = 1", "s.toml: models.a.requests.rate: expected, but it is missing"),
        ("[models.a.window]\nlimit = 0", "s.toml: models.a.window.limit: expected int >= 1, got 0"),
        ("[models]\na = 3", "s.toml: models.a: expected a table, got 3"),
        ('seed = "x"', "s.toml: seed: expected int, got 'x'"),
        ('keys = "x"', "s.toml: keys: expected array, got 'x'"),
        (
            "[models.a]\nheaders = 'groq'",
            "s.toml: models.a.headers: expected true, false, 'own', 'openai', 'azure' or 'anthropic', got 'groq'",
        ),
        (
            "[models.a]\nretry_after = 'm'",
            "s.toml: models.a.retry_after: expected one of own, ms, s, none, got 'm'; did you",
        ),
        ("[[models.a.faults]]\nkind = '428'", "did you mean '429'?"),
        (
            "[[models.a.faults]]\nkind = '429'\ntimes = 1",
            "s.toml: models.a.faults[0].times: expected together with",
        ),
        (
            "[[models.a.faults]]\nkind = '429'\nshare = 2",
            "s.toml: models.a.faults[0].share: expected float <= 1.0",
        ),
        (
            "[[outages]]\nfrom = '2s'\nto = '1s'",
            "s.toml: outages[0].to: expected later than 'from' (2s), got '1s'",
        ),
        (
            "[models.a]\nreply = 'ecko'",
            "s.toml: models.a.reply: expected echo, answer, lorem or a .jsonl file, got 'ecko'",
        ),
        ("seed =", "s.toml: expected TOML: Invalid value"),
    ],
)
def test_an_error_names_the_file_the_key_and_what_was_expected(toml, problem):
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(toml, "s.toml")
    assert problem in str(caught.value)


def test_an_error_carries_its_parts():
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse("[models.a]\nknee = -1", "s.toml")
    assert (caught.value.source, caught.value.key) == ("s.toml", "models.a.knee")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"missing\.toml: cannot be read"):
        Scenario.load(tmp_path / "missing.toml")


def test_a_replay_is_found_beside_its_scenario(tmp_path):
    (tmp_path / "s.toml").write_text('[models."*"]\nreply = "answers.jsonl"\n')
    model = Scenario.load(tmp_path / "s.toml").model("m")
    assert model.replay == str(tmp_path / "answers.jsonl")
