"""`run`, `map` and `Engine` as the README shows them, against the simulator in another process."""

import asyncio
import json

import pytest

import brimline as bl

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]


@pytest.fixture
def lab(simulator, tmp_path, monkeypatch):
    """Endpoints with a simulated `lab`, and an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def start(scenario=""):
        return {"lab": bl.Endpoint(base_url=simulator(scenario).url, key="none")}

    return start


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_run_returns_a_report_that_reads_the_results(lab, tmp_path):
    rows = write(tmp_path / "in.jsonl", [{"prompt": f"p{n}"} for n in range(20)])
    report = bl.run(rows, model="lab/x", output=tmp_path / "out.jsonl", endpoints=lab())
    assert (report.total, report.ok, report.pending, report.attempts) == (20, 20, 0, 20)
    assert [result["response"] for result in report] == [f"echo: p{n}" for n in range(20)]
    assert report.usage.output_tokens > 0
    assert report.cost_usd is None


def test_run_raises_only_if_it_could_not_run(lab, tmp_path):
    rows = write(tmp_path / "in.jsonl", [{"prompt": "fine"}, {"prompt": "hopeless"}])
    endpoints = lab('[[models."*".faults]]\nkind = "400"\nwhen = "hopeless"\n')
    report = bl.run(rows, model="lab/x", endpoints=endpoints)
    assert (report.ok, report.failed) == (1, 1)
    with pytest.raises(bl.InputError, match="no endpoint 'labb'"):
        bl.run(rows, model="labb/x", endpoints=endpoints)


def test_map_gives_outcomes_in_order(lab):
    prompts = [f"p{n}" for n in range(50)]
    outcomes = bl.map(prompts, model="lab/x", endpoints=lab('[models."*"]\nlatency = "uniform(1ms, 50ms)"\n'))
    assert [outcome.text for outcome in outcomes] == [f"echo: {prompt}" for prompt in prompts]
    assert all(outcome.ok and outcome.attempts == 1 for outcome in outcomes)


def test_a_failed_request_is_a_value(lab):
    endpoints = lab('[[models."*".faults]]\nkind = "content_filter"\nwhen = "bad"\n')
    good, bad, none = bl.map(["good", "bad", {"no": "prompt"}], model="lab/x", endpoints=endpoints)
    assert good.ok
    assert (bad.ok, bad.fault.kind) == (False, bl.FaultKind.CONTENT_FILTER)
    assert (none.ok, none.fault.kind, none.attempts) == (False, bl.FaultKind.INVALID_REQUEST, 0)


async def test_both_work_inside_a_running_loop(lab, tmp_path):
    """As in a notebook."""
    endpoints = lab()
    rows = write(tmp_path / "in.jsonl", [{"prompt": "p"}])
    assert bl.run(rows, model="lab/x", endpoints=endpoints).ok == 1
    assert bl.map(["p"], model="lab/x", endpoints=endpoints)[0].text == "echo: p"


async def test_the_engine_streams_and_asks(lab):
    async with bl.Engine(endpoints=lab(), limits={"lab/x": "6000/min"}) as engine:
        texts = {outcome.text async for outcome in engine.stream((f"p{n}" for n in range(30)), model="lab/x")}
        assert texts == {f"echo: p{n}" for n in range(30)}
        outcome = await engine.ask("lab/x", "Hello", priority=bl.Priority.HIGH, timeout=20)
        assert outcome.text == "echo: Hello"
        assert outcome.request.id == 0


async def test_a_deadline_cancels_the_rest(lab):
    endpoints = lab('[models."*"]\nlatency = "100ms"\n')
    async with bl.Engine(endpoints=endpoints, concurrency=2) as engine:
        outcomes = [outcome async for outcome in engine.stream(["p"] * 40, model="lab/x", deadline=0.35)]
    assert len(outcomes) == 40
    kinds = {outcome.fault.kind for outcome in outcomes if not outcome.ok}
    assert kinds == {bl.FaultKind.CANCELLED}
    assert 2 <= sum(outcome.ok for outcome in outcomes) <= 10


async def test_progress_is_told(lab):
    seen = []
    endpoints = lab('[models."*"]\nlatency = "400ms"\n')
    async with bl.Engine(endpoints=endpoints, on_progress=seen.append) as engine:
        await asyncio.gather(*(engine.ask("lab/x", "p") for _ in range(3)))
    assert seen
    assert {model.model for progress in seen for model in progress.models} == {"lab/x"}


def test_a_key_is_never_shown(simulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    endpoint = bl.Endpoint(base_url=simulator('keys = ["other"]\n').url, key=bl.Secret("sk-very-secret"))
    (outcome,) = bl.map(["p"], model="lab/x", endpoints={"lab": endpoint})
    assert outcome.fault.kind is bl.FaultKind.AUTH
    assert "sk-very-secret" not in repr((endpoint, outcome, outcome.fault.detail))


async def test_what_the_dialect_cannot_say_fails_by_itself(lab):
    endpoints = lab()
    async with bl.Engine(endpoints=endpoints) as engine:
        fine = await engine.ask("lab/x", "p", params={"stream": False})
        reserved = await engine.ask("lab/x", "p", params={"stream": True})
    assert fine.ok
    assert (reserved.fault.kind, reserved.attempts) == (bl.FaultKind.INVALID_REQUEST, 1)
    assert reserved.fault.detail == "parameter 'stream' cannot be set; brimline sets it itself"
