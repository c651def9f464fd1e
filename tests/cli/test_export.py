"""`brimline export` as a user types it: what it writes, what it says, and what it refuses."""

import csv
import gzip
import io
import json
import sys

import duckdb
import pytest

from brimline.store.lines import batch_line, result_line
from brimline.types import FaultKind
from tests.store.outcomes import failure, request, response, success

ROWS = [
    {"text": "007", "label": "=own", "model": "lab/x"},
    {"text": "b", "label": "", "model": "lab/x"},
    {"text": "c", "tags": ["x"], "model": "lab/x"},
]


@pytest.fixture
def results(write):
    answers = [
        success(request(0, text="a"), response("=1+1")),
        failure(request(1, text="b"), FaultKind.TIMEOUT),
    ]
    lines = [result_line(row, outcome) for row, outcome in zip(ROWS, answers, strict=False)]
    last = result_line(ROWS[2], success(request(2, text="c"), response("- one\n- two")))
    retried = result_line(ROWS[1], success(request(1, text="b"), response("late")))
    return write("out.jsonl", b"".join((*lines, last, retried)))


def records(path):
    return [*csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))]


def parquet(path, what="*"):
    with duckdb.connect() as database:
        return database.execute(f"SELECT {what} FROM read_parquet(?)", [str(path)]).fetchall()


def test_csv_has_one_record_for_each_request_and_the_inputs_own_columns_first(cli, tmp_path, results):
    code, out, err = cli("export", "out.jsonl", "-o", "out.csv")
    assert (code, out) == (0, "")
    found = records(tmp_path / "out.csv")
    assert [*found[0]] == [
        "text", "label", "model", "id", "tags", "response", "status", "error", "finish_reason", "usage", "cost_usd",
        "served_model", "request_id", "timestamp_sent", "latency_s", "attempts", "key",
    ]  # fmt: skip
    assert [record["response"] for record in found] == ["'=1+1", "'- one\n- two", "late"]
    assert [(record["text"], record["label"], record["tags"]) for record in found] == [
        ("007", "=own", ""),
        ("c", "", '["x"]'),
        ("b", "", ""),
    ]
    assert json.loads(found[0]["usage"])["output_tokens"] == 3
    assert "3 rows written to out.csv" in err
    assert "2 answers that begin like a formula" in err
    assert "--exact" in err


def test_exact_answers_are_as_the_model_wrote_them(cli, tmp_path, results):
    _, _, err = cli("export", "out.jsonl", "-o", "out.csv", "--exact")
    assert [record["response"] for record in records(tmp_path / "out.csv")] == [
        "=1+1",
        "- one\n- two",
        "late",
    ]
    assert "formula" not in err


def test_chosen_columns_with_dots(cli, tmp_path, results):
    columns = 'id, usage.output_tokens,error.kind,"text"'
    assert cli("export", "out.jsonl", "-o", "out.csv", "--columns", columns)[0] == 0
    assert (tmp_path / "out.csv").read_bytes() == (
        b"id,usage.output_tokens,error.kind,text\r\n0,3,,007\r\n2,3,,c\r\n1,3,,b\r\n"
    )
    assert cli("export", "out.jsonl", "-o", "out.parquet", "--columns", columns)[0] == 0
    assert parquet(tmp_path / "out.parquet") == [(0, 3, None, "007"), (2, 3, None, "c"), (1, 3, None, "b")]


def test_parquet_has_types(cli, tmp_path, results):
    assert cli("export", "out.jsonl", "-o", "out.parquet")[0] == 0
    assert parquet(
        tmp_path / "out.parquet", "id, response, attempts, latency_s, usage->>'output_tokens', label"
    ) == [
        (0, "=1+1", 1, 0.25, "3", "=own"),
        (2, "- one\n- two", 1, 0.25, "3", None),
        (1, "late", 1, 0.25, "3", ""),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl", "out.parquet"]


@pytest.mark.parametrize("name", ["out2.jsonl", "out2.jsonl.gz"])
def test_jsonl_is_the_lines_as_they_are(cli, tmp_path, results, name):
    assert cli("export", "out.jsonl", "-o", name)[0] == 0
    data = (tmp_path / name).read_bytes()
    lines = results.read_bytes().splitlines(keepends=True)
    assert (gzip.decompress(data) if name.endswith(".gz") else data) == b"".join((
        lines[0],
        lines[2],
        lines[3],
    ))


def test_standard_output_gets_jsonl_or_csv(cli, tmp_path, results):
    code, out, err = cli("export", "out.jsonl", "-o", "-", "--columns", "id,response", "-q")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()][1] == {"id": 2, "response": "- one\n- two"}
    code, out, err = cli("export", "out.jsonl", "-o", "-", "--columns", "id", "--format", "csv")
    assert (code, out) == (0, "id\r\n0\r\n2\r\n1\r\n")
    assert "3 rows written to standard output" in err


