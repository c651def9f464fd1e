"""What `[run]` says about paying twice."""

from pathlib import Path

import pytest

from brimline.config import load_config
from brimline.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    def load(text="", **environment):
        path = tmp_path / "brimline.toml"
        path.write_text(f"[run]\n{text}\n")
        return load_config(path, environment={"XDG_CONFIG_HOME": str(tmp_path), **environment})

    return load


def test_nothing_is_saved_unless_somebody_asks_for_it(load):
    config = load()
    assert (config.run.dedupe, config.run.repeat, config.cache) == (False, 1, None)


def test_it_can_be_asked_for(load):
    config = load('dedupe = true\nrepeat = 3\ncache = "there"\ncache_size = "2MB"')
    assert (config.run.dedupe, config.run.repeat) == (True, 3)
    assert (config.cache, config.run.cache_size) == (Path("there"), 2_000_000)


def test_the_cache_is_in_the_users_folder_unless_another_is_given(load):
    assert load("cache = true", XDG_CACHE_HOME="/var/x").cache == Path("/var/x/brimline")
    assert load("cache = true").cache == Path("~/.cache/brimline").expanduser()
    assert load("cache = '~/c'").cache == Path("~/c").expanduser()
    assert load("cache = false").cache is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dedupe = 1", "run.dedupe: expected true or false, got 1"),
        ("repeat = 0", "run.repeat: expected at least 1, got 0"),
        ("repeat = true", "run.repeat: expected a whole number, got True"),
        ("cache = 5", "run.cache: expected text, got 5"),
        ("cache_size = true", "run.cache_size: expected a whole number, got True"),
        ("cache_size = 'large'", "run.cache_size: 'large' is no size above 0"),
        ("dedup = true", "did you mean 'dedupe'?"),
    ],
)
def test_what_makes_no_sense_is_said(load, text, words):
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert words in str(refused.value)
