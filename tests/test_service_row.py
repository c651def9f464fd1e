"""A service that speaks OpenAI's dialect is one row of a table and no code: it is found, paced, answered and has a page."""

import pytest

import brimline as bl
from brimline.config import load_config
from brimline.config.preset import Preset
from brimline.config.presets import PRESETS
from brimline.testing.pages import pages

pytestmark = pytest.mark.real_time


def test_a_row_is_all_that_a_service_needs(monkeypatch, simulator):
    server = simulator('keys = ["sk-acme"]\n[models."acme-large"]\nrequests = { rate = "6000/min" }\n')
    row = Preset(
        title="Acme",
        example="acme/large",
        base_url=server.url,
        key_variables=("ACME_TOKEN",),
        options={"model": "acme-large"},
        limits="requests, with every reply",
        charges="requests",
        notes=("It has one model.",),
    )
    monkeypatch.setitem(PRESETS, "acme", row)
    config = load_config(environment={"ACME_TOKEN": "sk-acme"})
    outcomes = bl.map([f"Say {n}" for n in range(20)], model="acme/large", config=config)
    assert [outcome.text for outcome in outcomes] == [f"echo: Say {n}" for n in range(20)]
    assert {each["model"] for each in server.ledger} == {"acme-large"}
    page = pages()["acme.md"]
    assert "# Acme" in page
    assert "`ACME_API_KEY`, `ACME_TOKEN`" in page
    assert "| tools | yes |" in page
    assert "[`acme`](acme.md)" in pages()["index.md"]
