"""Tables for other programs: read back by those programs they hold what was put in, and nothing that computes."""

import csv
import gzip
import io
import json

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.data.columns import all_columns, chosen_columns
from brimline.data.inputs import open_table
from brimline.data.writers import CsvWriter, compressed, format_of, jsonl_lines, parquet_file, whole_file
from brimline.errors import ConfigError, OutputError

FORMULAS = [
    "=1+1",
    "+a",
    "-a",
    "- item",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "=",
    "-2+3+cmd|' /C calc'!A0",
    "-",
]
HARMLESS = ["", "a=1", "-5", "+4.5", "-1e9", "'=1", " =1", "{=1}", "5-1"]


def csv_of(rows, guarded=(), columns=None):
    writer = CsvWriter(columns or all_columns(rows, ()), guarded)
    return b"".join(writer.lines(rows)), writer.count


def cells_of(data):
    return [*csv.reader(io.StringIO(data.decode(), newline=""), strict=True)]


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.jsonl", "jsonl"), ("a.NDJSON", "jsonl"), ("a.jsonl.gz", "jsonl"), ("a.csv", "csv"), ("a.csv.zst", "csv"),
        ("a.parquet", "parquet"),
    ],
)  # fmt: skip
def test_the_name_tells_the_format(tmp_path, name, format_):
    assert format_of(tmp_path / name) == format_


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", "a.parquet.gz", "a.xlsx", ".csv"])
def test_a_name_that_tells_none_says_what_there_is(tmp_path, name):
    with pytest.raises(ConfigError, match="the name tells no format"):
        format_of(tmp_path / name)


# CSV.


def test_cells_are_text_as_it_is_and_all_else_as_json():
    rows = [
        {"t": 'say "é",\nplease', "n": 1, "f": 1.0, "b": True, "x": None, "l": ["é"], "o": {"a": None}},
        {"t": "2"},
    ]
    data, _ = csv_of(rows)
    assert cells_of(data) == [
        ["t", "n", "f", "b", "x", "l", "o"],
        ['say "é",\nplease', "1", "1.0", "true", "", '["é"]', '{"a":null}'],
        ["2", "", "", "", "", "", ""],
    ]
    assert data.endswith(b"\r\n")


@pytest.mark.parametrize("text", FORMULAS)
def test_answers_that_begin_like_a_formula_are_data(text):
    data, count = csv_of([{"response": text, "own": text}], {"response"})
    assert cells_of(data)[1] == ["'" + text, text]
    assert count == 1


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_and_text_that_is_no_formula_stay_as_they_are(text):
    data, count = csv_of([{"response": text, "id": 0}], {"response"})
    assert (cells_of(data)[1][0], count) == (text, 0)


own_names = st.lists(st.text("ab ,\"'=\né", min_size=1, max_size=3), min_size=1, max_size=3, unique=True)
own_cells = st.text(st.sampled_from(" ,;\"'\n\r\0é🎉\u2028=+-@a0"), max_size=5)


@given(own_names, st.data())
def test_the_columns_of_a_csv_file_come_back_as_they_were(tmp_path_factory, names, data):
    records = data.draw(st.lists(st.lists(own_cells, min_size=len(names), max_size=len(names)), min_size=1))
    rows = [{name: cell for name, cell in zip(names, record, strict=True) if cell} for record in records]
    rows = [row for row in rows if row]
    path = tmp_path_factory.getbasetemp() / "again.csv"
    path.write_bytes(csv_of(rows, {"response"}, chosen_columns([], names, ()))[0])
    assert [row.columns for row in open_table(path).scan()] == rows


# JSONL.


def test_chosen_columns_are_an_object_in_their_order():
    rows = [{"a": {"b": 1}, "c": "é\u2028"}, {}]
    lines = [*jsonl_lines(chosen_columns(rows, ["c", "a.b"], ()), rows)]
    assert lines == ['{"c":"é\u2028","a.b":1}\n'.encode(), b'{"c":null,"a.b":null}\n']


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".jsonl"])
def test_compressed_output_is_read_back(tmp_path, suffix):
    path = tmp_path / f"out.jsonl{suffix if suffix != '.jsonl' else ''}"
    with path.open("wb") as file, compressed(file, suffix) as inner:
        inner.writelines(b'{"n": %d}\n' % n for n in range(1000))
    assert [row.columns["n"] for row in open_table(path).scan()] == [*range(1000)]
    if suffix == ".gz":
        assert len(gzip.decompress(path.read_bytes()).splitlines()) == 1000


