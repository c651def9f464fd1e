"""Rephrase, send, score and judge in one command: prompto's evaluation example, its ids and folders, and going on with it."""

import json

import pytest

from tests.servers import Cli

ANSWERS = """
def lab(request):
    text = request.messages[-1]["content"]
    if request.model == "lab/judge":
        return "yes" if "Paris" in text else "no"
    if text.startswith(("Say it", "Ask it")):
        return "1. Which city rules France?\\n2. " + text if "capital" in text else "same"
    return "Paris"
"""
ROWS = [
    {"id": "capital", "api": "lab", "model_name": "m", "prompt": "The capital of France?", "expected_response": "Paris",
     "group": "g"},
    {"id": "river", "api": "lab", "model_name": "m", "prompt": "Its river?", "expected_response": "Seine"},
]  # fmt: skip
SETTINGS = {"api": "lab", "model_name": "judge", "parameters": {"temperature": 0}}


@pytest.fixture
def user(tmp_path):
    user = Cli(tmp_path, PYTHONPATH=str(tmp_path))
    (tmp_path / "answers.py").write_text(ANSWERS)
    (tmp_path / "brimline.toml").write_text('[endpoints.lab]\nfunction = "answers:lab"\n')
    for name in ("data", "judge", "rephrase"):
        (tmp_path / name).mkdir()
    (tmp_path / "judge" / "settings.json").write_text(
        json.dumps({"strict": SETTINGS, "far": {**SETTINGS, "api": "openai"}})
    )
    (tmp_path / "judge" / "template.txt").write_text('Right? {"q": "{INPUT_PROMPT}"} {OUTPUT_RESPONSE}')
    (tmp_path / "judge" / "kind.txt").write_text("Kind? {OUTPUT_RESPONSE}")
    (tmp_path / "rephrase" / "settings.json").write_text(
        json.dumps({"other": {**SETTINGS, "model_name": "r"}})
    )
    (tmp_path / "rephrase" / "template.txt").write_text("Say it: {INPUT_PROMPT}\nAsk it: {INPUT_PROMPT}\n")
    user.write("exp.jsonl", ROWS)
    yield user
    user.stop()


def files(user, folder):
    found = (user.folder / "data" / "output" / folder).iterdir()
    return {path.name[20:]: path for path in found if path.is_file()}


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


CHAIN = (
    "experiment", "run", "exp.jsonl", "-mq", "60000", "-p", "-rf", "rephrase", "-r", "other",
    "-s", "match,includes", "-jf", "judge", "-jt", "template.txt,kind.txt", "-j", "strict", "--json",
)  # fmt: skip


def test_everything_in_one_command_and_again(user):
    done = user(*CHAIN)
    assert done.returncode == 0, done.stderr
    rephrased, answered, judged = map(json.loads, done.stdout.splitlines())
    assert (rephrased["ok"], answered["ok"], judged["run"]["ok"]) == (4, 6, 12)
    assert [one["mean"] for one in answered["scores"]["groups"][0]["scores"].values()] == [0.5, 0.5]

    asked = lines(files(user, "rephrase-exp")["completed-rephrase-exp.jsonl"])
    assert [row["id"] for row in asked] == [
        f"rephrase-other-{n}-{id_}" for n in (0, 1) for id_ in ("capital", "river")
    ]
    rows = lines(files(user, "post-rephrase-exp")["input-post-rephrase-exp.jsonl"])
    assert [row["id"] for row in rows] == [*(row["id"] for row in asked), "capital", "river"]
    assert [row["input-id"] for row in rows] == ["capital", "river"] * 3
    assert {row["group"] for row in rows if row["input-id"] == "capital"} == {"g"}
    after = files(user, "post-rephrase-exp")
    assert after.keys() >= {"completed-post-rephrase-exp.jsonl", "log-post-rephrase-exp.txt"}
    assert lines(after["completed-post-rephrase-exp.scored.jsonl"])[4]["scores"] == {
        "match": 1.0,
        "includes": 1.0,
    }
    verdicts = lines(files(user, "judge-post-rephrase-exp")["completed-judge-post-rephrase-exp.jsonl"])
    assert [row["id"] for row in verdicts][:2] == [
        f"judge-strict-template-rephrase-other-0-{id_}" for id_ in ("capital", "river")
    ]
    assert {row["response"] for row in verdicts} == {"yes"}
    stamps = {path.name[:19] for path in (user.folder / "data" / "output").rglob("*-input-*")}
    assert len(stamps) == 1

    again = [json.loads(line) for line in user(*CHAIN).stdout.splitlines()]
    assert [one["attempts"] for one in (again[0], again[1], again[2]["run"])] == [0, 0, 0]
    assert len([*(user.folder / "data" / "output").rglob("*-input-*")]) == 4


