"""Endpoints and their keys: found by name, and never shown."""

import copy
import pickle
import traceback

import pytest

from brimline.config import Config, Endpoint, load_config
from brimline.config.endpoints import NO_KEY
from brimline.config.load import FILE
from brimline.config.variables import variable
from brimline.errors import ConfigError
from brimline.types import Secret

KEY = "sk-very-secret-0123456789"
LAB = '[endpoints.lab]\nbase_url = "http://10.0.0.5:8000/v1"\n'


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text="", **environment):
        (tmp_path / FILE).write_text(text)
        return load_config(environment={"XDG_CONFIG_HOME": str(tmp_path), **environment})

    return load


# Which endpoint answers.


def test_a_function_takes_the_place_of_a_built_in_endpoint(load):
    config = load('[endpoints.openai]\nfunction = "answers:echo"\n', OPENAI_API_KEY=KEY)
    place = config.resolve("openai/gpt-4o")
    assert (place.endpoint.function, place.endpoint.base_url, place.key()) == ("answers:echo", None, None)
    with pytest.raises(ConfigError, match="neither a base URL nor a key"):
        load('[endpoints.openai]\nfunction = "answers:echo"\nkey = "env:OPENAI_API_KEY"\n')


def test_a_reference_names_its_endpoint_before_the_first_slash(load):
    config = load(LAB)
    for model in ("lab/x", "lab/meta/llama:free", "lab//x"):
        assert config.endpoint(model) == ("lab", config.endpoints["lab"])


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("gpt-4", "'gpt-4' is no model; write it as ENDPOINT/MODEL with an endpoint of: anthropic, azure, "),
        ("lab/", "'lab/' is no model"),
        ("/x", "'/x' is no model"),
        ("", "'' is no model"),
        ("opnai/gpt-5", "there is no endpoint 'opnai' ('opnai/gpt-5'); did you mean 'openai'?"),
        ("LAB/x", "there is no endpoint 'LAB' ('LAB/x')"),
        ("zzz/x", "there is no endpoint 'zzz' ('zzz/x')"),
        ("antropic/claude", "there is no endpoint 'antropic' ('antropic/claude'); did you mean 'anthropic'?"),
    ],
)
def test_a_reference_without_an_endpoint_says_what_there_is(load, model, why):
    with pytest.raises(ConfigError) as refused:
        load(LAB).endpoint(model)
    assert why in str(refused.value)


def test_a_file_changes_of_an_endpoint_only_what_it_says(load):
    endpoint = load("[endpoints.openai]\norganization = 'org-1'").endpoints["openai"]
    assert endpoint.base_url == "https://api.openai.com/v1"
    assert (endpoint.options, endpoint.source) == ({"organization": "org-1"}, FILE)
    sim = load("[endpoints.sim]\nscenario = 'a.toml'").endpoints["sim"]
    lab = load(LAB + "provider = 'gopher'").endpoints["lab"]
    assert (lab.provider, lab.key, endpoint.provider) == ("gopher", None, "openai")
    assert (sim.key, sim.base_url, sim.scenario) == (NO_KEY, None, "a.toml")


def test_the_environment_goes_before_the_file(load):
    config = load(
        LAB + "[endpoints.openai]\norganization = 'org-1'\nproject = 'p'",
        LAB_BASE_URL="http://other/v1",
        OPENAI_BASE_URL="http://proxy/v1",
        OPENAI_ORG_ID="org-2",
    )
    lab, openai = config.place("lab").endpoint, config.place("openai").endpoint
    assert (lab.base_url, lab.source) == ("http://other/v1", "environment")
    assert openai.base_url == "http://proxy/v1"
    assert openai.options == {"organization": "org-2", "project": "p"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lab", "LAB_API_KEY"), ("azure-openai", "AZURE_OPENAI_API_KEY"), ("my.lab-2", "MY_LAB_2_API_KEY")],
)
def test_variables_are_named_after_the_endpoint(name, expected):
    assert variable(name, "API_KEY") == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "10.0.0.5:8000/v1",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://:8000",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://[::1/v1",
        "http://my host/v1",
        "http://host/v1\n",
        " http://host",
    ],
)
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(ConfigError, match="is none; write it like"):
        Endpoint(base_url=url)


@pytest.mark.parametrize("url", ["http://user@host/v1", "http://:pw@host/v1", "http://user:pw@host/v1"])
def test_a_base_url_holds_no_credential(url):
    with pytest.raises(ConfigError, match="a base URL holds no credential; give it with key = 'env:NAME'"):
        Endpoint(base_url=url)


