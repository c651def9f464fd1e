"""Rows of files: read in order and by their place alike, and every bad one named with line and reason."""

import csv
import io
import json
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brimline.data.inputs import open_table
from brimline.data.rows import BOM, BadRow, CsvTable, JsonlTable, Row
from brimline.data.source import Source
from brimline.errors import InputError


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("input")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("input")


def table(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return open_table(path)


def scanned(table):
    """Columns of good rows, line and reason of bad ones."""
    return [row.columns if isinstance(row, Row) else (row.line, row.reason) for row in table.scan()]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = scalars | st.text(max_size=5) | st.lists(scalars, max_size=2)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4)
blanks = st.sampled_from(["", "\n", "\r\n", "  \n", "\t\r\n"])


@given(
    st.lists(st.tuples(blanks, objects, st.sampled_from(["\n", "\r\n", " \n"]), st.booleans())), st.booleans()
)
def test_jsonl_rows_read_in_order_and_by_place_alike(place, rows, has_bom):
    text = "".join(f"{blank}{json.dumps(row, ensure_ascii=ascii_)}{end}" for blank, row, end, ascii_ in rows)
    found = table(place, "in.jsonl", (BOM if has_bom else b"") + text.encode())
    read_again(found, [row for _, row, _, _ in rows])


cells = st.text(st.sampled_from(string.printable[:70] + " ,;\"'\n\r\0é🎉\u2028"), max_size=6)
headers = st.lists(
    st.text(string.ascii_letters + ' é,\n"', min_size=1, max_size=4), min_size=1, max_size=4, unique=True
)


@given(
    headers, st.data(), st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]), st.booleans()
)
def test_csv_records_read_in_order_and_by_place_alike(place, header, data, form, has_bom):
    records = data.draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header))))
    text = io.StringIO(newline="")
    csv.writer(text, quoting=form[0], lineterminator=form[1]).writerows([header, *records])
    found = table(place, "in.csv", (BOM if has_bom else b"") + text.getvalue().encode())
    rows = [{name: cell for name, cell in zip(header, record, strict=True) if cell} for record in records]
    read_again(found, [row for row in rows if row])


def read_again(table, wanted):
    """See that a scan gives what is wanted, and that any order of places gives the same rows."""
    rows = [*table.scan()]
    assert [row.columns for row in rows] == wanted
    offsets = [row.offset for row in rows]
    assert [row.columns for row in table.read(offsets[::-1])] == wanted[::-1]
    assert [row.columns for row in table.read(offsets[1:] + offsets[:1])] == wanted[1:] + wanted[:1]
    assert [row.line for row in rows] == [table.line_at(offset) for offset in offsets]
    assert not any(row.line for row in table.read(offsets)), "a place has no number"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1, 2]", "is no JSON object"),
        (b'"text"', "is no JSON object"),
        (b"{'a': 1}", "is not JSON: object keys must be strings (byte 1)"),
        (b'{"a": 1', "is not JSON: it ends too early"),
        (b'{"a": "x', "is not JSON: it ends too early"),
        (b'{"a": 1,}', "is not JSON: trailing comma in object (byte 8)"),
        (b'{"a": 1} {"a": 2}', "is not JSON: trailing characters (byte 10)"),
        (b'{"a": 1}\r{"a": 2}', "is not JSON: trailing characters (byte 10)"),
        (b'{"a": NaN}', "is not JSON: invalid character (byte 6)"),
        (b'{"a": 1e400}', "holds a number that is out of range"),
        (b'{"a": "\0"}', "is not JSON: invalid character (byte 7)"),
        (b"\0" * 9, "is not JSON: invalid character (byte 0)"),
        (b'{"a": "caf\xe9"}', "is not UTF-8"),
        (b'{"a": "\xed\xa0\xbd"}', "is not UTF-8"),
        (rb'{"a": "\ud83d"}', r"is not JSON: it holds half of a surrogate pair (\ud800 to \udfff)"),
        (
            rb'{"a": "\ud83d and more text"}',
            r"is not JSON: it holds half of a surrogate pair (\ud800 to \udfff)",
        ),
        (rb'{"a": "\ude00"}', r"is not JSON: it holds half of a surrogate pair (\ud800 to \udfff)"),
        (b'{"a":' * 100_000, "is nested too deep"),
        ("{}".encode("utf-16"), "is not JSON: invalid character (byte 0)"),
        (BOM + b"{}", "is not JSON: invalid character (byte 0)"),
    ],
)
def test_a_bad_line_of_jsonl_is_named_and_the_others_are_read(folder, line, reason):
    found = table(folder, "in.jsonl", b'{"a": 1}\n\n' + line + b'\n{"a": 2}')
    assert scanned(found) == [{"a": 1}, (3, reason), {"a": 2}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("18446744073709551616", 2**64),
        ("0.1", 0.1),
        ("-0.0", -0.0),
        ("5e-324", 5e-324),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\u0000"', "\0"),
        ('{"a": {"a": []}}', {"a": {"a": []}}),
    ],
)
def test_odd_but_right_values_are_kept_as_they_are(folder, text, value):
    assert scanned(table(folder, "in.jsonl", b'{"a": %s}' % text.encode())) == [{"a": value}]


def test_of_a_key_that_is_given_twice_the_last_counts(folder):
    assert scanned(table(folder, "in.jsonl", b'{"a": 1, "a": 2}')) == [{"a": 2}]


