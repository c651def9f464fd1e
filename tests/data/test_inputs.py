"""Inputs that cannot be read by place give the rows of the plain file, and their errors name the user's own."""

import io
import json
import sys

import duckdb
import pytest

from brimline.data.compression import compressing, is_compressed, plain_name
from brimline.data.inputs import STDIN, open_table, stem_of
from brimline.data.rows import Row
from brimline.errors import ConfigError, InputError

ROWS = [{"text": f"row {n}", "n": n} for n in range(3000)]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = ("text,n\n" + "".join(f'"{row["text"]}\nnext",{row["n"]}\n' for row in ROWS)).encode()


def packed(suffix, *pieces):
    """Each piece is a member (a frame) of its own, as `cat a.gz b.gz` has them."""
    data = b""
    for piece in pieces:
        file = io.BytesIO()
        with compressing(file, suffix) as inner:
            inner.write(piece)
        data += file.getvalue()
    return data


def written(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return open_table(path)


def parquet(folder, query, name="in.parquet"):
    path = folder / name
    with duckdb.connect() as database:
        database.execute(f"COPY ({query}) TO '{folder / 'made.parquet'}' (FORMAT parquet)")
    (folder / "made.parquet").rename(path)
    return open_table(path)


def columns(table):
    return [row.columns for row in table.scan()]


def without(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


# Compressed.


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".GZ"])
@pytest.mark.parametrize(("name", "data"), [("in.jsonl", JSONL), ("in.csv", CSV)])
def test_compressed_rows_are_those_of_the_plain_file(tmp_path, name, data, suffix):
    middle = len(data) // 2
    plain = written(tmp_path, name, data)
    table = written(tmp_path, name + suffix, packed(suffix.lower(), data[:middle], data[middle:]))
    rows = [*table.scan()]
    assert rows == [*plain.scan()], "columns, lines and places"
    assert len(rows) == 3000
    offsets = [row.offset for row in rows]
    assert table.read(offsets[::-7]) == plain.read(offsets[::-7])
    assert table.line_at(offsets[5]) == rows[5].line
    assert table.source.where(3, 7) == f"{tmp_path / name}{suffix}: lines 3 and 7"


def test_a_compressed_file_is_changed_when_it_itself_was(tmp_path):
    data = packed(".gz", JSONL)
    table = written(tmp_path, "in.jsonl.gz", data)
    assert table.source.stamp[0] == len(data)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-9], "ends too early: it was not copied or written to its end"),
        (lambda data: data[: len(data) // 2], "ends too early"),
        (lambda data: b'{"text": "plain"}\n' * 10, "cannot be read as"),
        (lambda data: data[:40] + bytes(byte ^ 255 for byte in data[40:80]) + data[80:], "cannot be read as"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, suffix, damage, reason):
    with pytest.raises(InputError, match=f"in.jsonl{suffix} {reason}"):
        written(tmp_path, "in.jsonl" + suffix, damage(packed(suffix, JSONL)))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_of_nothing_has_no_rows(tmp_path, suffix):
    assert columns(written(tmp_path, "in.jsonl" + suffix, packed(suffix, b""))) == []


def test_without_its_module_zstandard_says_what_to_install(tmp_path, monkeypatch):
    data = packed(".zst", JSONL)
    without(monkeypatch, "backports.zstd", "compression.zstd")
    with pytest.raises(ConfigError, match=r"pip install 'brimline\[zstd\]'"):
        written(tmp_path, "in.jsonl.zst", data)


def test_what_is_compressed_is_told_by_the_name(tmp_path):
    assert [is_compressed(tmp_path / name) for name in ("a.gz", "a.csv.ZST", "a.gzip", "gz")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert plain_name(tmp_path / "a.b.csv.gz") == tmp_path / "a.b.csv"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("in.jsonl", "in"),
        ("in.jsonl.gz", "in"),
        ("a.b.csv.zst", "a.b"),
        ("folder/in.parquet", "in"),
        ("-", "stdin"),
    ],
)
def test_results_are_named_after_the_input_without_its_format(tmp_path, name, stem):
    assert stem_of(STDIN if name == "-" else tmp_path / name) == stem


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (packed(".gz", JSONL), "gzip"),
        (packed(".zst", JSONL), "Zstandard"),
        (b"PAR1\x15...", "Parquet"),
        (b"PK\3\4..", "zip"),
    ],
)
def test_what_is_packed_but_not_called_so_is_one_error_and_not_one_for_each_line(
    tmp_path, monkeypatch, data, what
):
    for name in ("in.jsonl", "in.csv"):
        with pytest.raises(InputError, match=rf"(?s){name} holds {what}.* not lines of text.*\.gz"):
            written(tmp_path, name, data)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    with pytest.raises(InputError, match=rf"(?s)stdin holds {what}.*Unpack it"):
        open_table(STDIN)


