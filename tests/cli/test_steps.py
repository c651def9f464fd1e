"""`brimline steps`: a pipeline in a TOML file, from the shell."""

import json
import signal
import sys
import time

import pytest

from tests.servers import Cli

MODULE = """
import asyncio, os
from brimline.types import Fault, FaultKind

async def model(request):
    text = request.messages[-1]["content"]
    await asyncio.sleep(float(os.environ.get("SLOW", 0)))
    if text == "auth":
        return Fault(FaultKind.AUTH, "bad key")
    if text.startswith("bad"):
        return Fault(FaultKind.INVALID_REQUEST, "not like that \\x1b[31m")
    return "{\\"n\\": %d}" % len(text)

def apart(row):
    return [{**row, "word": word} for word in row["text"].split()]

def together(rows):
    return {"sum": sum(row["count"]["n"] for row in rows)}
"""
STEPS = """
folder = "work"
[endpoints.mine]
function = "words:model"
[limits."mine/*"]
concurrency = 4
[[steps]]
map = "words:apart"
[[steps]]
ask = "count"
model = "mine/x"
prompt = "{{ word }}"
parse = "json"
[[steps]]
gather = "words:together"
"""


@pytest.fixture(autouse=True)
def module(write, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield write("words.py", MODULE)
    sys.modules.pop("words", None)


@pytest.fixture
def steps(cli, write):
    """Run a pipeline over texts; returns exit code, report and what was said."""

    def run(texts, *options, text=STEPS):
        write("p.toml", text)
        write("in.jsonl", [{"id": n, "text": text} for n, text in enumerate(texts)])
        code, out, err = cli("steps", "p.toml", "in.jsonl", "--json", *options)
        return code, json.loads(out) if out else None, err

    return run


@pytest.mark.real_time
def test_a_pipeline_and_its_resume(steps, cli, tmp_path):
    code, report, err = steps(["one two", "three"], "-o", "out.jsonl")
    assert (code, report["given"], report["failed"]) == (0, 2, 0)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [row["sum"] for row in rows] == [6, 5]
    assert "count: 3 done" in err
    code, report, err = steps(["one two", "three", "four"], "-o", "out.jsonl", "-q")
    assert (code, report["steps"][1]["known"], err) == (0, 3, "")


@pytest.mark.real_time
def test_what_exit_codes_say(steps):
    code, report, err = steps(["one bad", "two"])
    assert (code, report["given"], report["failed"]) == (3, 2, 1)
    assert "0.1 failed at count: invalid_request: not like that \\x1b[31m" in err
    assert steps(["one bad", "two"], "--max-failed", "50%")[0] == 0
    assert steps(["one"], text="max_failed = 1\n" + STEPS)[0] == 0
    code, report, err = steps(["auth two"])
    assert (code, report["given"]) == (1, 0)
    assert "Check the key" in err
    code, report, err = steps([f"bad{n}" for n in range(500)], "--stop-after-failed", 3)
    assert (code, report["stopped"]) == (5, "failures")
    assert "Run the same command again" in err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("", "x = 1\n", "unknown key 'x'"),
        (STEPS, '[[step]]\nask = "x"\n', "unknown key 'step'; did you mean 'steps'?"),
        (STEPS, 'input = "x"\n', "steps: a pipeline needs a step"),
        ('ask = "count"', 'asks = "count"', "steps[2]: a step has one of"),
        ('map = "words:apart"', 'map = "words:apart"\nsplit = "x"', "not map and split"),
        ('map = "words:apart"', 'map = "apart"', "steps[1].map: expected a function as 'module:name'"),
        ('map = "words:apart"', 'map = "words:nothing"', "steps[1].map: 'words:nothing' cannot be loaded"),
        ('model = "mine/x"', "model = 5", "steps[2].model: expected text, got 5"),
        ('model = "mine/x"', 'model = "his/x"', "step 'count': there is no endpoint 'his'"),
        ('model = "mine/x"', 'modell = "mine/x"', "unknown key 'steps[2].modell'; did you mean 'model'?"),
        ('prompt = "{{ word }}"', 'prompt = "{{ word"', "steps[2].ask: step 'count': prompt"),
        ('prompt = "{{ word }}"', 'prompt_file = "none.txt"', "steps[2].prompt_file"),
        ('ask = "count"', 'ask = "a/b"', "cannot be called 'a/b'"),
        ("concurrency = 4", "concurrency = 0", "concurrency: expected at least 1"),
        ('gather = "words:together"', 'ask = "count"', "two steps are called 'count'"),
        ('gather = "words:together"', 'gather = "words:together"\nof = "a"\nby = "b"', "exclude each other"),
        ('folder = "work"', 'folder = "work"\nmax_failed = "many"', "max_failed"),
        ('folder = "work"', "steps = 5", "is no TOML"),
    ],
)
def test_every_mistake_is_named(steps, old, new, words, tmp_path):
    text = STEPS.replace(old, new, 1) if old else new + STEPS
    code, report, err = steps(["one"], text=text)
    assert (code, report) == (2, None)
    assert words in err
    assert not (tmp_path / "work").exists()


def test_the_input_is_needed_and_checked(steps, cli, write, tmp_path):
    write("p.toml", STEPS)
    code, _, err = cli("steps", "p.toml")
    assert (code, "names no input" in err) == (2, True)
    write("in.jsonl", "nonsense\n")
    code, _, err = cli("steps", "p.toml", "in.jsonl")
    assert (code, "in.jsonl:1" in err) == (2, True)
    assert cli("steps", "none.toml", "in.jsonl")[0] == 2


@pytest.mark.real_time
def test_schemas_and_prompts_in_files(steps, write):
    write("prompt.txt", "{{ word }}")
    write("schema.json", json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}}))
    text = STEPS.replace(
        'prompt = "{{ word }}"\nparse = "json"', 'prompt_file = "prompt.txt"\nschema = "schema.json"'
    )
    assert steps(["one two"], text=text)[1]["given"] == 1
    inline = STEPS.replace('parse = "json"', 'schema = { type = "object" }\nparams = { temperature = 0 }')
    assert steps(["one two"], text=inline)[1]["given"] == 1


@pytest.mark.real_time
def test_ctrl_c_finishes_what_is_in_flight(tmp_path, write):
    write("p.toml", STEPS)
    write("in.jsonl", [{"id": n, "text": f"word{n}"} for n in range(100)])
    process = Cli(tmp_path, SLOW="0.3").start("steps", "p.toml", "in.jsonl", "--json")
    answers = tmp_path / "work" / "count.jsonl"
    ends = time.monotonic() + 20
    while not (answers.exists() and answers.stat().st_size) and time.monotonic() < ends:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    report = json.loads(out)
    assert (process.returncode, report["stopped"]) == (130, "interrupted"), err
    kept = len(answers.read_bytes().splitlines())
    assert 0 < kept == report["steps"][1]["done"] == report["given"] < 100
    done = Cli(tmp_path)("steps", "p.toml", "in.jsonl", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["given"], report["steps"][1]["known"]) == (0, 100, kept)