def test_the_format_may_be_said(cli, tmp_path, results):
    assert cli("export", "out.jsonl", "-o", "table", "--format", "csv", "--columns", "id")[0] == 0
    assert (tmp_path / "table").read_bytes().startswith(b"id\r\n")


def test_batch_results_are_exported_through_their_members(cli, tmp_path, write):
    raw = json.dumps({"choices": [{"message": {"content": "=yes"}}]}).encode()
    write(
        "out.jsonl",
        batch_line(success(request("r-1"), response(raw=raw))) + batch_line(failure(request("r-2"))),
    )
    columns = "custom_id,response.body.choices.0.message.content,error.code,brimline.status"
    assert cli("export", "out.jsonl", "-o", "out.csv", "--columns", columns)[0] == 0
    assert [[*record.values()] for record in records(tmp_path / "out.csv")] == [
        ["r-1", "'=yes", "", "ok"],
        ["r-2", "", "server_error", "failed"],
    ]


def test_damaged_lines_and_moved_rows_are_spoken_of(cli, results):
    with results.open("ab") as file:
        file.write(b"\0\n" + result_line({"text": "new"}, success(request(1, text="new"), response("N"))))
    _, _, err = cli("export", "out.jsonl", "-o", "-")
    assert "1 damaged line left out" in err
    assert "1 id stands for more than one request" in err


def test_names_and_text_never_escape_to_the_terminal(cli, write):
    write("out.jsonl", result_line({"\x1b[31m": 1}, success()))
    code, _, err = cli("export", "out.jsonl", "-o", "out.csv", "--columns", "nothing")
    assert code == 2
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.jsonl", "-o", "out.csv"), "none.jsonl cannot be read: No such file"),
        (("in.csv", "-o", "out.csv"), "in.csv is no results file of brimline"),
        (("out.jsonl",), "Missing option '-o'"),
        (("out.jsonl", "-o", "out.xlsx"), "the name tells no format"),
        (("out.jsonl", "-o", "out"), "the name tells no format"),
        (("out.jsonl", "-o", "in.csv"), "in.csv exists"),
        (("out.jsonl", "-o", "out.jsonl", "--overwrite"), "out.jsonl is the results file itself"),
        (("out.jsonl", "-o", "none/out.csv"), "none/out.csv cannot be written"),
        (("out.jsonl", "-o", ".", "--format", "csv", "--overwrite"), ". is no file"),
        (("out.jsonl", "-o", "-", "--format", "parquet"), "Parquet cannot go to standard output"),
        (
            ("out.jsonl", "-o", "out.csv", "--columns", "id,txt"),
            "no line has 'txt'\n  There are: text, label, model",
        ),
        (("out.jsonl", "-o", "out.csv", "--columns", "usage.tokens"), "no line has 'usage.tokens'"),
        (("out.jsonl", "-o", "out.csv", "--columns", "id,id"), "'id' is given twice"),
        (("out.jsonl", "-o", "out.csv", "--columns", "id,,text"), "leaves a name out"),
        (("out.jsonl", "-o", "out.csv", "--columns", ""), "leaves a name out"),
        (("empty.jsonl", "-o", "out.parquet"), "empty.jsonl holds no results yet"),
    ],
)
def test_what_cannot_be_exported_says_why_and_changes_nothing(
    cli, tmp_path, write, results, arguments, words
):
    write("in.csv", "a,b\n1,2\n")
    write("empty.jsonl", "")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = cli("export", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_overwrite_replaces(cli, tmp_path, results, write):
    write("out.csv", "old")
    assert cli("export", "out.jsonl", "-o", "out.csv", "--overwrite", "--columns", "id")[0] == 0
    assert (tmp_path / "out.csv").read_bytes() == b"id\r\n0\r\n2\r\n1\r\n"


def test_without_duckdb_the_install_line_is_said(cli, results, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    code, _, err = cli("export", "out.jsonl", "-o", "out.parquet")
    assert (code, (tmp_path / "out.parquet").exists()) == (2, False)
    assert "pip install 'brimline[tables]'" in err


def test_an_empty_file_is_an_empty_table(cli, tmp_path, write):
    write("out.jsonl", "")
    assert cli("export", "out.jsonl", "-o", "out.csv")[0] == 0
    assert cli("export", "out.jsonl", "-o", "again.jsonl")[0] == 0
    assert (tmp_path / "again.jsonl").read_bytes() == b""
