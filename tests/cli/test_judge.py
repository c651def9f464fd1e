"""`brimline judge` and `brimline rephrase` by the real command: files, exit codes, resuming, following a live run."""

import json
import signal

import pytest

from brimline.store.lines import result_line
from tests.cli.lab import until
from tests.servers import Cli
from tests.store.outcomes import success

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

LAB = """
import asyncio, json, pathlib

async def answer(request):
    await asyncio.sleep(0.05)
    return "an answer"

async def slow(request):
    number = int(request.messages[0]["content"].split()[-1])
    while number >= 2 and not pathlib.Path("go").exists():
        await asyncio.sleep(0.02)
    return "an answer"

async def judge(request):
    text = request.messages[0]["content"]
    with open("asked.log", "a") as log:
        log.write(request.model + "\\n")
    while "HANG" in text and not pathlib.Path("go").exists():
        await asyncio.sleep(0.02)
    if request.schema is None:
        return "Yes."
    verdict = 5 if request.model_name == "mild" else 3
    return json.dumps({"accuracy": {"reason": "so [/red]", "verdict": verdict}})
"""
CONFIG = '[endpoints.lab]\nfunction = "lab:answer"\n[endpoints.slow]\nfunction = "lab:slow"\n[endpoints.jury]\nfunction = "lab:judge"\n'
RUBRIC = 'judges = ["jury/mild", "jury/strict"]\n[criteria.accuracy]\nquestion = "Right?"\nscale = [1, 5]\n'
JUDGE = ("judge", "out.jsonl", "--rubric", "r.toml", "--display", "none")


@pytest.fixture
def lab(tmp_path):
    (tmp_path / "lab.py").write_text(LAB)
    (tmp_path / "brimline.toml").write_text(CONFIG)
    (tmp_path / "r.toml").write_text(RUBRIC)
    cli = Cli(tmp_path)
    yield cli
    cli.stop()


def answer(lab, count=6, word="p"):
    lab.write("in.jsonl", [{"id": n, "prompt": f"{word if n > 2 else 'p'} {n}"} for n in range(count)])
    assert lab("run", "in.jsonl", "-m", "lab/x", "-o", "out.jsonl", "-q").returncode == 0


def asked(lab):
    path = lab.folder / "asked.log"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_what_it_says_and_its_exit_codes(lab):
    answer(lab)
    done = lab(*JUDGE, "--gate", "accuracy >= 4")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "Verdicts: judge-r-out.verdicts.jsonl")
    assert "jury/mild    lab/x  accuracy     5.000" in done.stdout
    assert "accuracy      Cohen, weighted  0.000     6" in done.stdout
    missed = lab(*JUDGE, "--json", "-q", "--gate", "accuracy[lab/x] > 4")
    told = json.loads(missed.stdout)
    assert missed.returncode == told["exit_code"] == told["run"]["exit_code"] == 4
    assert told["gates_missed"] == ["accuracy[lab/x] > 4: lab/x has 4"]
    assert [(group["judge"], group["mean"]["mean"]) for group in told["groups"]] == [
        ("jury/mild", 5),
        ("jury/strict", 3),
    ]
    assert missed.stderr == "brimline: gate missed: accuracy[lab/x] > 4: lab/x has 4\n"
    assert asked(lab) == 12, "nobody is asked twice"


def test_a_judging_that_is_killed_goes_on(lab):
    answer(lab, word="HANG")
    judging = lab.start(*JUDGE)
    until(lambda: asked(lab) == 12)
    until(lambda: len((lab.folder / "judge-r-out.results.jsonl").read_bytes().splitlines()) == 6)
    second = lab(*JUDGE)
    assert (second.returncode, "is being written by process" in second.stderr) == (2, True), "one at a time"
    judging.kill()
    judging.communicate()
    (lab.folder / "go").touch()
    done = lab(*JUDGE)
    assert done.returncode == 0
    assert "6 requests to send" in done.stderr
    assert asked(lab) == 18, "those in flight are asked again, the others not"
    assert len(lab.results("judge-r-out.verdicts.jsonl")) == 12


def test_an_interrupted_judging_says_so_and_looks_at_no_gate(lab):
    answer(lab, word="HANG")
    judging = lab.start(*JUDGE, "--gate", "accuracy >= 1")
    until(lambda: asked(lab) == 12)
    judging.send_signal(signal.SIGINT)
    while "once more to stop at once" not in judging.stderr.readline():
        pass
    judging.send_signal(signal.SIGINT)
    _, said = judging.communicate(timeout=20)
    assert judging.returncode == 130
    assert "the gates were not looked at" in said


