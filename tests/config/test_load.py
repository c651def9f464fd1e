"""Where settings come from: flags over environment over brimline.toml over the user's file over defaults."""

import os

import pytest

from brimline.config import LimitRule, load_config
from brimline.config.load import user_file
from brimline.core.quota import parse_quotas
from brimline.core.time import MINUTE, SECOND
from brimline.errors import ConfigError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder and a user's folder, both empty."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home" / "brimline").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def load(place):
    def load(text="", *, user="", environment=None, **options):
        if text:
            (place / "brimline.toml").write_text(text, encoding="utf-8")
        if user:
            (place / "home" / "brimline" / "config.toml").write_text(user)
        return load_config(
            environment={"XDG_CONFIG_HOME": str(place / "home"), **(environment or {})}, **options
        )

    return load


def reason(load, *arguments, **options):
    with pytest.raises(ConfigError) as refused:
        load(*arguments, **options)
    return str(refused.value)


def test_without_anything_there_are_defaults_and_the_built_in_endpoints(load):
    config = load()
    assert config.run.sources == {}
    assert (config.run.timeout, config.run.max_tries, config.run.max_wait) == (600, 5, 3600)
    assert {"openai", "sim"} < {*config.endpoints}
    assert (config.rules, config.files) == ((), ())


SOURCES = {
    "user": {"user": "[run]\ntimeout = 1\nmax_tries = 1\nmax_wait = 1\nbackoff.max = 1"},
    "file": {"text": "[run]\ntimeout = '2s'\nmax_tries = 2\nmax_wait = '2'"},
    "environment": {"environment": {"BRIMLINE_TIMEOUT": "3", "BRIMLINE_MAX_TRIES": "3"}},
    "flag": {"run": {"timeout": 4.0, "max_tries": None}},
}


def test_a_value_comes_from_the_weightiest_source_that_gives_it(load):
    config = load(**{name: value for source in SOURCES.values() for name, value in source.items()})
    run, user = config.run, str(user_file(config.environment))
    assert (run.timeout, run.max_tries, run.max_wait, run.backoff_max, run.backoff_initial) == (
        4,
        3,
        2,
        1,
        0.5,
    )
    assert run.sources == {
        "timeout": "flag",
        "max_tries": "environment",
        "max_wait": "brimline.toml",
        "backoff_max": user,
    }
    assert config.files == ("brimline.toml", user)


