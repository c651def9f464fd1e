"""Change what changed: whatever is edited between two runs, only what differs is sent, and no answer goes away."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.data.template import Template
from brimline.testing.scripted import Reply
from brimline.testing.virtual import run_virtual
from brimline.types import Response
from tests.crash.whole import Folder
from tests.servers import Cli
from tests.thorough import examples

texts, labels = st.sampled_from("pqrs"), st.sampled_from(["x", "y"])
ids = st.integers(0, 5) | st.sampled_from(["a", "b", "0"])


@st.composite
def inputs(draw):
    """Rows with ids, without, or with some. The first row stays: results of other rows are refused."""
    which = draw(st.sampled_from(["all", "none", "some"]))
    rows, seen = [{"text": "stays", "label": "z"}], set()
    if which == "all":
        rows[0]["id"] = "first"
    for text, label, id_ in draw(st.lists(st.tuples(texts, labels, ids), max_size=7)):
        row = {"text": text, "label": label}
        if which == "all" or (which == "some" and label == "x"):
            if json.dumps(id_) in seen:
                continue
            seen.add(json.dumps(id_))
            row = {"id": id_, **row}
        rows.append(row)
    return rows


versions = st.fixed_dictionaries({
    "rows": inputs(),
    "models": st.sampled_from([("lab/a",), ("lab/a", "lab/b"), ("lab/b", "lab/a")]),
    "prompt": st.sampled_from(["{{ text }}", "{{ text }}", "Say {{ text }}"]),
    "params": st.sampled_from([{}, {}, {"temperature": 0}]),
    "limit": st.sampled_from([None, None, None, 0, 2]),
})


class Book:
    """Counts answers: each has its own number, by which it is known what was asked for it."""

    def __init__(self):
        self.asked = []

    def __call__(self, exchange):
        request = exchange.request
        text = request.messages[-1]["content"]
        self.asked.append((request.model, text, json.dumps(dict(request.params))))
        return Reply(Response(text=f"{len(self.asked) - 1}"), latency=0.1)

    def on_file(self, lines):
        """The answers on file: id, and what was asked."""
        return [(json.dumps(line["id"]), self.asked[int(line["response"])]) for line in lines]


def wanted(version):
    """The requests of an input: the id that its row gives, and what is asked."""
    template = Template(version["prompt"], "-p")
    params = json.dumps(version["params"])
    return [
        (json.dumps(row["id"]) if "id" in row else None, (model, template.render(row), params))
        for row in version["rows"]
        for model in version["models"]
    ]


def obvious(on_file, requests):
    """What has to be sent: an answer serves the request with its id, or one without an id; each serves once."""
    left, missing = [*on_file], Counter()
    for id_, asked in requests:
        if id_ is not None and (id_, asked) in left:
            left.remove((id_, asked))
        elif id_ is not None:
            missing[asked] += 1
    for id_, asked in requests:
        found = next((answer for answer in left if answer[1] == asked), None)
        if id_ is None and found:
            left.remove(found)
        elif id_ is None:
            missing[asked] += 1
    return missing


@examples(150)
@given(st.lists(versions, min_size=2, max_size=5))
def test_only_what_differs_is_sent_and_every_answer_stays(history):
    with tempfile.TemporaryDirectory() as name:
        book = Book()
        folder = Folder(Path(name) / "run", book)
        for version in history:
            run_virtual(step(folder, book, version))


async def step(folder, book, version):
    """Run a version of the input, and compare what came of it with what should."""
    before, sent = book.on_file(folder.results), len(book.asked)
    folder.write(version["rows"])
    report = await folder.run(
        *version["models"], **{name: version[name] for name in ("prompt", "params", "limit")}, fresh=False
    )
    missing = obvious(before, wanted(version))
    now_sent = Counter(book.asked[sent:])
    most = missing.total() if version["limit"] is None else min(version["limit"], missing.total())
    assert now_sent <= missing
    assert now_sent.total() == most
    kept = [line["response"] for line in folder.results + folder.superseded]
    assert sorted(map(int, kept)) == [*range(len(book.asked))], "each answer is kept, and once"
    assert report.is_complete is (most == missing.total())
    if report.is_complete:
        rows = [row for row in version["rows"] for _ in version["models"]]
        assert [(line["text"], line["label"]) for line in folder.results] == [
            (row["text"], row["label"]) for row in rows
        ]
        assert [asked for _, asked in book.on_file(folder.results)] == [asked for _, asked in wanted(version)]


def edits(rows):
    """What a user does to a file, one thing after another, and how many requests each should cost."""
    yield "at first", rows, len(rows)
    yield "once more", rows, 0
    rows = [{**rows[0], "text": "new in front", "id": "new"}, *rows]
    yield "a row is added in front", rows, 1
    rows = [*rows[:4], *rows[6:]]
    yield "two rows are removed", rows, 0
    rows = rows[::-1]
    yield "they are reordered", rows, 0
    rows = [{**row, "text": "edited"} if place == 3 else row for place, row in enumerate(rows)]
    yield "one is edited", rows, 1
    rows = [{**row, "label": "corrected"} for row in rows]
    yield "a column that is not sent is changed", rows, 0


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize("has_ids", [True, False])
def test_by_the_command_each_edit_costs_what_differs(tmp_path, simulator, has_ids):
    server, cli = simulator(), Cli(tmp_path)
    cli.lab(server.url)
    rows = [{"id": f"r{n}", "text": f"prompt {n}", "label": "x"} for n in range(12)]
    command = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl")

    def cost(*options):
        before = server.stats["total"]["received"]
        done = cli(*command, *options)
        assert done.returncode == 0, done.stderr
        return server.stats["total"]["received"] - before

    for what, edited, costs in edits(rows):
        kept = edited if has_ids else [{"text": row["text"], "label": row["label"]} for row in edited]
        cli.write("in.jsonl", kept)
        assert cost() == costs, what
        results = cli.results("out.jsonl")
        assert [(line["text"], line["label"], line["response"]) for line in results] == [
            (row["text"], row["label"], f"echo: {row['text']}") for row in kept
        ], what
    count = len(kept)
    assert cost("-P", "temperature=0") == count, "another parameter: all of it"
    assert cost("-P", "temperature=0", "-m", "lab/y") == count, "one model more: that model"
    assert cost("-P", "temperature=0", "--concurrency", "3", "--timeout", "9") == 0, "the models swap back"
    aside = cli.results("out.jsonl.superseded.jsonl")
    assert len(aside) == 2 + 1 + count + count
    assert cost("--fresh", "--yes") == count
    assert len([*tmp_path.glob("out.jsonl.2*")]) == 1
