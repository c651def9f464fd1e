"""Embeddings from the command line: every row gets its own vector, whatever went with it in one request."""

import json
import os
import signal
from array import array

import duckdb
import pytest

from tests.cli.lab import until

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

TEXTS = [{"text": f"a text about the number {n}", "label": n % 7} for n in range(1000)]
EMBED = ("run", "in.jsonl", "-m", "lab/e", "--embed")
LIMITED = '[models."*"]\nmax_context = 40\n'


def vectors(cli, name="in.results.jsonl"):
    return {line["text"]: line["embedding"] for line in cli.results(name)}


def test_every_row_gets_the_vector_that_it_would_get_alone(lab):
    cli = lab(rows=TEXTS)
    done = cli(*EMBED)
    assert done.returncode == 0, done.stderr
    assert "1,000 of 1,000 answered, 4 requests sent" in done.stderr
    assert cli.server.stats["total"]["received"] == 4
    results = cli.results("in.results.jsonl")
    assert [(line["text"], line["label"], line["id"]) for line in results] == [
        (row["text"], row["label"], number) for number, row in enumerate(TEXTS)
    ]
    assert list(results[0]) == [
        "text", "label", "id", "model", "response", "embedding", "status", "error", "finish_reason", "usage", "cost_usd",
        "served_model", "request_id", "timestamp_sent", "latency_s", "attempts", "key",
    ]  # fmt: skip
    assert sum(line["usage"]["input_tokens"] for line in results) > 1000
    cli(*EMBED, "--batch-size", "1", "--limit", "60", "-o", "alone.jsonl")
    together = vectors(cli)
    assert {text: together[text] for text in vectors(cli, "alone.jsonl")} == vectors(cli, "alone.jsonl")
    assert len({json.dumps(vector) for vector in together.values()}) > 900
    assert cli.server.stats["total"]["received"] == 64


def test_a_rerun_sends_what_is_missing_and_nothing_else(lab):
    cli = lab(rows=TEXTS)
    cli(*EMBED, "--limit", "300")
    assert len(cli.results("in.results.jsonl")) == 300
    assert cli(*EMBED).returncode == 0
    assert cli.server.stats["total"]["received"] == 2 + 3
    before = (cli.folder / "in.results.jsonl").read_bytes()
    assert cli(*EMBED, "--batch-size", "7").returncode == 0, "how many go together changes nothing"
    assert (cli.folder / "in.results.jsonl").read_bytes() == before
    changed = [*TEXTS[:10], {"text": "changed"}, *TEXTS[11:]]
    cli.write("in.jsonl", changed)
    assert cli(*EMBED).returncode == 0
    assert cli.server.stats["total"]["received"] == 2 + 3 + 1


def test_one_bad_row_among_a_thousand_fails_alone(lab):
    rows = [*TEXTS]
    rows[517] = {"text": "far too long " * 40}
    cli = lab(LIMITED, rows)
    done = cli(*EMBED)
    assert done.returncode == 3
    results = cli.results("in.results.jsonl")
    (failed,) = [line for line in results if line["status"] == "failed"]
    assert (failed["id"], failed["embedding"], failed["response"]) == (517, None, None)
    assert failed["error"]["kind"] in {"too_long", "invalid_request"}
    assert failed["attempts"] == 9
    assert sum(1 for line in results if line["embedding"]) == 999
    assert cli.server.stats["total"]["received"] == 4 + 2 * 8


def test_equal_rows_are_embedded_once_if_that_is_asked_for(lab):
    cli = lab(rows=[{"text": f"text {n % 5}"} for n in range(50)])
    assert cli(*EMBED, "--dedupe").returncode == 0
    assert len({json.dumps(line["embedding"]) for line in cli.results("in.results.jsonl")}) == 5
    assert sum(line.get("duplicate", False) for line in cli.results("in.results.jsonl")) == 45
    (entry,) = cli.server.ledger
    assert len(entry["text"].splitlines()) == 5