def test_judging_follows_a_live_run(lab):
    lab.write("in.jsonl", [{"id": n, "prompt": f"p {n}"} for n in range(5)])
    run = lab.start("run", "in.jsonl", "-m", "slow/x", "-o", "out.jsonl", "-q")
    judging = lab.start(*JUDGE, "--follow")
    until(lambda: asked(lab) == 4)
    assert run.poll() is None, "the first two are judged while the others are not even answered"
    (lab.folder / "go").touch()
    assert run.wait(20) == 0
    run.communicate()
    out, _ = judging.communicate(timeout=30)
    assert judging.returncode == 0
    assert asked(lab) == 10
    assert "    5           0" in out


def test_rows_for_judges_alone(lab):
    (lab.folder / "judge").mkdir()
    settings = {"j": {"api": "jury", "model_name": "m", "parameters": {}}}
    (lab.folder / "judge" / "settings.json").write_text(json.dumps(settings))
    (lab.folder / "judge" / "template.txt").write_text("{INPUT_PROMPT} {OUTPUT_RESPONSE}")
    lab.write("completed-x.jsonl", [{"id": 0, "api": "a", "model_name": "m", "prompt": "p", "response": "r"}])
    folder = ("judge", "completed-x.jsonl", "--judge-folder", "judge", "--judge", "j")
    assert lab(*folder, "--create-only", "rows.jsonl").returncode == 0
    (row,) = lab.results("rows.jsonl")
    assert (row["id"], row["prompt"], row["input-response"]) == ("judge-j-template-0", "p r", "r")
    assert asked(lab) == 0
    done = lab(*folder)
    assert done.returncode == 0
    assert lab.results("judge-x.results.jsonl")[0]["response"] == "Yes."
    assert "yes 1" in done.stdout
    wrong = lab("judge", "completed-x.jsonl", "--judge-folder", "judge", "--judge", "k")
    assert (wrong.returncode, "does not know k; it knows j" in wrong.stderr) == (2, True)


def test_rephrasing_writes_its_file_when_all_is_said(lab):
    (lab.folder / "re").mkdir()
    settings = {"w": {"api": "slow", "model_name": "m", "parameters": {}}}
    (lab.folder / "re" / "settings.json").write_text(json.dumps(settings))
    (lab.folder / "re" / "template.txt").write_text("Again: {INPUT_PROMPT}\n")
    lab.write("in.jsonl", [{"id": n, "prompt": f"p {n}"} for n in range(4)])
    rephrase = (
        "rephrase",
        "in.jsonl",
        "--rephrase-folder",
        "re",
        "--rephrase-model",
        "w",
        "--display",
        "none",
    )
    stopped = lab(*rephrase, "--limit", "2")
    assert (stopped.returncode, "was not written" in stopped.stderr) == (0, True)
    (lab.folder / "go").touch()
    done = lab(*rephrase, "--no-originals")
    assert done.returncode == 0
    assert "2 requests to send" in done.stderr
    assert [row["id"] for row in lab.results("post-rephrase-in.jsonl")] == [
        f"rephrase-w-0-{n}" for n in range(4)
    ]
    assert lab(*rephrase, "--rephrase-parser", "x").returncode == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "give either --rubric or --judge-folder"),
        (["--rubric", "r.toml", "--template", "a.txt"], "--template is for --judge-folder"),
        (["--rubric", "r.toml", "--gate", "x"], "gate 'x' is none"),
        (["--rubric", "r.toml", "--follow", "--fresh"], "--fresh, --limit and --stop-after-failed do not go with --follow"),
        (["--rubric", "pair.toml", "--judge", "jury/j", "--follow"], "a comparison needs both answers"),
        (["--rubric", "r.toml", "--judge", "nowhere/j"], "there is no endpoint 'nowhere'"),
        (["--rubric", "r.toml", "--create-only", "out.jsonl"], "out.jsonl holds the answers themselves"),
    ],
)  # fmt: skip
def test_what_it_refuses(cli, write, options, why):
    answered = write("out.jsonl", result_line({"prompt": "p"}, success()))
    before = answered.read_bytes()
    write("r.toml", RUBRIC)
    write("pair.toml", 'kind = "pairwise"\n[criteria.help]\nquestion = "Which one?"\n')
    code, _, said = cli("judge", "out.jsonl", "--display", "none", *options)
    assert (code, why in said) == (2, True), said
    assert answered.read_bytes() == before