def test_the_retry_policy_follows_from_the_settings(load):
    policy = load("[run]\nmax_tries = 2\nbackoff = { initial = '250ms', max = '2m' }").run.policy
    assert (policy.max_tries, policy.initial, policy.maximum) == (2, SECOND // 4, 2 * MINUTE)


def test_a_file_that_is_named_stands_for_the_one_in_the_working_folder(load, place):
    (place / "other.toml").write_text("[run]\nmax_tries = 9")
    assert load("[run]\nmax_tries = 2", file=place / "other.toml").run.max_tries == 9
    assert "there is no configuration file none.toml" in reason(
        load, file=place.joinpath("none.toml").relative_to(place)
    )


def test_the_users_file_is_where_xdg_says_or_in_config(monkeypatch):
    assert str(user_file({"XDG_CONFIG_HOME": "/x"})) == "/x/brimline/config.toml"
    monkeypatch.setenv("HOME", "/home/ada")
    for environment in ({}, {"XDG_CONFIG_HOME": ""}):
        assert str(user_file(environment)) == "/home/ada/.config/brimline/config.toml"


def test_the_environment_is_the_processs_own_unless_told(monkeypatch, place):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.setenv("BRIMLINE_MAX_TRIES", "7")
    config = load_config()
    assert config.run.max_tries == 7
    assert config.environment is os.environ


# What is wrong says where.


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limit]\n", "brimline.toml: unknown key 'limit'; did you mean 'limits'?"),
        ("[run]\ntimout = 5", "brimline.toml: unknown key 'run.timout'; did you mean 'timeout'?"),
        ("[run]\nbackoff = { initail = 1 }", "unknown key 'run.backoff.initail'; did you mean 'initial'?"),
        ("[run]\nzzz = 5", "brimline.toml: unknown key 'run.zzz'"),
        ("[run]\nmax_tires = 5", "unknown key 'run.max_tires'; did you mean 'max_tries'?"),
        ('[limits."lab/*"]\nrates = "5/s"', "unknown key 'limits.\"lab/*\".rates'; did you mean 'rate'?"),
        ("[endpoints.lab]\nbase_url = 'http://h'\nurl = 'x'", "unknown key 'endpoints.lab.url'"),
        ("[run]\nmax_tries = '5'", "brimline.toml: run.max_tries: expected a whole number, got '5'"),
        ("[run]\nmax_tries = true", "run.max_tries: expected a whole number, got True"),
        ("[run]\nmax_tries = 1.5", "run.max_tries: expected a whole number, got 1.5"),
        ("[run]\nmax_tries = 0", "brimline.toml: run.max_tries: expected at least 1, got 0"),
        ("[run]\ntimeout = 'soon'", "brimline.toml: run.timeout: 'soon' is no span of time"),
        ("[run]\ntimeout = 0", "run.timeout: '0' is no span of time; it must be above 0"),
        ("[run]\ntimeout = true", "run.timeout: 'True' is no span of time"),
        ("[run]\nbackoff = 5", "brimline.toml: run.backoff: expected a table, got 5"),
        ("run = 5", "brimline.toml: run: expected a table, got 5"),
        ("limits = []", "brimline.toml: limits: expected a table, got []"),
        ("[limits]\nrate = '5/s'", "brimline.toml: limits.rate: expected a table, got '5/s'"),
        ('[limits."lab/x"]\nrate = 500', 'limits."lab/x".rate: expected text, got 500'),
        ('[limits."lab/x"]\nrate = "500/week"', 'limits."lab/x".rate: '),
        ("[limits.x]\nconcurrency = 0", "brimline.toml: limits.x.concurrency: expected at least 1, got 0"),
        ("[endpoints.lab]\n", "brimline.toml: endpoints.lab.base_url: is missing"),
        ("[endpoints.lab]\nbase_url = ''", "brimline.toml: endpoints.lab: base URL '' is none"),
        ("[endpoints.lab]\nbase_url = 'h:1'", "brimline.toml: endpoints.lab: base URL 'h:1' is none"),
        ("[endpoints.'a/b']\nbase_url = 'http://h'", "an endpoint's name holds no '/'"),
        ("[endpoints]\nlab = 'http://h'", "brimline.toml: endpoints.lab: expected a table, got 'http://h'"),
        ("[run", "brimline.toml is no TOML: "),
        ("[run]\ntimeout = 1\ntimeout = 2", "brimline.toml is no TOML: "),
    ],
)
def test_a_wrong_setting_says_file_key_and_what_was_expected(load, text, why):
    assert why in reason(load, text)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("BRIMLINE_TIMEOUT", "soon", "BRIMLINE_TIMEOUT: 'soon' is no span of time"),
        ("BRIMLINE_MAX_WAIT", "0", "BRIMLINE_MAX_WAIT: '0' is no span of time"),
        ("BRIMLINE_MAX_TRIES", "many", "BRIMLINE_MAX_TRIES: 'many' is no whole number"),
        ("BRIMLINE_MAX_TRIES", "-1", "BRIMLINE_MAX_TRIES: '-1' is no whole number"),
        ("BRIMLINE_MAX_TRIES", "0", "BRIMLINE_MAX_TRIES: max_tries: expected at least 1, got 0"),
    ],
)
def test_a_wrong_variable_is_named(load, name, value, why):
    assert why in reason(load, environment={name: value})


@pytest.mark.parametrize(
    "name", ["BRIMLINE_TIMEOUT", "BRIMLINE_MAX_TRIES", "OPENAI_BASE_URL", "OPENAI_ORG_ID"]
)
def test_an_empty_variable_is_not_set(load, name):
    with_it, without = load(environment={name: ""}), load()
    assert (with_it.run, with_it.endpoints) == (without.run, without.endpoints)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"max_tries": 0}, "max_tries: expected at least 1"),
        ({"timeout": 0}, "timeout: expected seconds above 0, got 0"),
        ({"timeout": float("nan")}, "timeout: expected seconds above 0"),
        ({"max_wait": float("inf")}, "max_wait: expected seconds above 0"),
        ({"timeout": -1.0}, "timeout: expected seconds above 0"),
    ],
)
def test_a_wrong_flag_is_refused(load, values, why):
    assert why in reason(load, run=values)


def test_a_file_that_is_no_text_is_refused(load, place):
    (place / "brimline.toml").write_bytes(b"[run]\n# caf\xe9\n")
    assert reason(load).startswith("brimline.toml: 'utf-8' codec can't decode")


def test_flags_are_the_weightiest_limits_and_the_project_goes_before_the_user(load):
    user = '[limits."lab/*"]\nrate = "1/min, 1 tokens/min"\nconcurrency = 1'
    flag = LimitRule(pattern="lab/*", quotas=parse_quotas("3/min"), source="--rate")
    project = '[limits."lab/*"]\nrate = "2/min, 2 tokens/min"'
    assert [str(quota) for quota in load(user=user).limits("lab/x").quotas] == ["1/min", "1 tokens/min"]
    limits = load(project).limits("lab/x")
    assert ([str(quota) for quota in limits.quotas], limits.concurrency) == (["2/min", "2 tokens/min"], 1)
    limits = load(flags=[flag]).limits("lab/x")
    assert [str(quota) for quota in limits.quotas] == ["3/min", "2 tokens/min"], "it says nothing of tokens"
    assert limits.sources["3/min"] == "--rate"
    assert limits.sources["concurrency"] == str(user_file(load().environment))
