"""`retry`: exactly the failed rows, by what they failed for, with the options of their run."""

import json
import shutil

import pytest

from tests.cli.lab import RUN

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

FAULTS = """
[[models."*".faults]]
kind = "malformed"
when = "prompt 7"
times = 2
[[models."*".faults]]
kind = "400"
when = "prompt 9"
times = 1
"""
ONCE = ("--max-tries", "2", "--max-failed", "2")


def failed(cli):
    return {result["id"]: result["error"]["kind"] for result in cli.results("out.jsonl") if result["error"]}


@pytest.fixture
def done(lab):
    """A run of which two rows have failed, one for a passing reason."""
    cli = lab(FAULTS)
    assert cli(*RUN, *ONCE).returncode == 0
    assert failed(cli) == {7: "bad_reply", 9: "invalid_request"}
    cli.before = cli.server.stats["total"]["received"]
    return cli


def sent(cli):
    """What was sent since the run."""
    return [entry["text"] for entry in cli.server.ledger[cli.before :]]


def test_what_failed_for_a_passing_reason_is_sent_again_and_nothing_else(done):
    shown = done("retry", "out.jsonl")
    assert shown.returncode == 0, shown.stderr
    assert sent(done) == ["prompt 7"]
    assert failed(done) == {9: "invalid_request"}
    assert [result["id"] for result in done.results("out.jsonl")] == [*range(40)], "in order"
    assert "1 failed row to send again: bad_reply 1" in shown.stderr
    assert "left as they are: invalid_request 1; --all sends them, too" in shown.stderr


def test_all_of_them(done):
    assert done("retry", "out.jsonl", "--all").returncode == 0
    assert sorted(sent(done)) == ["prompt 7", "prompt 9"]
    assert failed(done) == {}


def test_by_kind(done):
    shown = done("retry", "out.jsonl", "--kind", "timeout,rate_limited")
    assert shown.returncode == 0, shown.stderr
    assert sent(done) == []
    assert done("retry", "out.jsonl", "--kind", "invalid_request,timeout").returncode == 0
    assert sent(done) == ["prompt 9"]


@pytest.mark.slow
def test_from_another_folder_and_with_other_limits(done, tmp_path):
    shown = done("retry", "../out.jsonl", "--all", "--rpm", "600", cwd=make(tmp_path / "elsewhere"))
    assert shown.returncode == 0, shown.stderr
    assert failed(done) == {}
    manifest = json.loads((tmp_path / "out.jsonl.run" / "manifest.json").read_text())
    assert manifest["models"]["lab/x"]["quotas"] == ["600 requests/min burst 9 smooth"]


def make(folder):
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_rows_that_are_missing_or_were_changed_are_not_sent(lab):
    cli = lab(FAULTS)
    cli(*RUN, *ONCE, "--limit", "20")
    cli.before = cli.server.stats["total"]["received"]
    cli.write("in.jsonl", [{"text": "new"}, *({"text": f"prompt {n}"} for n in range(40))])
    shown = cli("retry", "out.jsonl", "--all")
    assert sorted(sent(cli)) == ["prompt 7", "prompt 9"]
    assert "21 pending" in shown.stderr


@pytest.mark.slow
def test_it_retries_with_everything_that_was_asked(lab):
    """Template, system message, parameters, tries, columns: all as it was, without being said again."""
    cli = lab(FAULTS)
    shown = cli(
        "run", "in.jsonl", "-m", "lab/x", "-m", "lab/y", "-p", "{{ text }}", "--system", "Be {{ text }}.",
        "-P", "temperature=0.5", "-P", 'stop=["a"]', "-o", "out.jsonl", "--raw", "--rate", "lab/x=50/s",
        "--concurrency", "5", "--max-tries", "2", "--timeout", "90", "--max-failed", "5%",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    before = {(result["id"], result["model"]): result["key"] for result in cli.results("out.jsonl")}
    cli.before = cli.server.stats["total"]["received"]
    shown = cli("retry", "out.jsonl", "--all", "--json")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert (report["total"], report["ok"], report["attempts"]) == (80, 80, len(sent(cli)))
    results = cli.results("out.jsonl")
    assert {(result["id"], result["model"]): result["key"] for result in results} == before
    assert all("raw" in result for result in results)
    manifest = json.loads((cli.folder / "out.jsonl.run" / "manifest.json").read_text())
    assert manifest["command"]["run"] == {"timeout": 90.0, "max_tries": 2}
    assert manifest["models"]["lab/x"] == {"quotas": ["50 requests/s burst 50 window"], "concurrency": 5}


def test_a_key_is_read_anew_and_never_written_down_and_the_configuration_file_is_the_runs(lab):
    cli = lab(FAULTS)
    (cli.folder / "brimline.toml").unlink()
    text = f'[endpoints.lab]\nbase_url = "{cli.server.url}"\nkey = "env:LAB_KEY"\n'
    (cli.folder / "lab.toml").write_text(text)
    cli.environment["LAB_KEY"] = "sk-very-secret"
    assert cli(*RUN, *ONCE, "--config", "lab.toml").returncode == 0
    assert "sk-very-secret" not in (cli.folder / "out.jsonl.run" / "manifest.json").read_text()
    del cli.environment["LAB_KEY"]
    assert "LAB_KEY" in cli("retry", "out.jsonl").stderr
    cli.environment["LAB_KEY"] = "another"
    assert cli("retry", "out.jsonl", "--all").returncode == 0


def test_mistakes(done, cli):
    for arguments, reason in (
        (("--kind", "typo"), "'typo' is nothing that rows fail for; it is one of rate_limited, "),
        (("--kind", "auth"), "'auth' is nothing that rows fail for"),
        (("--kind", "timeout", "--all"), "only one of --kind and --all"),
    ):
        code, _, err = cli("retry", "out.jsonl", *arguments)
        assert code == 2
        assert reason in err
    (done.folder / "in.jsonl").rename(done.folder / "moved.jsonl")
    code, _, err = cli("retry", "out.jsonl")
    assert code == 1
    assert "its input in.jsonl is not there any more" in err
    shutil.rmtree(done.folder / "out.jsonl.run")
    code, _, err = cli("retry", "out.jsonl")
    assert code == 1
    assert "holds no manifest" in err
    assert sent(done) == []
