"""The examples run as they stand, against the simulator that they start themselves."""

import ast
import asyncio
import inspect
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.real_time


def test_chains_answer_and_ask():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "langchain_chain.py")],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "HELLO", "GOOD BYE", "echo: What is a quota?", "echo: What is a permit?", "echo: What is a lane?",
    ]  # fmt: skip


@pytest.fixture
def service(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "fastapi_service", module := type(sys)("fastapi_service"))
    exec(compile((EXAMPLES / "fastapi_service.py").read_text(), "fastapi_service", "exec"), module.__dict__)
    with TestClient(module.app) as client:
        yield client


def test_a_service_answers_and_works_in_the_background(service):
    answered = service.post("/generate", json={"prompt": "hello", "system": "be brief"})
    assert (answered.status_code, answered.json()["text"]) == (200, "echo: hello")
    pieces = service.post("/generate", json={"prompt": "tell me more", "stream": True}).text.split("\n\n")
    said = [json.loads(piece.removeprefix("data: ")) for piece in pieces if piece]
    assert "".join(piece.get("text", "") for piece in said) == "echo: tell me more"
    assert said[-1] == {"done": True}
    assert len(said) > 2
    job = service.post("/jobs", json={"prompts": [f"question {n}" for n in range(50)]}).json()["id"]
    ends = time.monotonic() + 20
    while not (stands := service.get(f"/jobs/{job}").json())["is_over"]:
        assert time.monotonic() < ends
    assert stands["answers"] == [f"echo: question {n}" for n in range(50)]
    assert stands["failures"] == {}
    assert service.get("/jobs/none").status_code == 404
    assert service.post("/generate", json={"prompt": ""}).status_code == 422


def test_a_service_that_ends_drops_what_is_under_way(service):
    service.post("/jobs", json={"prompts": ["x"] * 10_000})


def test_every_cell_of_the_notebook(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    namespace = {}

    async def run_all():
        for cell in cells:
            code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, namespace)
            if inspect.iscoroutine(result):
                await result

    asyncio.run(run_all())
    assert len(namespace["answers"]) == 20
    assert [line["response"] for line in namespace["report"]] == [
        f"echo: Where is {city}?" for city in ("Paris", "Lima", "Oslo")
    ]


def run_example(name, folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        check=False, capture_output=True, text=True, timeout=30, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(file):
    return len(file.read_bytes().splitlines())


def test_facts_are_checked_once(tmp_path):
    said = run_example("fact_checker.py", tmp_path)
    verdicts = [line.split()[0] for line in said.splitlines() if not line.startswith(" ")]
    assert verdicts == ["SUPPORTED", "REFUTED", "SUPPORTED", "SUPPORTED", "SUPPORTED", "NOT"]
    replies = tmp_path / "fact_checker.steps" / "reply.jsonl"
    assert asked(replies) == 30
    lines = replies.read_bytes().splitlines(keepends=True)
    replies.write_bytes(b"".join(lines[:11]) + lines[11][:50])
    assert run_example("fact_checker.py", tmp_path) == said
    assert asked(replies) == 30
    done = subprocess.run(
        [sys.executable, "-m", "brimline", "steps", str(EXAMPLES / "fact_checker.toml"), "--json"],
        check=False, capture_output=True, text=True, timeout=30, cwd=tmp_path,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert (done.returncode, report["given"], report["steps"][2]["known"]) == (0, 6, 30), done.stderr


def test_questions_are_answered_and_judged(tmp_path):
    said = run_example("retrieval_qa.py", tmp_path)
    assert said.count("[5/5]") == 4
    assert "I do not know.  [1/5, not grounded]" in said
    assert said.endswith("mean score 4.2, 0 rows failed\n")
    assert run_example("retrieval_qa.py", tmp_path) == said
    assert asked(tmp_path / "retrieval_qa.steps" / "verdict.jsonl") == 5