# Parquet.


def parquet_of(tmp_path, rows):
    path = tmp_path / "out.parquet"
    parquet_file(path, all_columns(rows, ()), rows)
    with duckdb.connect() as database:
        result = database.execute("SELECT * FROM read_parquet(?)", [str(path)])
        kinds = {name: str(kind) for name, kind, *_ in result.description}
        return kinds, [dict(zip(kinds, values, strict=True)) for values in result.fetchall()]


def test_columns_have_the_type_of_what_they_hold_and_what_is_nested_is_json(tmp_path):
    rows = [
        {
            "yes": True,
            "n": 2**63 - 1,
            "f": 1,
            "t": "2024-01-01",
            "o": {"a": [1]},
            "m": 1,
            "big": 2**64,
            "none": None,
        },
        {"yes": None, "n": -1, "f": 0.5, "t": "\0é\u2028", "o": [], "m": "x", "big": 1},
    ]
    kinds, found = parquet_of(tmp_path, rows)
    assert kinds == {
        "yes": "BOOLEAN", "n": "BIGINT", "f": "DOUBLE", "t": "VARCHAR", "o": "VARCHAR", "m": "VARCHAR", "big": "VARCHAR",
        "none": "VARCHAR",
    }  # fmt: skip
    assert found == [
        {"yes": True, "n": 2**63 - 1, "f": 1.0, "t": "2024-01-01", "o": '{"a":[1]}', "m": "1", "big": str(2**64), "none": None},
        {"yes": None, "n": -1, "f": 0.5, "t": "\0é\u2028", "o": "[]", "m": "x", "big": "1", "none": None},
    ]  # fmt: skip


def test_rows_keep_their_order_and_any_name_is_a_name(tmp_path):
    rows = [{"a \"b\" 'c'": f"{n} " + "x" * (n % 50), ";": n} for n in range(5000)]
    _, found = parquet_of(tmp_path, rows)
    assert found == rows


def test_a_cell_of_many_megabytes_is_a_cell(tmp_path):
    rows = [{"a": "é" * (20 << 20)}, {"a": "b"}]
    _, found = parquet_of(tmp_path, rows)
    assert found == rows


def test_names_that_differ_in_case_are_two_columns(tmp_path):
    rows = [{"Text": "a", "text": "b"}]
    path = tmp_path / "out.parquet"
    parquet_file(path, all_columns(rows, ()), rows)
    assert [list(row.columns.values()) for row in open_table(path).scan()] == [["a", "b"]]


def test_a_table_without_rows_has_its_columns(tmp_path):
    path = tmp_path / "out.parquet"
    parquet_file(path, chosen_columns([], ["a", "b"], ()), [])
    with duckdb.connect() as database:
        assert [name for name, *_ in database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()] == [
            "a", "b",
        ]  # fmt: skip


def test_a_parquet_file_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(OutputError, match=r"out.parquet cannot be written: "):
        parquet_file(tmp_path / "none" / "out.parquet", all_columns([{"a": 1}], ()), [{"a": 1}])


# Whole files.


def test_a_file_is_there_when_it_is_whole(tmp_path):
    path = tmp_path / "out.csv"
    with whole_file(path, overwrite=False) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("out.csv", b"new")]


def write(path, data, *, overwrite=False):
    """Write a file, all but the last byte of it if that is a bang."""
    with whole_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data.rstrip(b"!"))
        assert not data.endswith(b"!")


def test_what_goes_wrong_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.csv"
    write(path, b"old")
    with pytest.raises(AssertionError):
        write(path, b"half!", overwrite=True)
    with pytest.raises(OutputError, match=r"(?s)out.csv exists.*--overwrite"):
        write(path, b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("out.csv", b"old")]
    write(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"


def test_a_link_stays_one(tmp_path):
    (tmp_path / "real.csv").write_bytes(b"old")
    (tmp_path / "out.csv").symlink_to(tmp_path / "real.csv")
    with whole_file(tmp_path / "out.csv", overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == b"new"


@pytest.mark.parametrize("name", [".", "none/out.csv"])
def test_what_is_no_place_for_a_file_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match=r"is no file|cannot be written"):
        write(tmp_path / name, b"x", overwrite=True)


def test_numbers_are_written_as_json_writes_them():
    rows = [{"n": 1e300}, {"n": 10**30}, {"n": 0.1}]
    assert [json.loads(cell) for (cell,) in cells_of(csv_of(rows)[0])[1:]] == [1e300, 10**30, 0.1]
