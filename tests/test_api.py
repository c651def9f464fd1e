"""`run`, `map` and `Engine` as the README shows them, against the simulator in another process."""

import asyncio
import json
import threading

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
    """What is answered stays; what hangs is cancelled, and so is what waits behind it."""
    endpoints = lab('[[models."*".faults]]\nkind = "stall"\nwhen = "never"\n')
    prompts = [*["p"] * 4, *["never"] * 36]
    async with bl.Engine(endpoints=endpoints, concurrency=2) as engine:
        outcomes = [outcome async for outcome in engine.stream(prompts, model="lab/x", deadline=2)]
    assert len(outcomes) == 40
    assert sum(outcome.ok for outcome in outcomes) == 4
    assert {outcome.fault.kind for outcome in outcomes if not outcome.ok} == {bl.FaultKind.CANCELLED}
    assert sum(outcome.attempts for outcome in outcomes) == 6


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


# Rows from Python.


def test_run_takes_rows_and_keeps_them_beside_the_results(lab, tmp_path):
    endpoints = lab()
    rows = [{"text": f"p{n}", "label": n} for n in range(20)]
    options = {"model": "lab/x", "prompt": "{{ text }}", "output": "out.jsonl", "endpoints": endpoints}
    first = bl.run((row for row in rows), limit=8, **options)
    assert (first.ok, first.pending) == (8, 12)
    report = bl.run(rows, **options)
    assert (report.ok, report.attempts) == (20, 12), "the same rows resume"
    assert [(result["id"], result["label"], result["response"]) for result in report] == [
        (n, n, f"echo: p{n}") for n in range(20)
    ]
    kept = [json.loads(line) for line in (tmp_path / "out.jsonl.input.jsonl").read_text().splitlines()]
    assert kept == rows
    assert bl.run("out.jsonl.input.jsonl", **options).attempts == 0, "the kept rows resume, too"
    changed = bl.run([*rows[:3], {"text": "new", "label": 3}, *rows[4:]], **options)
    assert (changed.ok, changed.attempts, changed.superseded) == (20, 1, 1)


def test_labels_of_given_rows_follow_the_rows(lab):
    endpoints = lab()
    options = {"model": "lab/x", "prompt": "{{ text }}", "output": "out.jsonl", "endpoints": endpoints}
    bl.run([{"text": "p", "label": "wrong"}], **options)
    report = bl.run([{"text": "p", "label": "right"}], **options)
    assert ([result["label"] for result in report], report.attempts) == (["right"], 0)


def test_run_and_map_take_an_async_iterable(lab):
    async def prompts():
        for n in range(5):
            yield f"p{n}"

    endpoints = lab()
    report = bl.run(prompts(), model="lab/x", output="out.jsonl", endpoints=endpoints)
    assert [result["response"] for result in report] == [f"echo: p{n}" for n in range(5)]
    outcomes = bl.map(prompts(), model="lab/x", endpoints=endpoints)
    assert [outcome.text for outcome in outcomes] == [f"echo: p{n}" for n in range(5)]


class Frame:
    """As polars has it."""

    columns = ("prompt", "label")

    def __init__(self, *rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def iter_rows(self):
        return iter(self.rows)


async def test_rows_are_read_in_the_callers_thread(lab):
    """A cursor of a database, for one, refuses any other; also inside a notebook's loop."""
    threads = []

    def rows():
        threads.append(threading.get_ident())
        yield {"prompt": "p"}

    endpoints = lab()
    assert bl.run(rows(), model="lab/x", output="out.jsonl", endpoints=endpoints).ok == 1
    assert bl.map(rows(), model="lab/x", endpoints=endpoints)[0].ok
    assert set(threads) == {threading.get_ident()}


async def test_a_data_frame_is_taken_wherever_requests_are(lab):
    endpoints = lab()
    frame = Frame(("a", 1), ("b", None))
    report = bl.run(frame, model="lab/x", output="out.jsonl", endpoints=endpoints)
    assert [(result["response"], result.get("label")) for result in report] == [
        ("echo: a", 1),
        ("echo: b", None),
    ]
    assert [outcome.text for outcome in bl.map(frame, model="lab/x", endpoints=endpoints)] == [
        "echo: a",
        "echo: b",
    ]
    async with bl.Engine(endpoints=endpoints) as engine:
        outcomes = [outcome async for outcome in engine.stream(frame, model="lab/x")]
    assert {outcome.text for outcome in outcomes} == {"echo: a", "echo: b"}


def test_given_rows_that_cannot_be_run_change_nothing(lab, tmp_path):
    endpoints = lab()
    options = {"model": "lab/x", "output": "out.jsonl", "endpoints": endpoints}
    for rows, words in (
        ([{"prompt": "fine"}, {"other": "x"}], "the input: row 1: has no prompt"),
        (
            [{"prompt": "fine"}, {"prompt": object()}],
            "the input: row 1: 'prompt' holds what is not JSON",
        ),
        (
            [{"id": 1, "prompt": "a"}, {"id": 1, "prompt": "b"}],
            "the input: rows 0 and 1 give the same id",
        ),
        ([], "the input holds no rows"),
    ):
        with pytest.raises(bl.InputError, match=words):
            bl.run(rows, **options)
    assert [*tmp_path.iterdir()] == []
    bl.run(["mine"], **options)
    with pytest.raises(bl.OutputError, match="holds results of other rows than the input"):
        bl.run(["other"], **options)
    assert (tmp_path / "out.jsonl.input.jsonl").read_text() == '{"prompt":"mine"}\n'


def test_images_of_given_rows_are_looked_for_in_the_working_folder(lab, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"pixels")
    (tmp_path / "results").mkdir()
    content = ["what is it?", {"type": "image_url", "image_url": "a.png"}]
    rows = [[{"role": "user", "content": content}]]
    assert bl.run(rows, model="lab/x", output="results/out.jsonl", endpoints=lab()).ok == 1


def test_rows_without_an_output_say_what_to_do():
    with pytest.raises(bl.UsageError, match=r"(?s)rows need a file for their results.*brimline.map"):
        bl.run(["Say hi"], model="lab/x")
    for one in ("Say hi", {"prompt": "Say hi"}):
        with pytest.raises(bl.UsageError, match="not one of them"):
            bl.map(one, model="lab/x")
