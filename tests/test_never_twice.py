"""Never paying twice, from Python."""

import json

import pytest

import brimline as bl

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]


@pytest.fixture
def lab(simulator, tmp_path, monkeypatch):
    """A server that never answers twice the same, and an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    server = simulator('[models."*"]\nreply = "lorem"\n')
    server.endpoints = {"lab": bl.Endpoint(base_url=server.url, key="none")}
    return server


def sent(lab):
    return lab.stats["total"]["received"]


def test_a_run_with_everything(lab, tmp_path):
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in "aab"))
    options = {"model": "lab/x", "endpoints": lab.endpoints, "dedupe": True, "repeat": 2, "cache": "store"}
    report = bl.run("in.jsonl", output="one.jsonl", **options)
    assert (report.total, report.ok, report.attempts, report.duplicates, report.cached) == (6, 6, 4, 2, 0)
    first = [(line["prompt"], line["repeat"], line["response"]) for line in report]
    assert first[:2] == first[2:4]
    assert len({response for _, _, response in first}) == 4
    report = bl.run("in.jsonl", output="two.jsonl", cache_size="5MB", **options)
    assert (report.ok, report.attempts, report.duplicates, report.cached) == (6, 0, 2, 4)
    assert report.usage == bl.Usage()
    assert [(line["prompt"], line["repeat"], line["response"]) for line in report] == first
    assert sent(lab) == 4


def test_map_and_the_engine_take_what_is_known(lab, tmp_path):
    first = bl.map(["a", "b"], model="lab/x", endpoints=lab.endpoints, cache=True)
    second = bl.map(
        ["b", "a", "c"], model="lab/x", endpoints=lab.endpoints, cache=tmp_path / "xdg" / "brimline"
    )
    assert [outcome.cached for outcome in second] == [True, True, False]
    assert [outcome.text for outcome in second[:2]] == [first[1].text, first[0].text]
    assert sent(lab) == 3


@pytest.mark.parametrize(
    ("option", "words"), [({"repeat": 0}, "at least 1"), ({"cache_size": "x"}, "no size")]
)
def test_what_makes_no_sense_is_an_error_before_anything_is_sent(lab, tmp_path, option, words):
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n')
    with pytest.raises(bl.ConfigError, match=words):
        bl.run("in.jsonl", model="lab/x", endpoints=lab.endpoints, **option)
    assert sent(lab) == 0
