"""Where a model answers: built-in endpoints, their variables, and variables of one model alone."""

import pytest

from brimline.config import Config, Endpoint, load_config
from brimline.config.endpoints import OPTIONS, built_in
from brimline.config.load import FILE
from brimline.config.preset import KeyRule, Preset
from brimline.config.presets import PRESETS
from brimline.config.variables import identifier
from brimline.errors import ConfigError
from brimline.types import Secret


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text="", **environment):
        (tmp_path / FILE).write_text(text)
        return load_config(environment={"XDG_CONFIG_HOME": str(tmp_path), **environment})

    return load


def key(place):
    found = place.key()
    return None if found is None else found.reveal()


NAMES = (
    "openai", "openai-responses", "azure-openai", "azure", "anthropic", "gemini", "vertexai", "vertex", "ollama",
    "huggingface-tgi", "huggingface", "mistral", "cohere", "bedrock", "groq", "together", "fireworks", "deepseek",
    "xai", "openrouter", "cerebras", "vllm", "sglang", "llamacpp", "lmstudio", "quart", "sim", "test",
)  # fmt: skip


def test_these_exist_without_a_file():
    assert tuple(built_in()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_all_that_people_have_to_know(name):
    row = PRESETS[name]
    assert row.title
    assert row.limits
    assert row.charges
    assert row.example.partition("/")[0] in {name, f"{name}ai", f"{name}-openai"}
    assert {*row.option_variables} <= {*OPTIONS}


@pytest.mark.parametrize("name", [name for name in NAMES if PRESETS[name].key is KeyRule.NEEDED])
def test_a_key_is_found_under_each_of_its_names_and_missed_by_all_of_them(load, name):
    where = {"AZURE_OPENAI_ENDPOINT": "http://h"}
    own = f"{name}_API_KEY".upper().replace("-", "_")
    for variable in (own, *PRESETS[name].key_variables):
        assert key(load(**where, **{variable: "k"}).resolve(f"{name}/m")) == "k"
    with pytest.raises(ConfigError, match=f"endpoint '{name}' needs a key: set {own}"):
        load(**where).resolve(f"{name}/m").key()


def test_of_a_key_with_two_names_the_endpoints_own_wins(load):
    assert key(load(GEMINI_API_KEY="a", GOOGLE_API_KEY="b").resolve("gemini/m")) == "a"
    with pytest.raises(ConfigError, match=r"needs a key: set GEMINI_API_KEY or GOOGLE_API_KEY$"):
        load().resolve("gemini/m").key()


@pytest.mark.parametrize("name", [name for name in NAMES if PRESETS[name].key is KeyRule.OPTIONAL])
def test_an_optional_key_is_none_where_no_variable_holds_one(load, name):
    given = {"AWS_REGION": "eu-west-1", "HUGGINGFACE_TGI_API_ENDPOINT": "http://h"}
    assert key(load(**given).resolve(f"{name}/m")) is None
    own = f"{name}_API_KEY".upper().replace("-", "_")
    assert key(load(**given, **{own: "k"}).resolve(f"{name}/m")) == "k"


@pytest.mark.parametrize(
    ("name", "environment", "url"),
    [
        ("openai-responses", {"OPENAI_BASE_URL": "http://h/v1"}, "http://h/v1"),
        ("azure-openai", {"AZURE_OPENAI_API_ENDPOINT": "https://r.openai.azure.com/"}, "https://r.openai.azure.com"),
        ("azure-openai", {"AZURE_OPENAI_ENDPOINT": "https://r/openai/v1"}, "https://r/openai/v1"),
        ("azure", {"AZURE_OPENAI_API_ENDPOINT": "https://a", "AZURE_OPENAI_ENDPOINT": "https://b"}, "https://a"),
        ("azure", {"AZURE_OPENAI_BASE_URL": "https://a"}, "https://a"),
        ("ollama", {}, "http://localhost:11434"),
        ("ollama", {"OLLAMA_API_ENDPOINT": "http://a:1", "OLLAMA_HOST": "http://b:2"}, "http://a:1"),
        ("ollama", {"OLLAMA_HOST": "gpu-box"}, "http://gpu-box:11434"),
        ("ollama", {"OLLAMA_HOST": "gpu-box:8000"}, "http://gpu-box:8000"),
        ("ollama", {"OLLAMA_HOST": ":8000"}, "http://localhost:8000"),
        ("ollama", {"OLLAMA_HOST": "https://gpu-box/llm"}, "https://gpu-box/llm"),
        ("huggingface-tgi", {"HUGGINGFACE_TGI_API_ENDPOINT": "http://h:8080/"}, "http://h:8080/v1"),
        ("huggingface-tgi", {"HUGGINGFACE_TGI_API_ENDPOINT": "http://h/v1/"}, "http://h/v1"),
        ("huggingface-tgi", {"HUGGINGFACE_TGI_BASE_URL": "http://h/v1"}, "http://h/v1"),
        ("vllm", {"VLLM_BASE_URL": "gpu:9000"}, "http://gpu:9000/v1"),
        ("quart", {"QUART_API_ENDPOINT": "http://h:5000"}, "http://h:5000"),
        ("bedrock", {"AWS_REGION": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("vertexai", {}, "https://aiplatform.googleapis.com"),
        ("vertex", {"GOOGLE_CLOUD_LOCATION": "europe-west4"}, "https://europe-west4-aiplatform.googleapis.com"),
        ("vertex", {"VERTEXAI_LOCATION_ID": "global"}, "https://aiplatform.googleapis.com"),
        ("vertex", {"VERTEXAI_BASE_URL": "http://h"}, "http://h"),
        ("vertex", {"VERTEX_BASE_URL": "http://h", "VERTEXAI_LOCATION_ID": "x"}, "http://h"),
    ],
)  # fmt: skip
def test_a_base_url_is_found_under_each_of_its_names_and_completed(load, name, environment, url):
    assert load(**environment).resolve(f"{name}/m").endpoint.base_url == url


@pytest.mark.parametrize(
    ("name", "environment", "why"),
    [
        ("azure-openai", {}, "nothing says where endpoint 'azure-openai' is: set AZURE_OPENAI_BASE_URL or AZURE_OPENAI_API_ENDPOINT"),
        ("quart", {}, "nothing says where endpoint 'quart' is: set QUART_BASE_URL or QUART_API_ENDPOINT"),
        ("bedrock", {}, "endpoint 'bedrock' needs its region: set AWS_REGION or AWS_DEFAULT_REGION"),
        ("bedrock", {"AWS_REGION": "evil.com/"}, "the region of endpoint 'bedrock' is 'evil.com/', which is no part"),
        ("quart", {"QUART_API_ENDPOINT": "localhost:5000"}, "QUART_API_ENDPOINT: base URL 'localhost:5000' is none"),
        ("openai", {"OPENAI_BASE_URL": "http://u:p@h/v1"}, "OPENAI_BASE_URL: a base URL holds no credential"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_found_says_what_to_set(load, name, environment, why):
    with pytest.raises(ConfigError) as refused:
        load(**environment).resolve(f"{name}/m")
    assert str(refused.value).startswith(why)


def test_a_file_may_say_where_a_place_is_and_the_environment_wins(load):
    text = '[endpoints.azure-openai]\nbase_url = "http://file"\napi_version = "1"\n[endpoints.bedrock]\nregion = "r1"'
    azure = load(text).resolve("azure-openai/m").endpoint
    assert (azure.provider, azure.base_url, azure.options) == (
        "azure-openai",
        "http://file",
        {"api_version": "1"},
    )
    moved = load(text, AZURE_OPENAI_API_ENDPOINT="http://env", OPENAI_API_VERSION="2").resolve(
        "azure-openai/m"
    )
    assert (moved.endpoint.base_url, moved.endpoint.options) == ("http://env", {"api_version": "2"})
    assert load(text).resolve("bedrock/m").endpoint.base_url == "https://bedrock-runtime.r1.amazonaws.com"


def test_what_python_says_wins_and_the_environment_fills_the_gaps():
    environment = {
        "AZURE_OPENAI_ENDPOINT": "http://env",
        "OPENAI_API_VERSION": "2",
        "AZURE_OPENAI_API_KEY": "k",
    }

    def resolve(**given):
        endpoint = Endpoint(provider="azure-openai", **given)
        return Config(endpoints={"azure-openai": endpoint}, environment=environment).resolve("azure-openai/m")

    said = resolve(base_url="http://python", options={"api_version": "1"}, key=Secret("p"))
    assert (said.endpoint.base_url, said.endpoint.options, key(said)) == (
        "http://python",
        {"api_version": "1"},
        "p",
    )
    gaps = resolve()
    assert (gaps.endpoint.base_url, gaps.endpoint.options, key(gaps)) == (
        "http://env",
        {"api_version": "2"},
        "k",
    )


def test_an_endpoint_from_python_is_what_its_name_says_unless_it_says_otherwise():
    def resolve(name, **given):
        return Config(endpoints={name: Endpoint(base_url="http://h", **given)}, environment={}).resolve(
            f"{name}/m"
        )

    claude, groq, ollama = resolve("anthropic"), resolve("groq", options={"model": "x"}), resolve("ollama")
    assert (claude.endpoint.provider, groq.endpoint.provider) == ("anthropic", "openai")
    assert groq.endpoint.options == {**PRESETS["groq"].options, "model": "x"}
    assert (ollama.endpoint.provider, key(ollama)) == ("ollama", None)
    assert (resolve("lab").endpoint.provider, resolve("lab").endpoint.options) == ("openai", {})
    own = resolve("groq", provider="anthropic").endpoint
    assert (own.provider, own.options) == ("anthropic", {})


# Variables of one model.


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gpt-4o", "gpt_4o"), ("meta/Llama-3.1: 8b", "meta_Llama_3_1__8b"), ("a_b", "a_b")],
)
def test_a_models_name_ends_a_variable_as_prompto_writes_it(model, expected):
    assert identifier(model) == expected


def test_a_variable_of_the_model_wins_for_key_base_url_and_version(load):
    config = load(
        AZURE_OPENAI_API_KEY="all",
        AZURE_OPENAI_API_ENDPOINT="http://all",
        AZURE_OPENAI_API_KEY_gpt_4o="own",
        AZURE_OPENAI_API_ENDPOINT_gpt_4o="http://own",
        AZURE_OPENAI_API_VERSION_gpt_4o="2025-01-01",
    )
    own, other = config.resolve("azure-openai/gpt-4o"), config.resolve("azure-openai/gpt-4")
    assert (own.name, key(own)) == ("azure-openai (gpt_4o)", "own")
    assert (own.endpoint.base_url, own.endpoint.options) == ("http://own", {"api_version": "2025-01-01"})
    assert (other.name, key(other), other.endpoint.base_url) == ("azure-openai", "all", "http://all")
    assert config.place("azure-openai") == other


def test_one_variable_of_its_own_is_enough_for_a_place_of_its_own(load):
    config = load(OPENAI_API_KEY="all", OPENAI_API_KEY_b="own", OPENAI_BASE_URL_c="http://c/v1")
    places = [config.resolve(f"openai/{model}") for model in "abc"]
    assert [place.name for place in places] == ["openai", "openai (b)", "openai (c)"]
    assert [key(place) for place in places] == ["all", "own", "all"]
    assert places[2].endpoint.base_url == "http://c/v1"


def test_the_models_own_variable_wins_under_any_of_the_names(load):
    config = load(GEMINI_API_KEY="all", GOOGLE_API_KEY_m="own", OPENAI_API_KEY="o")
    assert key(config.resolve("gemini/m")) == "own"
    text = '[endpoints.lab]\nbase_url = "http://h"\nkey = "env:TEAM"'
    lab = load(text, TEAM="all", TEAM_m="own").resolve("lab/m")
    assert (key(lab), lab.name) == ("own", "lab (m)")


def test_a_key_for_one_model_alone_serves_that_model_alone(load):
    config = load(OPENAI_API_KEY_gpt_4o="own")
    assert key(config.resolve("openai/gpt-4o")) == "own"
    with pytest.raises(ConfigError, match=r"needs a key: set OPENAI_API_KEY$"):
        config.resolve("openai/gpt-4").key()


@pytest.mark.parametrize("model", ["a\ud800", "a\0", "a\n", "=", "  "])
def test_a_model_whose_name_can_end_no_variable_has_none_of_its_own(model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "all")
    assert key(Config().resolve(f"openai/{model}")) == "all"


def test_no_key_is_seen_in_a_place(load):
    place = load(OPENAI_API_KEY="sk-secret").resolve("openai/m")
    place.key()
    assert "sk-secret" not in repr(place)


# A service that speaks OpenAI's dialect is a row.


def test_a_service_is_one_row(monkeypatch, load):
    monkeypatch.setitem(PRESETS, "acme", Preset(title="Acme", base_url="https://api.acme.ai/v1"))
    place = load(ACME_API_KEY="k").resolve("acme/m")
    assert (place.endpoint.provider, place.endpoint.base_url, key(place)) == (
        "openai",
        "https://api.acme.ai/v1",
        "k",
    )
