"""Pools and fallbacks as a user has them: what answers, what is written down, and what the exit code says."""

from collections import Counter

import pytest

from tests.cli.lab import ROWS, until

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]
FILTERED = """
[models.strict]
max_context = 200
[[models.strict.faults]]
kind = "content_filter"
when = "prompt 3"
[[models.locked.faults]]
kind = "auth"
after = 5
[[models.free.faults]]
kind = "content_filter"
when = "prompt 39"
[models.slow]
latency = "100ms"
"""
RUN = ("run", "in.jsonl", "-p", "{{ text }}", "-o", "out.jsonl")


def second_endpoint(cli, name="other", fallback=""):
    """Another endpoint of the same server, which is another account to us."""
    cli.configure(f'[endpoints.{name}]\nbase_url = "{cli.server.url}"\nkey = "none"\n{fallback}')


def served(results):
    return Counter(line.get("served_by", line["model"]) for line in results)


def test_what_one_model_cannot_answer_another_one_does(lab):
    rows = [*ROWS, {"text": "word " * 400}]
    cli = lab(FILTERED, rows)
    command = (*RUN, "-m", "lab/strict", "--fallback", "lab/free")
    done = cli(*command)
    assert done.returncode == 3, "one row is filtered everywhere"
    results = cli.results("out.jsonl")
    assert {line["model"] for line in results} == {"lab/strict"}
    assert served(results) == {"lab/strict": 29, "lab/free": 12}
    assert results[40]["served_by"] == "lab/free"
    assert results[40]["served_model"] == "free"
    assert (results[30]["attempts"], results[30]["status"]) == (2, "ok")
    assert "served_by" not in results[0]
    failed = results[39]
    assert failed["error"]["kind"] == "content_filter"
    assert "(before that lab/strict: content_filter: " in failed["error"]["message"]
    assert "lab/strict: 40 answers" in done.stderr
    assert "\n  lab/free: 11 answers" in done.stderr
    sent = len(cli.server.ledger)
    assert cli(*command).returncode == 3
    assert len(cli.server.ledger) == sent, "what a fallback has answered is answered"


def test_only_for_the_faults_that_are_named(lab):
    cli = lab(FILTERED, [*ROWS, {"text": "word " * 400}])
    done = cli(*RUN, "-m", "lab/strict", "--fallback", "lab/free", "--fallback-on", "too_long")
    assert done.returncode == 3
    kinds = Counter(line["error"] and line["error"]["kind"] for line in cli.results("out.jsonl"))
    assert kinds == {None: 30, "content_filter": 11}


def test_an_endpoint_that_stops_is_taken_over(lab):
    cli = lab(FILTERED)
    second_endpoint(cli)
    done = cli(*RUN, "-m", "lab/locked", "--fallback", "other/free", "--fallback", "other/slow")
    assert done.returncode == 0, done.stderr
    results = cli.results("out.jsonl")
    counts = served(results)
    assert counts["other/slow"] == 1, "the one that is filtered goes on to the last one"
    assert counts["lab/locked"] == 5
    assert sum(counts.values()) == 40
    assert all(line["status"] == "ok" for line in results)
    assert "lab has stopped (auth), and others went on instead" in done.stderr


def test_a_fallback_that_stops_leaves_rows_pending(lab):
    cli = lab(FILTERED)
    second_endpoint(cli)
    command = (*RUN, "-m", "lab/strict", "--fallback", "other/locked")
    done = cli(*command)
    assert done.returncode == 1
    assert "other has stopped (auth)" in done.stderr
    assert len(cli.results("out.jsonl")) == 29 + 5
    assert cli(*RUN, "-m", "lab/strict", "--fallback", "lab/slow").returncode == 0
    counts = served(cli.results("out.jsonl"))
    assert counts == {"lab/strict": 29, "other/locked": 5, "lab/slow": 6}


def test_a_pool_is_one_model_whatever_its_members(lab):
    cli = lab(FILTERED)
    second_endpoint(cli)
    cli.configure('[endpoints.team]\nmembers = ["lab", { endpoint = "other", model = "slow" }]\n')
    command = (*RUN, "-m", "team/free", "--rate", "lab/*=20/min", "--limit", "30", "--concurrency", "4")
    assert cli(*command).returncode == 0
    results = cli.results("out.jsonl")
    assert len(results) == 30
    counts = served(results)
    assert counts.keys() == {"lab/free", "other/slow"}
    assert counts["lab/free"] <= 20
    shown = cli("limits", "team/free", "--rate", "lab/*=20/min").stdout
    assert "lab/free, as configured:\n  declared    20/min" in shown
    assert "lab/free, 2" in shown
    assert "other/slow, 2" in shown
    cli.configure('[endpoints.more]\nbase_url = "http://127.0.0.1:1/v1"\nkey = "none"\n')
    text = (cli.folder / "brimline.toml").read_text().replace('["lab", {', '["more", "lab", {')
    (cli.folder / "brimline.toml").write_text(text)
    sent = len(cli.server.ledger)
    assert cli(*RUN, "-m", "team/free", "--rate", "lab/*=20/min", "--limit", "0").returncode == 0
    assert len(cli.server.ledger) == sent
    assert len(cli.results("out.jsonl")) == 30, "another member changes nothing on file"
    explained = cli("config", "explain", "team/free", "--rate", "lab/*=20/min").stdout
    assert "members = more, lab, other/slow" in explained
    assert "team/free is answered by more/free, lab/free, other/slow" in explained


@pytest.mark.slow
def test_a_member_keeps_its_limits_across_a_kill(lab):
    cli = lab(FILTERED)
    second_endpoint(cli)
    cli.configure('[endpoints.team]\nmembers = ["lab", "other"]\n')
    command = (*RUN, "-m", "team/slow", "--rate", "lab/*=8/h burst 8", "--rate", "other/*=600/min")
    process = cli.start(*command)
    until(lambda: len(cli.server.ledger) > 20)
    process.kill()
    process.communicate()
    assert cli(*command).returncode == 0
    counts = served(cli.results("out.jsonl"))
    assert counts["lab/slow"] <= 8, "what left for it before the kill counts for it, and not for its sibling"
    assert sum(counts.values()) == 40


def test_mistakes_are_found_before_anything_is_sent(cli, write):
    lab = '[endpoints.lab]\nbase_url = "http://127.0.0.1:1/v1"\nkey = "none"\n'
    write("brimline.toml", lab + '[endpoints.keyed]\nbase_url = "http://127.0.0.1:1/v1"\n')
    write("in.jsonl", ROWS)
    for fallback, said in {
        "nope/x": "there is no endpoint 'nope'",
        "lab": "'lab' is no model; write it as ENDPOINT/MODEL",
        "keyed/x": "KEYED_API_KEY",
    }.items():
        for command in (RUN, ("check", *RUN[1:4])):
            code, _, err = cli(*command, "-m", "lab/x", "--fallback", fallback)
            assert (code, said in err) == (2, True), err
    assert "it is one of rate_limited" in cli(*RUN, "-m", "lab/x", "--fallback-on", "bad_luck")[2]