def test_rows_of_a_batch_file_come_out_as_openais(lab):
    def row(name, body):
        body = {"model": "e", **body}
        return {"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": body}

    rows = [
        row("one", {"input": "first"}),
        row("two", {"input": ["second", "third"]}),
        row("3", {"input": "third"}),
    ]
    rows.append(row("b64", {"input": "first", "encoding_format": "base64"}))
    cli = lab(rows=rows)
    done = cli("run", "in.jsonl", "-m", "lab/e")
    assert done.returncode == 0, done.stderr
    one, two, three, packed = cli.results("in.results.jsonl")
    assert [line["custom_id"] for line in (one, two, three, packed)] == ["one", "two", "3", "b64"]
    body = two["response"]["body"]
    assert (body["object"], [item["index"] for item in body["data"]]) == ("list", [0, 1])
    assert body["data"][1]["embedding"] == three["response"]["body"]["data"][0]["embedding"]
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] > 0
    assert isinstance(packed["response"]["body"]["data"][0]["embedding"], str)
    assert cli.server.stats["total"]["received"] == 3, "the row with two texts has an exchange of its own"


def test_vectors_are_exported_as_lists(lab):
    cli = lab(rows=TEXTS[:20])
    cli(*EMBED)
    assert cli("export", "in.results.jsonl", "-o", "out.parquet").returncode == 0
    with duckdb.connect() as database:
        table = database.execute(f"SELECT text, embedding FROM '{cli.folder / 'out.parquet'}'")
        kinds = [kind[1] for kind in table.description]
        rows = table.fetchall()
    assert str(kinds[1]).upper().startswith(("LIST", "FLOAT[")), kinds
    assert {text: array("f", vector) for text, vector in rows} == {
        text: array("f", vector) for text, vector in vectors(cli).items()
    }
    cli("export", "in.results.jsonl", "-o", "out.csv", "--columns", "text,embedding")
    assert json.dumps(vectors(cli)[TEXTS[0]["text"]]).replace(" ", "") in (cli.folder / "out.csv").read_text()


@pytest.mark.parametrize(
    ("rows", "options", "why"),
    [
        ([{"prompt": ["Hi", "and then?"]}], (), "the prompt is a conversation or messages"),
        ([{"prompt": [{"role": "user", "content": "Hi"}]}], (), "the prompt is a conversation or messages"),
        ([{"question": "Hi"}], (), "has no prompt"),
        ([{"text": ""}], (), "the prompt is empty"),
        ([{"text": "Hi"}], ("--system", "Be brief."), "an embedding has no system message"),
        ([{"text": "Hi"}], ("--batch-size", "0"), "0 is not in the range"),
        ([{"text": "Hi"}], ("-P", "input=x"), "parameter 'input' cannot be set"),
    ],
)
def test_what_cannot_be_embedded_is_said_before_anything_is_sent(lab, rows, options, why):
    cli = lab(rows=rows)
    done = cli(*EMBED, *options)
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert cli.server.stats["total"]["received"] == 0


def test_a_kill_in_the_middle_loses_nothing_and_names_what_may_be_billed_twice(lab):
    cli = lab('[models."*"]\nlatency = "800ms"\n', TEXTS)
    process = cli.start(*EMBED, "--batch-size", "20", "--concurrency", "4")
    results = cli.folder / "in.results.jsonl"
    until(lambda: results.exists() and results.stat().st_size > 0)
    until(lambda: cli.server.stats["total"]["in_flight"] == 4)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    kept = results.read_bytes().count(b"\n")
    assert kept % 20 == 0, "a bundle is written as a whole"
    assert 0 < kept < 1000
    done = cli(*EMBED, "--batch-size", "256")
    assert done.returncode == 0, done.stderr
    assert "80 requests were in flight when the last run ended and may have been billed" in done.stderr
    assert [line["id"] for line in cli.results("in.results.jsonl")] == [*range(1000)]
    left = 1000 - kept
    assert cli.server.stats["total"]["received"] == kept // 20 + 4 + -(-left // 256), (
        "and only that is sent again"
    )
