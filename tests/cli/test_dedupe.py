"""`--dedupe` by the real command: what the simulator's ledger says was sent, and what every row got."""

import json

import pytest

from tests.cli.lab import until
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

TEXTS = "abcab a" + "cc"
ROWS = [{"text": text, "label": n} for n, text in enumerate(TEXTS)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "Say {{ text }}", "-o", "out.jsonl")
UNIQUE = len(set(TEXTS))


@pytest.fixture
def lab(tmp_path, simulator):
    """A command line whose `lab/...` models answer as the scenario says; by default, never twice the same."""

    def start(scenario='[models."*"]\nreply = "lorem"\n', rows=ROWS):
        cli = Cli(tmp_path)
        cli.server = simulator(scenario)
        cli.lab(cli.server.url)
        cli.write("in.jsonl", rows)
        return cli

    return start


def sent(cli):
    return cli.server.stats["total"]["received"]


def bill(results):
    """The tokens that the lines say were used."""
    return sum((result["usage"] or {"output_tokens": 0})["output_tokens"] for result in results)


def test_equal_rows_are_sent_once_and_every_row_gets_the_answer(lab):
    cli = lab()
    done = cli(*RUN, "--dedupe")
    assert done.returncode == 0, done.stderr
    assert sent(cli) == UNIQUE
    results = cli.results("out.jsonl")
    assert [(result["id"], result["label"]) for result in results] == [(n, n) for n in range(len(TEXTS))]
    answers = {(result["text"], result["response"]) for result in results}
    assert len(answers) == len({response for _, response in answers}) == UNIQUE
    copies = [result for result in results if result.get("duplicate")]
    assert len(copies) == len(TEXTS) - UNIQUE
    for copy in copies:
        nothing = (
            copy["attempts"],
            copy["usage"],
            copy["cost_usd"],
            copy["latency_s"],
            copy["timestamp_sent"],
        )
        assert nothing == (0, None, 0, None, None)
        assert (copy["status"], copy["error"], copy["finish_reason"]) == ("ok", None, "stop")
    assert bill(results) == sum(entry["usage"]["output_tokens"] for entry in cli.server.ledger)
    assert f"saved {len(copies)} requests: {len(copies)} duplicates" in done.stderr
    assert f"{UNIQUE} requests sent" in done.stderr


def test_the_report_counts_what_was_saved(lab):
    cli = lab()
    report = json.loads(cli(*RUN, "--dedupe", "--json").stdout)
    saved = len(TEXTS) - UNIQUE
    assert (report["duplicates"], report["attempts"], report["ok"]) == (saved, UNIQUE, len(TEXTS))
    assert report["models"][0]["duplicates"] == saved
    assert report["answered"] == len(TEXTS)
    assert json.loads(cli(*RUN, "--dedupe", "--json").stdout)["duplicates"] == 0, "nothing was left to save"
    assert sent(cli) == UNIQUE


def test_it_is_off_unless_somebody_asks_for_it(lab):
    cli = lab()
    cli.configure("[run]\ndedupe = true\n")
    cli(*RUN, "--no-dedupe")
    assert sent(cli) == len(TEXTS)
    assert "duplicate" not in (cli.folder / "out.jsonl").read_text()
    cli("run", "in.jsonl", "-m", "lab/x", "-p", "Now {{ text }}", "-o", "out2.jsonl")
    assert sent(cli) == len(TEXTS) + UNIQUE


