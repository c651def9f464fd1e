"""Pipelines: rows flow on as soon as they are ready, nothing is paid for twice, and nothing is lost without a word."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from brimline import ConfigError, InputError, OutputError, OutputLocked, UsageError
from brimline.engine.report import StopReason
from brimline.evals import Ask, Gather, Map, Pipeline, Split, parse_json
from brimline.types import Fault, FaultKind

pytestmark = pytest.mark.real_time


class Model:
    """A model of ours: answers with what it was asked, and counts. What it is told to do first is done once."""

    def __init__(self):
        self.asked = []
        self.answer = lambda text: f"<{text}>"

    async def __call__(self, request):
        text = request.messages[-1]["content"]
        self.asked.append(text)
        return self.answer(text)


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def pipeline(model, tmp_path):
    """Make a pipeline whose `mine/...` is the model."""

    def make(*steps, **options):
        options = {"folder": tmp_path / "work", "endpoints": {"mine": model}, "max_tries": 1} | options
        return Pipeline(steps, **options)

    return make


def ask(name="answer", prompt="{{ text }}", **more):
    return Ask(name, model="mine/m", prompt=prompt, **more)


def rows(number, **more):
    return [{"id": f"r{n}", "text": f"text {n}", **more} for n in range(number)]


def test_every_step(pipeline, model):
    steps = (
        Split("text", into="part", size=5),
        ask("said", "say {{ part }}"),
        Map(lambda row: None if "b" in row["part"] else {**row, "length": len(row["part"])}, name="measure"),
        Gather(
            lambda rows: {"said": [row["said"] for row in rows], "sum": sum(row["length"] for row in rows)}
        ),
        ask("verdict", "{{ said | join('+') }}"),
    )
    report = pipeline(*steps).run([{"id": 7, "text": "a a. b b. c c."}, {"id": 8, "text": "b b. b b."}])
    (first,) = report
    assert first["verdict"] == "<<say a a.>+<say c c.>>"
    assert (first["id"], first["sum"], first["text"]) == (7, 8, "a a. b b. c c.")
    assert [row["id"] for row in report.failures] == [8]  # nothing is left of it to ask about
    counts = [
        (step.name, step.kind, step.came, step.done, step.dropped, step.failed) for step in report.steps
    ]
    assert counts[0] == ("split", "split", 2, 2, 0, 0)
    assert counts[2] == ("measure", "map", 5, 2, 3, 0)


def test_nothing_is_asked_twice(pipeline, model):
    first = pipeline(ask(), ask("again", "{{ answer }}!")).run(rows(100))
    assert len(model.asked) == 200
    again = pipeline(ask(), ask("again", "{{ answer }}!")).run(rows(101))
    assert len(model.asked) == 202
    assert [step.known for step in again.steps] == [100, 100]
    assert first.is_complete
    changed = pipeline(ask(), ask("again", "{{ answer }}?")).run(rows(101))
    assert len(model.asked) == 303
    assert [row["again"] for row in changed][5] == "<<text 5>?>"


def test_failures_are_listed_and_tried_again(pipeline, model):
    def answer(text):
        return Fault(FaultKind.SERVER_ERROR, "down") if text in broken else f"<{text}>"

    broken, model.answer = {"text 1", "text 3"}, answer
    report = pipeline(
        ask(parse=lambda text: int(text[6:-1])), Map(lambda row: {**row, "x": 1 / row["answer"]})
    ).run([*rows(4), {"text": "text 9"}, 5])
    assert [row["answer"] for row in report] == [2, 9]
    lost = {row["id"]: (row["step"], row["error"]["kind"]) for row in report.failures}
    assert lost == {
        "r1": ("answer", "server_error"),
        "r3": ("answer", "server_error"),
        "r0": ("map", "invalid_request"),
        5: ("input", "invalid_request"),
    }
    assert (report.failed, report.rows, report.given, report.is_complete) == (4, 6, 2, True)
    broken.clear()
    sent = len(model.asked)
    again = pipeline(ask(parse=lambda text: int(text[6:-1]))).run(rows(4))
    assert len(model.asked) == sent + 2
    assert [row["answer"] for row in again] == [0, 1, 2, 3]


def test_a_group_says_what_is_missing(pipeline, model):
    model.answer = lambda text: Fault(FaultKind.SERVER_ERROR) if "bad" in text else text
    steps = (
        Map(lambda row: [{**row, "text": text} for text in row["texts"]], name="apart"),
        ask(),
        Gather(lambda rows: {"answers": [row["answer"] for row in rows]}, name="together"),
    )
    report = pipeline(*steps).run([
        {"id": "some", "texts": ["a", "bad", "c"]},
        {"id": "all", "texts": ["bad 1", "bad 2"]},
        {"id": "none", "texts": []},
        {"id": "whole", "texts": ["x"]},
    ])
    found = {row["id"]: (row["answers"], row.get("missing")) for row in report}
    assert found == {"some": (["a", "c"], 1), "none": ([], None), "whole": (["x"], None)}


def test_gathering_by_a_column_of_the_way_and_by_value(pipeline):
    def apart(name, number):
        return Map(lambda row: [{**row, name: f"{row['id']}/{n}"} for n in range(number)], name=name)

    nested = pipeline(
        apart("claim", 2),
        apart("chunk", 3),
        Map(lambda row: None if row["chunk"].endswith("1") else row, name="skip"),
        Gather(lambda rows: {"chunks": len(rows)}, of="claim"),
        Gather(
            lambda rows: {
                "claims": [row["claim"] for row in rows],
                "chunks": sum(row["chunks"] for row in rows),
            }
        ),
    ).run(rows(2))
    assert [(row["id"], row["claims"], row["chunks"]) for row in nested] == [
        ("r0", ["r0/0", "r0/1"], 4),
        ("r1", ["r1/0", "r1/1"], 4),
    ]
    by_value = pipeline(Gather(lambda rows: {"ids": [row["id"] for row in rows]}, by="topic")).run([
        {"id": n, "topic": "ab"[n % 2]} for n in range(5)
    ])
    assert [*by_value] == [
        {"id": "a", "topic": "a", "ids": [0, 2, 4]},
        {"id": "b", "topic": "b", "ids": [1, 3]},
    ]
    early = pipeline(
        Gather(
            lambda rows: {"ids": [row["id"] for row in rows]},
            by="topic",
            complete=lambda rows: len(rows) == 2,
        )
    ).run([{"id": n, "topic": "a"} for n in range(5)])
    assert [row["ids"] for row in early] == [[0, 1], [2, 3], [4]]


async def test_a_row_goes_on_before_the_next_has_come(pipeline, model):
    given = asyncio.Queue()

    async def endless():
        while True:
            yield await given.get()

    steps = (Split("text", size=6), ask(), Gather(lambda rows: {"n": len(rows)}), ask("last", "{{ n }}"))
    async with asyncio.timeout(20), aclosing(pipeline(*steps).stream(endless())) as stream:
        for number in range(3):
            given.put_nowait({"id": number, "text": "One a. Two b. Six c."})
            row = await anext(stream)
            assert (row["id"], row["last"]) == (number, "<3>")


async def test_who_takes_nothing_slows_everything(pipeline, model):
    read = 0

    async def many():
        nonlocal read
        for number in range(20_000):
            read += 1
            yield {"id": number, "text": f"{number}"}

    async with aclosing(pipeline(ask(), ask("second", "{{ answer }}")).stream(many())) as stream:
        await anext(stream)
        while True:
            before = read
            await asyncio.sleep(0.3)
            if read == before:
                break
        assert read < 3000


def test_a_stop_leaves_rows_pending_and_groups_open(pipeline, model):
    broken = True
    model.answer = lambda text: Fault(FaultKind.AUTH, "no key") if broken and text == "bad" else f"<{text}>"
    steps = (
        Map(lambda row: [{**row, "text": text} for text in ("a", "bad", "c")], name="apart"),
        Ask("answer", prompt="{{ text }}"),
        Gather(lambda rows: {"answers": [row["answer"] for row in rows]}),
    )
    given = [{"id": n, "model": "mine/m"} for n in range(10)]
    report = pipeline(*steps).run(given)
    assert (report.given, report.failed, report.is_complete) == (0, 0, False)
    assert report.pending >= 10
    assert {fault.kind for fault in report.stops.values()} == {"auth"}
    broken = False
    report = pipeline(*steps).run(given)
    assert [row["answers"] for row in report] == [["<a>", "<bad>", "<c>"]] * 10
    assert report.is_complete


def test_too_many_failures_stop_it(pipeline, model):
    model.answer = lambda text: Fault(FaultKind.INVALID_REQUEST)
    report = pipeline(ask(), stop_after_failed=3, concurrency=2).run(rows(5000))
    assert report.stopped is StopReason.FAILURES
    assert 3 < report.failed < 50
    assert len(model.asked) < 50


def test_the_deadline_finishes_what_is_in_flight(pipeline, model, tmp_path):
    async def slow(request):
        await asyncio.sleep(0.5)
        return "late"

    made = pipeline(ask(), ask("second"), deadline=0.25, endpoints={"mine": slow}, concurrency=5)
    report = made.run(rows(200))
    assert report.stopped is StopReason.DEADLINE
    assert report.steps[0].done == 5
    assert report.pending > 5
    assert len((tmp_path / "work" / "answer.jsonl").read_bytes().splitlines()) == 5


def test_values_of_types_and_a_schema(pipeline, model):
    @dataclass
    class Verdict:
        label: str

    model.answer = lambda text: json.dumps({"label": text})
    steps = (
        ask("verdict", schema=Verdict),
        Map(lambda row: {**row, "label": row["verdict"].label}),
        ask("x", "{{ verdict.label }}"),
    )
    for _ in range(2):
        (row,) = pipeline(*steps).run(rows(1))
        assert (row["label"], row["verdict"]) == ("text 0", {"label": "text 0"})
    assert len(model.asked) == 2


async def test_it_works_inside_a_loop_and_with_async_functions(pipeline):
    async def slow(row):
        await asyncio.sleep(0)
        return {"seen": True}

    (row,) = pipeline(Map(slow)).run(rows(1))
    assert row == {"id": "r0", "seen": True}


def test_rows_from_files_are_checked_first(pipeline, model, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\nnonsense\n')
    with pytest.raises(InputError, match=r"in\.jsonl:2"):
        pipeline(ask()).run(path)
    path.write_text('{"text": "a"}\n{"text": "b", "id": "b"}\n')
    assert [(row["id"], row["answer"]) for row in pipeline(ask()).run(path)] == [(0, "<a>"), ("b", "<b>")]
    with pytest.raises(UsageError):
        pipeline(ask()).run({"id": 1})


async def test_one_process_works_in_a_folder(pipeline, model):
    async with aclosing(pipeline(ask()).stream(rows(3))) as stream:
        await anext(stream)
        with pytest.raises(OutputLocked):
            await pipeline(ask()).execute(rows(3))
    assert (await pipeline(ask()).execute(rows(3))).given == 3


def test_what_breaks_the_input_ends_it_and_loses_nothing(pipeline, model):
    def broken():
        yield from rows(3)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        pipeline(ask()).run(broken())
    assert pipeline(ask()).run(rows(3)).given == 3


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "needs a step"),
        ([ask(), ask()], "two steps are called 'answer'"),
        (["ask"], "is no step"),
        ([Ask("a", model="nowhere/x")], "step 'a': there is no endpoint"),
        ([Ask("a", model="openai/x")], "step 'a'"),
    ],
)
def test_what_is_no_pipeline(pipeline, steps, words, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=words):
        pipeline(*steps)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ask("a b"),
        lambda: Ask("../x"),
        lambda: Ask("failed"),
        lambda: Ask("a", prompt="{{ oh"),
        lambda: Map(None),
        lambda: Split("text", size=0),
        lambda: Gather(None),
        lambda: Gather(len, of="a", by="b"),
        lambda: Gather(len, complete=len),
    ],
)
def test_what_is_no_step(make):
    with pytest.raises(ConfigError):
        make()


def test_json_of_answers():
    assert parse_json('Sure! {"a": 1}') == {"a": 1}
    assert parse_json(["1", "[2]"]) == [1, [2]]
    with pytest.raises(ValueError, match="no JSON"):
        parse_json("no")


def test_errors_of_a_run_are_said(pipeline, tmp_path):
    (tmp_path / "work" / "answer.jsonl").mkdir(parents=True)
    with pytest.raises(OutputError, match="folder"):
        pipeline(ask()).run(rows(1))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        pipeline(ask(), folder=tmp_path / "file" / "work").run(rows(1))
