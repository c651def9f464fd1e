"""One endpoint's name, several places: variables of one model go before those of all (prompto's rule)."""

import json

import pytest

from tests.servers import Cli, SimServer

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]


@pytest.fixture
def servers():
    both = SimServer(), SimServer('[models."*"]\nrequests = { rate = "600/min", bucket = 10 }\n')
    yield both
    for server in both:
        server.stop()


def test_a_model_with_variables_of_its_own_is_asked_elsewhere_with_its_own_key(tmp_path, servers):
    common, own = servers
    cli = Cli(
        tmp_path,
        OPENAI_API_KEY="sk-common",
        OPENAI_BASE_URL=common.url,
        OPENAI_API_KEY_gpt_4o="sk-own",
        OPENAI_BASE_URL_gpt_4o=own.url,
        HUGGINGFACE_TGI_API_ENDPOINT=common.url.removesuffix("/v1"),
    )
    rows = [
        {"id": f"{api} {model} {n}", "api": api, "model_name": model, "prompt": "Hi"}
        for api, model in (("openai", "gpt-4"), ("openai", "gpt-4o"), ("huggingface-tgi", "llama"))
        for n in range(3)
    ]
    cli.write("in.jsonl", rows)
    done = cli("run", "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line["status"] for line in cli.results("out.jsonl")] == ["ok"] * 9
    assert sorted(each["model"] for each in common.ledger) == ["gpt-4"] * 3 + ["tgi"] * 3
    assert [each["model"] for each in own.ledger] == ["gpt-4o"] * 3
    explained = cli("config", "explain", "openai/gpt-4o").stdout
    assert "at openai (gpt_4o), for which there are variables of its own:" in explained
    assert f"base_url = {own.url}  (environment)" in explained
    assert "key = env:OPENAI_API_KEY_gpt_4o, which is set" in explained
    everything = explained + done.stderr + (tmp_path / "out.jsonl").read_text()
    assert "sk-own" not in everything
    again = cli("run", "in.jsonl", "-o", "out.jsonl", "--json")
    assert json.loads(again.stdout)["attempts"] == 0, "what was answered is not asked again"


def test_promptos_names_and_modes_work_as_they_are(tmp_path, servers):
    url = servers[0].url.removesuffix("/v1")
    cli = Cli(
        tmp_path,
        AZURE_OPENAI_API_KEY="sk-azure",
        AZURE_OPENAI_API_ENDPOINT=url,
        AZURE_OPENAI_API_ENDPOINT_gpt_5=f"{url}/openai/v1",
        OLLAMA_API_ENDPOINT=url,
    )
    rows = [
        {"id": number, "api": api, "model_name": model, "prompt": "Hi", **more}
        for number, (api, model, more) in enumerate([
            ("azure-openai", "gpt-4o", {}),
            ("azure-openai", "gpt-4o", {"mode": "completion", "parameters": {"max_tokens": 5}}),
            ("azure-openai", "gpt-5", {}),
            ("azure-openai", "gpt-4o", {"prompt": ["Hi", "And?"]}),
            ("ollama", "llama3", {}),
        ])
    ]
    cli.write("in.jsonl", rows)
    done = cli("run", "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line["status"] for line in cli.results("out.jsonl")] == ["ok"] * 5
    assert sorted(each["model"] for each in servers[0].ledger) == ["gpt-4o"] * 4 + ["gpt-5", "llama3"]


def test_a_key_is_missed_for_the_models_that_have_none(tmp_path, servers):
    cli = Cli(tmp_path, OPENAI_API_KEY_gpt_4o="sk-own", OPENAI_BASE_URL=servers[0].url)
    rows = [{"api": "openai", "model_name": model, "prompt": "Hi"} for model in ("gpt-4o", "gpt-4")]
    cli.write("in.jsonl", rows)
    done = cli("run", "in.jsonl")
    assert done.returncode == 2
    assert "in.jsonl:2: endpoint 'openai' needs a key: set OPENAI_API_KEY" in done.stderr
    assert "in.jsonl:1" not in done.stderr


def test_a_place_that_refuses_its_key_does_not_stop_the_other(tmp_path, servers):
    refusing = SimServer('[[models."*".faults]]\nkind = "auth"\nshare = 1.0\n')
    try:
        cli = Cli(
            tmp_path, OPENAI_API_KEY="sk", OPENAI_BASE_URL=servers[0].url, OPENAI_BASE_URL_bad=refusing.url
        )
        rows = [
            {"api": "openai", "model_name": model, "prompt": "Hi"} for model in ("bad", "good", "bad", "good")
        ]
        cli.write("in.jsonl", rows)
        done = cli("run", "in.jsonl", "-o", "out.jsonl")
        assert done.returncode == 1
        assert [(line["model_name"], line["status"]) for line in cli.results("out.jsonl")] == [
            ("good", "ok")
        ] * 2
        assert "openai (bad)" in done.stderr
    finally:
        refusing.stop()