@pytest.mark.parametrize("url", ["http://h/v1?api-version=1", "http://h/v1#x"])
def test_a_base_url_ends_with_its_path(url):
    with pytest.raises(ConfigError, match="goes on after its path"):
        Endpoint(base_url=url)


@pytest.mark.parametrize(
    "url", ["http://host", "https://host/v1/", "http://[::1]:8000/v1", "HTTP://Host:80", "http://my_host/v1"]
)
def test_base_urls_of_many_kinds_are_taken(url):
    assert Endpoint(base_url=url).base_url == url


# Keys.


def test_a_key_is_looked_up_where_the_endpoint_says(load):
    text = LAB + 'key = "env:TEAM_KEY"\n[endpoints.free]\nbase_url = "http://h"\nkey = "none"'
    config = load(text, TEAM_KEY=f" {KEY}\n", OPENAI_API_KEY=f"{KEY}2")
    assert config.place("lab").key().reveal() == KEY, "what was pasted with a line break is meant without"
    assert config.place("openai").key().reveal() == f"{KEY}2"
    assert config.place("free").key() is config.place("sim").key() is None


@pytest.mark.parametrize(
    ("text", "name", "environment", "why"),
    [
        (
            LAB,
            "lab",
            {},
            "endpoint 'lab' needs a key: set LAB_API_KEY\n  If it wants none, say key = \"none\" in [endpoints.lab].",
        ),
        (LAB + "key = 'env:TEAM'", "lab", {"LAB_API_KEY": KEY}, "endpoint 'lab' needs a key: set TEAM"),
        ("", "openai", {}, "endpoint 'openai' needs a key: set OPENAI_API_KEY"),
        ("", "openai", {"OPENAI_API_KEY": "  \n"}, "endpoint 'openai' needs a key: set OPENAI_API_KEY"),
        ("", "openai", {"OPENAI_API_KEY": f"{KEY}\n{KEY}"}, "OPENAI_API_KEY is empty or holds a character"),
        ("", "openai", {"OPENAI_API_KEY": f"{KEY}\x1b"}, "OPENAI_API_KEY is empty or holds a character"),
    ],
)
def test_a_key_that_is_missing_or_damaged_names_its_variable(load, text, name, environment, why):
    with pytest.raises(ConfigError) as refused:
        load(text, **environment).place(name).key()
    assert str(refused.value).startswith(why)
    assert KEY not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("secret", ["", f"{KEY}\n"])
def test_a_key_from_python_has_to_fit_into_a_header_too(secret):
    with pytest.raises(ConfigError, match="the key of endpoint 'lab' is empty or holds a character"):
        Config(endpoints={"lab": Endpoint(base_url="http://h", key=Secret(secret))}).place("lab").key()


@pytest.mark.parametrize(
    "line",
    [
        f'key = "{KEY}"',
        f'key = "env:{KEY}"',
        'key = "env:"',
        'key = ""',
        f'key = ["{KEY}"]',
        f'api_key = "{KEY}"',
        f'base_url = "http://user:{KEY}@host/v1"',
        f'base_url = "ftp://user:{KEY}@host/v1"',
        f'base_url = "http://user:{KEY}@host:port/v1"',
        f'base_url = "http://user:{KEY}@[::1/v1"',
    ],
)
def test_a_key_in_a_file_is_refused_and_not_shown(load, line):
    text = f"[endpoints.lab]\n{line}\n" + ("" if "base_url" in line else 'base_url = "http://h"')
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert "endpoints.lab" in str(refused.value)
    assert KEY not in "".join(traceback.format_exception(refused.value))


def test_no_key_is_seen_in_anything_that_shows_a_configuration(load):
    config = load(LAB, LAB_API_KEY=KEY)
    given = Endpoint(base_url="http://h", key=Secret(KEY))
    for thing in (config, config.endpoints, config.place("lab").key(), given, {"a": given}):
        assert KEY not in repr(thing)
        assert KEY not in f"{thing!s} {thing:}"


def test_a_key_is_not_pickled_by_accident():
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Endpoint(base_url="http://h", key=Secret(KEY)))
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(Secret(KEY))
    assert pickle.loads(pickle.dumps(Endpoint(base_url="http://h", key="env:A"))).key == "env:A"


def test_what_a_server_repeats_of_a_key_is_replaced():
    assert Secret(KEY).redact(f"Incorrect API key provided: {KEY}.") == "Incorrect API key provided: [key]."
    assert Secret("").redact("abc") == "abc"