# Standard input.


def test_standard_input_is_jsonl_and_read_by_place(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(JSONL + b"torn")))
    table = open_table(STDIN)
    rows = [*table.scan()]
    assert [row.columns for row in rows[:-1]] == ROWS
    assert table.source.where(rows[-1].line) == "stdin:3001"
    assert [row.columns for row in table.read([rows[7].offset, rows[2].offset])] == [ROWS[7], ROWS[2]]


# Parquet.


def test_parquet_rows_come_in_order_without_the_cells_that_hold_nothing(tmp_path):
    query = (
        "SELECT CASE WHEN n % 2 = 0 THEN 'row ' || n END AS text, n, CASE WHEN n = 3 THEN 'NaN'::DOUBLE ELSE n / 2 END"
        " AS half, NULL AS nothing FROM range(5000) t(n)"
    )
    table = parquet(tmp_path, query)
    rows = columns(table)
    assert rows[:4] == [
        {"text": "row 0", "n": 0, "half": 0.0},
        {"n": 1, "half": 0.5},
        {"text": "row 2", "n": 2, "half": 1.0},
        {"n": 3},
    ]
    assert [row["n"] for row in rows] == [*range(5000)]
    offsets = [row.offset for row in table.scan()]
    assert [row.columns["n"] for row in table.read(offsets[::-1000])] == [4999, 3999, 2999, 1999, 999]


def test_every_type_of_parquet_becomes_json(tmp_path):
    query = r"""SELECT TIMESTAMP '2024-01-02 03:04:05.6' AS "at", TIMESTAMPTZ '2024-01-02 03:04:05+02' AS "when",
        DATE '2024-01-02' AS day, 1.25::DECIMAL(9, 2) AS price, 'text'::BLOB AS "bytes", '\xFF\x00'::BLOB AS "image",
        MAP {'a': 1} AS map, {'role': 'user', 'content': NULL} AS message, [1, 2] AS list, true AS yes,
        ['NaN'::DOUBLE, 1] AS numbers, 'é"\n' AS "a "" name" """
    (row,) = columns(parquet(tmp_path, query))
    assert row == {
        "at": "2024-01-02 03:04:05.6",
        "when": "2024-01-02 01:04:05+00",
        "day": "2024-01-02",
        "price": 1.25,
        "bytes": "text",
        "image": "/wA=",
        "map": {"a": 1},
        "message": {"role": "user", "content": None},
        "list": [1, 2],
        "yes": True,
        "numbers": [None, 1.0],
        'a " name': 'é"\\n',
    }


@pytest.mark.parametrize("name", ["a[1]*?.parquet", "it's.parquet", "k=v.PARQUET", "{a,b}.parquet"])
def test_a_parquet_files_name_is_only_a_name(tmp_path, name):
    parquet(tmp_path, "SELECT 'other' AS text", "a1.parquet")
    assert columns(parquet(tmp_path, "SELECT 'hi' AS text", name)) == [{"text": "hi"}]


def test_of_parquet_a_place_is_a_row_from_zero(tmp_path):
    table = parquet(tmp_path, "SELECT n FROM range(3) t(n)")
    rows = [*table.scan()]
    assert [table.source.where(row.line) for row in rows] == [
        f"{tmp_path}/in.parquet: row {n}" for n in range(3)
    ]
    assert table.source.where(1, 3) == f"{tmp_path}/in.parquet: rows 0 and 2"


@pytest.mark.parametrize("data", [b"", b"PAR1", JSONL, b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, data):
    with pytest.raises(InputError, match=r"in.parquet cannot be read as Parquet: .") as refused:
        written(tmp_path, "in.parquet", data)
    assert str(refused.value).count("\n") == 0


def test_a_torn_parquet_file_is_refused(tmp_path):
    parquet(tmp_path, "SELECT n FROM range(1000) t(n)")
    data = (tmp_path / "in.parquet").read_bytes()
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        written(tmp_path, "in.parquet", data[:-50])


def test_without_duckdb_parquet_says_what_to_install(tmp_path, monkeypatch):
    without(monkeypatch, "duckdb")
    with pytest.raises(ConfigError, match=r"pip install 'brimline\[tables\]'"):
        written(tmp_path, "in.parquet", b"")


def test_a_parquet_file_of_nothing_has_no_rows(tmp_path):
    assert columns(parquet(tmp_path, "SELECT 1 AS a WHERE false")) == []
    (row,) = parquet(tmp_path, "SELECT NULL::VARCHAR AS a").scan()
    assert row == Row(0, 1, {})