def test_a_crash_between_an_answer_and_its_copies_costs_nothing(lab):
    """Whatever was written when it ended: what is missing is copied from what is there, and only the rest is sent."""
    cli = lab()
    cli(*RUN, "--dedupe")
    whole = (cli.folder / "out.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept in (0, 1, 2, 4, 7):
        (cli.folder / "out.jsonl").write_bytes(b"".join(lines[:kept]))
        before = sent(cli)
        done = cli(*RUN, "--dedupe")
        assert done.returncode == 0, done.stderr
        results = cli.results("out.jsonl")
        assert sent(cli) - before == UNIQUE - len(set(TEXTS[:kept]))
        assert len({result["response"] for result in results}) == UNIQUE
        assert [(result["id"], result["label"]) for result in results] == [(n, n) for n in range(len(TEXTS))]
        assert (cli.folder / "out.jsonl").read_bytes().splitlines(keepends=True)[:kept] == lines[:kept]


@pytest.mark.slow
def test_answers_of_an_earlier_run_serve_as_originals(lab):
    cli = lab(rows=ROWS[:3])
    cli(*RUN)
    cli.write("in.jsonl", [*ROWS[3:], *ROWS[:3]])
    done = cli(*RUN, "--dedupe")
    assert done.returncode == 0, done.stderr
    assert sent(cli) == UNIQUE
    results = cli.results("out.jsonl")
    assert [result["label"] for result in results] == [3, 4, 5, 6, 7, 8, 0, 1, 2]
    assert len({result["response"] for result in results}) == UNIQUE
    assert "saved 5 requests: 5 duplicates" in done.stderr


FAULTY = '[[models."*".faults]]\nkind = "{kind}"\nwhen = "Say a"\ntimes = {times}\n'


def test_what_fails_fails_for_its_copies_too_without_being_sent(lab):
    cli = lab(FAULTY.format(kind="400", times=1))
    done = cli(*RUN, "--dedupe")
    assert done.returncode == 3
    assert sent(cli) == UNIQUE
    failed = [result for result in cli.results("out.jsonl") if result["status"] == "failed"]
    assert [result["text"] for result in failed] == ["a"] * TEXTS.count("a")
    assert {result["error"]["kind"] for result in failed} == {"invalid_request"}
    assert [result["attempts"] for result in failed] == [1, 0, 0]
    cli(*RUN, "--dedupe")
    assert sent(cli) == UNIQUE, "a failure of its own is not sent again"
    done = cli(*RUN, "--dedupe", "--retry", "all")
    assert (done.returncode, sent(cli)) == (0, UNIQUE + 1)
    assert {result["status"] for result in cli.results("out.jsonl")} == {"ok"}


@pytest.mark.slow
def test_a_failure_that_lacks_its_copies_is_copied_too(lab):
    cli = lab(FAULTY.format(kind="400", times=99))
    cli(*RUN, "--dedupe")
    (cli.folder / "out.jsonl").write_bytes(
        (cli.folder / "out.jsonl").read_bytes().splitlines(keepends=True)[0]
    )
    done = cli(*RUN, "--dedupe")
    assert (done.returncode, sent(cli)) == (3, 2 * UNIQUE - 1)
    assert [result["status"] == "failed" for result in cli.results("out.jsonl")] == [t == "a" for t in TEXTS]


def test_a_passing_failure_is_sent_again_once(lab):
    cli = lab(FAULTY.format(kind="500", times=1))
    cli(*RUN, "--dedupe", "--max-tries", 1)
    assert sent(cli) == UNIQUE
    done = cli(*RUN, "--dedupe", "--max-tries", 1)
    assert (done.returncode, sent(cli)) == (0, UNIQUE + 1)


@pytest.mark.slow
def test_retry_sends_once_what_failed_alike(lab):
    """And with the options of the run: each repeat of equal rows is one request again."""
    cli = lab(FAULTY.format(kind="400", times=2), [{"text": text} for text in "aba"])
    done = cli(*RUN, "--dedupe", "--repeat", 2, "--cache=store")
    assert (done.returncode, sent(cli)) == (3, 4)
    done = cli("status", "out.jsonl", "--json")
    assert json.loads(done.stdout)["failures"] == {"invalid_request": 4}
    done = cli("retry", "out.jsonl", "--all")
    assert (done.returncode, sent(cli)) == (0, 6), done.stderr
    results = cli.results("out.jsonl")
    assert [(result["id"], result["repeat"]) for result in results] == [
        (n, r) for n in range(3) for r in range(2)
    ]
    assert len({(result["text"], result["repeat"], result["response"]) for result in results}) == 4
    assert [*cli.folder.glob("store/*.sqlite")]


def test_each_model_is_asked_and_ids_are_kept(lab):
    rows = [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS)]
    cli = lab(rows=rows)
    done = cli(
        "run", "in.jsonl", "-m", "lab/x", "-m", "lab/y", "-p", "{{ text }}", "-o", "out.jsonl", "--dedupe"
    )
    assert done.returncode == 0, done.stderr
    assert sent(cli) == 2 * UNIQUE
    results = cli.results("out.jsonl")
    pairs = [(result["id"], result["model"]) for result in results]
    assert pairs == [(row["id"], model) for row in rows for model in ("lab/x", "lab/y")]
    assert len({(result["text"], result["model"], result["response"]) for result in results}) == 2 * UNIQUE


@pytest.mark.slow
def test_a_limit_counts_what_is_sent_and_its_copies_are_written(lab):
    cli = lab()
    done = cli(*RUN, "--dedupe", "--limit", 1)
    assert done.returncode == 0, done.stderr
    assert [result["text"] for result in cli.results("out.jsonl")] == ["a"] * TEXTS.count("a")
    assert sent(cli) == 1
    cli(*RUN, "--dedupe")
    assert (len(cli.results("out.jsonl")), sent(cli)) == (len(TEXTS), UNIQUE)


def test_batch_rows_and_standard_output(lab):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    rows = [
        {"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n in range(3)
    ]
    cli = lab(rows=rows)
    done = cli("run", "in.jsonl", "-m", "lab/x", "-o", "-", "--dedupe")
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["custom_id"] for result in results] == ["r0", "r1", "r2"]
    assert [result["brimline"]["attempts"] for result in results] == [1, 0, 0]
    assert [result["brimline"].get("duplicate", False) for result in results] == [False, True, True]
    assert len({json.dumps(result["response"]) for result in results}) == 1
    assert sent(cli) == 1


def test_a_thousand_copies_of_one_row(lab):
    cli = lab(rows=[{"text": "same"}] * 1000)
    done = cli(*RUN, "--dedupe")
    assert done.returncode == 0, done.stderr
    assert sent(cli) == 1
    assert [result["id"] for result in cli.results("out.jsonl")] == [*range(1000)]


@pytest.mark.slow
def test_an_input_that_is_changed_meanwhile_ends_the_run_but_loses_no_answer(lab):
    """Its rows are read again for the copies; what was answered is kept, and nothing gets the answer of another."""
    cli = lab('[models."*"]\nlatency = "500ms"\n', [{"text": "same"}] * 5)
    process = cli.start(*RUN, "--dedupe")
    until(lambda: cli.server.stats["total"]["in_flight"])
    cli.write("in.jsonl", [{"text": text} for text in ("same", "same", "else", "same", "same")])
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "in.jsonl was changed while it was being run" in said
    assert [result["attempts"] for result in cli.results("out.jsonl")] == [1, 0]
    done = cli(*RUN, "--dedupe")
    assert done.returncode == 0, done.stderr
    assert sent(cli) == 2
    assert cli.results("out.jsonl")[2]["response"] == "echo: Say else"