def test_a_line_of_fifty_megabytes_is_a_row(folder):
    found = table(folder, "in.ndjson", b'{"a": 1}\n{"a": "' + b"x" * (50 << 20) + b'"}\n{"a": 2}\n')
    rows = [*found.scan()]
    assert len(rows[1].columns["a"]) == 50 << 20
    assert found.read([rows[2].offset])[0].columns == {"a": 2}


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
@pytest.mark.parametrize("data", [b"", b"\n\n", BOM, BOM + b"\r\n", b" \n"])
def test_a_file_of_nothing_has_no_rows(folder, name, data):
    found = table(folder, name, data)
    assert [row for row in found.scan() if isinstance(row, BadRow) or name == "in.jsonl"] == []


# CSV.


def test_empty_cells_and_missing_ones_are_absent(folder):
    found = table(folder, "in.csv", b'a,b,c\n1,,3\n"",2\n,,\n\n , ,\n')
    assert scanned(found) == [{"a": "1", "c": "3"}, {"b": "2"}, {"a": " ", "b": " "}]


def test_rows_of_nothing_but_commas_are_blank_as_spreadsheets_write_them(folder):
    assert scanned(table(folder, "in.csv", b"a,b\r\n1,2\r\n,\r\n,\r\n")) == [{"a": "1", "b": "2"}]


def test_a_record_may_span_lines_and_is_numbered_by_its_first(folder):
    found = table(folder, "in.csv", b'a,b\n"one\n\ntwo",1\nx,y,z\n"3\r\n4",5\n')
    assert [row.line for row in found.scan()] == [2, 5, 6]
    assert scanned(found) == [
        {"a": "one\n\ntwo", "b": "1"},
        (5, "has 3 cells, the header has 2"),
        {"a": "3\r\n4", "b": "5"},
    ]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a,b,a\n1,2,3\n", (1, "the header names 'a' twice")),
        (b"a,,\n1,2,3\n", (1, "the header leaves more than one column without a name")),
        (b"\n\na,b,b,\n", (3, "the header names 'b' twice")),
        (
            b"a,b\r1,2\r",
            (1, "is not CSV: a line ends in CR alone; end lines in LF or CRLF, or quote the cell"),
        ),
        (b"a,b\n1,caf\xe9\n3,4\n", (2, "is not UTF-8")),
        (b'a,b\n1,"two\nlines caf\xe9"\n', (3, "is not UTF-8")),
        (b'a,b\n1,2\n"3,4\n5,6\n', (3, "is not CSV: a quote is not closed")),
        (b'a,b\n1,"2" x\n', (2, "is not CSV: ',' expected after '\"'")),
    ],
)
def test_what_cannot_be_read_as_csv_ends_the_file_and_says_where(folder, data, found):
    assert scanned(table(folder, "in.csv", data))[-1] == found


def test_a_header_alone_has_no_rows_and_a_column_may_lack_its_name(folder):
    assert scanned(table(folder, "in.csv", b"a,b\n")) == []
    assert scanned(table(folder, "in.csv", b",a\n0,x\n")) == [{"": "0", "a": "x"}]


# Files.


def test_rows_of_a_file_that_was_changed_meanwhile_are_not_guessed(folder):
    for name, before, after in [
        ("in.jsonl", b'{"a": 1}\n{"a": 2}\n', [b"", b'{"a": 1}\n', b'{"aaaaaaaa": 1}\n{"a": 2}\n']),
        (
            "in.csv",
            b"a\n1111\n2222\n",
            [b"", b"a\n", b'a\n"1111\n2222\n', b"a\n1,1,1\n2\n", b"a\n1111\n\xff\n"],
        ),
    ]:
        found = table(folder, name, before)
        offsets = [row.offset for row in found.scan()]
        for data in after:
            (folder / name).write_bytes(data)
            with pytest.raises(InputError, match="was changed while it was being run"):
                found.read(offsets)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.jsonl", "does not exist"),
        ("folder.jsonl", "is a folder"),
        ("in.txt", "files ending in '.txt' cannot be read"),
        ("in", "files ending in '' cannot be read"),
        ("in.txt.gz", "files ending in '.txt' cannot be read"),
        ("in.gz", "files ending in '' cannot be read"),
        ("in.parquet.gz", "files ending in '.parquet' cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused(folder, name, reason):
    (folder / "folder.jsonl").mkdir()
    for other in ("in.txt", "in", "in.txt.gz", "in.gz", "in.parquet.gz"):
        (folder / other).touch()
    with pytest.raises(InputError, match=reason.replace("(", r"\(")):
        open_table(folder / name)


@pytest.mark.parametrize(
    ("name", "kind"), [("IN.JSONL", JsonlTable), ("in.ndjson", JsonlTable), ("in.Csv", CsvTable)]
)
def test_the_format_is_told_by_the_name(folder, name, kind):
    (folder / name).touch()
    assert isinstance(open_table(folder / name), kind)


@given(st.binary(max_size=80) | st.text(st.sampled_from('{}[]":,\\u\r\n ad8'), max_size=40).map(str.encode))
@example(b"\xff")
def test_no_bytes_break_a_scan(place, data):
    (place / "in").write_bytes(data)
    for kind in (JsonlTable, CsvTable):
        found = kind(Source.of(place / "in"))
        rows = [row for row in found.scan() if isinstance(row, Row)]
        assert [row.columns for row in found.read([row.offset for row in rows])] == [
            row.columns for row in rows
        ]
