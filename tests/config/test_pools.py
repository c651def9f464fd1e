"""Pools and fallbacks as they are configured, and every mistake in them."""

import pytest

from brimline.config import Config, Endpoint, load_config
from brimline.config.run import RunSettings
from brimline.core.faults import FALLS_ON
from brimline.engine.engine import Engine
from brimline.errors import ConfigError
from brimline.types import FaultKind

LAB = '[endpoints.lab]\nbase_url = "http://127.0.0.1:1/v1"\nkey = "none"\n'
OTHER = '[endpoints.other]\nbase_url = "http://127.0.0.1:2/v1"\nkey = "none"\n'


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text="", **options):
        (tmp_path / "brimline.toml").write_text(LAB + OTHER + text)
        return load_config(environment={"XDG_CONFIG_HOME": str(tmp_path)}, **options)

    return load


def test_members_answer_under_their_own_names_and_weights(load):
    config = load(
        '[endpoints.team]\nmembers = ["lab", { endpoint = "other", model = "mine", weight = 2.5 }]\n'
    )
    assert config.members("team/gpt") == {"lab/gpt": 1, "other/mine": 2.5}
    assert config.members("lab/gpt") == {"lab/gpt": 1}
    assert config.answering(["team/gpt", "lab/gpt"]) == ["lab/gpt", "other/mine"]
    assert config.resolve("team/gpt").key() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("members = []", "endpoints.team: members: a pool needs at least one"),
        ('members = ["labb"]', "pool 'team': there is no endpoint 'labb'; did you mean 'lab'?"),
        ('members = ["team"]', "its member 'team' is a pool itself"),
        ('members = ["lab", "lab"]', "the same one is named twice"),
        ('members = ["lab/x"]', "'lab/x' is no endpoint's name"),
        ("members = [7]", "expected an endpoint's name or a table, got 7"),
        ('members = "lab"', "endpoints.team.members: expected a list, got 'lab'"),
        ('members = [{ endpoint = "lab", weigth = 2 }]', "unknown key 'weigth'; did you mean 'weight'?"),
        ('members = [{ endpoint = "lab", weight = 0 }]', "weight: expected a number above 0, got 0"),
        ('members = [{ endpoint = "lab", weight = "2" }]', "weight: '2' makes no sense"),
        ('members = [{ model = "x" }]', "endpoint: None makes no sense"),
        ('members = ["lab"]\nbase_url = "http://x"', "unknown key 'endpoints.team.base_url'"),
        ('members = ["lab"]\nfallback = "lab/x"', "endpoints.team.fallback: expected a list"),
        ('members = ["lab"]\nfallback = ["nope/x"]', "there is no endpoint 'nope'"),
        ('members = ["lab"]\n[limits."team/*"]\nrate = "5/s"', "'team' is a pool, so 'team/*' has no limits"),
        ('members = ["lab"]\n[run]\nfallback = ["lab"]', "'lab' is no model"),
        ('members = ["lab"]\n[run]\nfallback_on = ["luck"]', "'luck' is nothing to fall back for"),
        ('members = ["lab"]\n[run]\nfallback_on = ["cancelled"]', "'cancelled' is nothing to fall back for"),
    ],
)
def test_mistakes_are_named(load, text, said):
    with pytest.raises(ConfigError) as caught:
        load(f"[endpoints.team]\n{text}\n")
    assert said in str(caught.value)


def test_a_chain_of_fallbacks_is_that_of_the_model_that_is_asked(load):
    text = '[endpoints.team]\nmembers = ["lab"]\nfallback = ["lab/a", "lab/b", "lab/a"]\n[run]\nfallback = ["other/x"]\n'
    config = load(text)
    assert config.fallbacks("team/x") == ("lab/a", "lab/b")
    assert config.fallbacks("lab/a") == ("other/x",)
    assert config.fallbacks("other/x") == (), "nothing falls back to itself"
    flags = load(text, run={"fallback": ("other/y",)})
    assert flags.fallbacks("team/x") == ("other/y",), "flags win"
    none = load(text.replace('["lab/a", "lab/b", "lab/a"]', "[]"))
    assert none.fallbacks("team/x") == ()


def test_kinds(load):
    assert load().run.fallback_on == FALLS_ON
    assert FaultKind.INVALID_REQUEST not in FALLS_ON
    assert load('[run]\nfallback_on = ["auth"]\n').run.fallback_on == {FaultKind.AUTH}


def test_from_python():
    lab = Endpoint(base_url="http://127.0.0.1:1/v1", key="none")
    pool = Endpoint(members=("lab", {"endpoint": "lab", "model": "y", "weight": 2}))
    engine = Engine(
        endpoints={"lab": lab, "team": pool}, fallback=["team/x"], fallback_on=["too_long"], config=Config()
    )
    assert engine.config.members("team/x") == {"lab/x": 1, "lab/y": 2}
    assert engine.config.fallbacks("lab/z") == ("team/x",)
    with pytest.raises(ConfigError, match="a pool has no base URL"):
        Endpoint(members=("lab",), base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ConfigError, match="expected a list of model references, got 'lab/x'"):
        Engine(endpoints={"lab": lab}, fallback="lab/x")
    with pytest.raises(ConfigError, match="expected a list of kinds"):
        RunSettings(fallback_on="auth")