def test_only_rephrasing_and_without_originals(user):
    done = user(*CHAIN[:10], "-or", "-ro", "-rp", "split_numbered_list", "--fresh", "-q")
    assert (done.returncode, done.stdout) == (0, "")
    rows = lines(files(user, "post-rephrase-exp")["input-post-rephrase-exp.jsonl"])
    assert [row["id"] for row in rows][:2] == ["rephrase-other-0-capital-0", "rephrase-other-0-capital-1"]
    assert not files(user, "post-rephrase-exp").keys() & {"completed-post-rephrase-exp.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-j", "strict"), "--judge-folder and --judge go together"),
        (("-jf", "judge", "-j", "nobody"), "does not know nobody"),
        (("-jf", "judge", "-j", "far"), "judge 'far': endpoint 'openai' needs a key: set OPENAI_API_KEY"),
        (("-rf", "rephrase"), "--rephrase-folder and --rephrase-model go together"),
        (("-or",), "nothing is rephrased"),
        (("-s", "matches"), "there is no scorer 'matches'"),
        (("-f", "exp.jsonl"), "name one FILE"),
        (("-ma", "2", "--max-tries", "3"), "give one"),
        (("-d", "dat"), "mkdir dat"),
        (("-e", ".env"), "cannot be read"),
        (("-m",), "No such option"),
    ],
)
def test_mistakes_are_named_before_anything_happens(user, arguments, words):
    done = user("experiment", "run", "exp.jsonl", *arguments)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert [*(user.folder / "data").iterdir()] == []


def test_rows_that_cannot_be_run_are_named_before_they_are_rephrased(user):
    user.write("typo.jsonl", [{**ROWS[0], "api": "lap"}])
    chain = ("experiment", "run", "typo.jsonl", "-mq", "60000", "-rf", "rephrase", "-r", "other")
    done = user(*chain)
    assert (done.returncode, "typo.jsonl:1: there is no endpoint 'lap'" in done.stderr) == (2, True), (
        done.stderr
    )
    assert [*(user.folder / "data" / "output").iterdir()] == []
    assert user(*chain, "--only-rephrase").returncode == 0, "somebody else runs them"


def test_variables_come_from_a_file_on_request_only(user):
    (user.folder / ".env").write_text("OPENAI_API_KEY=sk-x\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n")
    user.environment.pop("OPENAI_API_KEY", None)
    user.write("o.jsonl", [{"api": "openai", "model_name": "m", "prompt": "hi"}])
    command = ("experiment", "run", "o.jsonl", "--limit", "0")
    assert "OPENAI_API_KEY" in user(*command).stderr
    assert user(*command, "-e", ".env").returncode == 0


def test_a_chain_that_stopped_in_the_middle_goes_on_there(user):
    stopped = user(*CHAIN, "--limit", "5")
    assert "not all is answered, so nothing was judged" in stopped.stderr
    assert len(stopped.stdout.splitlines()) == 2
    done = user(*CHAIN)
    assert done.returncode == 0, done.stderr
    rephrased, answered, judged = map(json.loads, done.stdout.splitlines())
    assert (rephrased["attempts"], answered["attempts"], judged["run"]["attempts"]) == (0, 1, 12)
