"""Vectors on disk: few digits that mean the same 32-bit floats, and lines that are written together."""

import json
import struct
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.store.floats import float_bytes, from_bytes, packed, short_floats
from brimline.store.lines import batch_line, copied_line, moved_line, read_line, result_line
from brimline.store.vectors import TOGETHER, embedding_lines
from brimline.types import Operation, Usage
from tests.store.outcomes import failure, request, response, success

NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(NUMBERS, max_size=60))
def test_few_digits_give_the_same_32_bit_floats_back(numbers):
    vector = array("f", numbers)
    short = short_floats(vector)
    assert array("f", short) == vector
    for number in short:
        digits = repr(abs(number)).partition("e")[0].replace(".", "").strip("0")
        assert len(digits) <= 9


def test_numbers_are_written_as_people_write_them():
    vector = array("f", [0.1, -0.2, 1.0, 0.0, 1e-5, 0.30000001, 12345.678, 3.4e38])
    text = json.dumps(short_floats(vector))
    assert text == "[0.1, -0.2, 1.0, 0.0, 1e-05, 0.30000001, 12345.678, 3.4e+38]"


@pytest.mark.parametrize("vector", [[0.1, 2], (0.1,), array("d", [0.10000000149011612])])
def test_what_are_no_32_bit_floats_stay_as_they_are(vector):
    assert short_floats(vector) is vector


def test_bytes_are_little_endian():
    vector = array("f", [0.5, -3.25])
    assert float_bytes(vector) == struct.pack("<2f", 0.5, -3.25)
    assert from_bytes(float_bytes(vector)) == vector
    assert packed([0.5, -3.25]) == "AAAAPwAAUMA="


def embedded(number, vector, usage=None):
    asked = request(number, text=f"text {number}", operation=Operation.EMBEDDING)
    answer = response("", embeddings=(vector,), usage=usage, finish_reason=None, request_id="r")
    return success(asked, answer)


@given(
    st.lists(
        st.tuples(st.lists(NUMBERS, min_size=1, max_size=8), st.integers(0, 3)), min_size=1, max_size=12
    ),
    st.sampled_from([{"text": "a"}, {"id": 7, "text": "b"}, {"key": "x", "embedding": [1]}, {}]),
)
def test_lines_are_the_same_whether_they_are_written_together_or_alone(rows, columns):
    usages = [Usage(5), Usage(7, 0, 2), None]
    outcomes = [
        embedded(n, array("f", vector) if usage else vector, usages[usage % 3])
        for n, (vector, usage) in enumerate(rows)
    ]
    lines = embedding_lines([(columns, outcome) for outcome in outcomes])
    assert lines == [result_line(columns, outcome) for outcome in outcomes]


def test_long_vectors_are_rounded_in_pieces():
    outcomes = [embedded(n, array("f", [n / 7] * (TOGETHER // 2 + 1))) for n in range(5)]
    lines = embedding_lines([({}, outcome) for outcome in outcomes])
    assert lines == [result_line({}, outcome) for outcome in outcomes]


def test_a_line_holds_the_vector_and_reads_back():
    line = result_line({"text": "a"}, embedded(3, array("f", [0.1, -1])))
    written = msgspec.json.decode(line)
    assert (written["response"], written["embedding"], written["usage"]) == (None, [0.1, -1.0], None)
    assert read_line(line).is_ok
    moved = msgspec.json.decode(moved_line(line, {"text": "b"}, request(4, operation=Operation.EMBEDDING)))
    assert (moved["text"], moved["id"], moved["embedding"]) == ("b", 4, [0.1, -1.0])
    copied = msgspec.json.decode(copied_line(line, {"text": "b"}, request(4, operation=Operation.EMBEDDING)))
    assert (copied["embedding"], copied["duplicate"], copied["attempts"]) == ([0.1, -1.0], True, 0)


def test_a_failed_row_has_no_vector_and_its_own_column_is_not_taken_for_one():
    asked = request(operation=Operation.EMBEDDING)
    written = msgspec.json.decode(result_line({"embedding": [1, 2]}, failure(asked)))
    assert (written["embedding"], written["response"], written["input-embedding"]) == (None, None, [1, 2])
    chat = msgspec.json.decode(result_line({"embedding": [1, 2]}, success()))
    assert chat["embedding"] == [1, 2], "a chat leaves such a column alone"


def test_what_came_with_others_has_no_raw_reply():
    written = msgspec.json.decode(result_line({}, embedded(0, array("f", [1])), raw=True))
    assert written["raw"] == [None]


def test_a_line_of_a_batch_file_is_openais_answer():
    asked = request("r-1", operation=Operation.EMBEDDING, params={"encoding_format": "base64"})
    answer = response("", embeddings=([0.5], [-3.25]), usage=Usage(9))
    body = msgspec.json.decode(batch_line(success(asked, answer)))["response"]["body"]
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": "AAAAPw=="},
            {"object": "embedding", "index": 1, "embedding": "AABQwA=="},
        ],
        "model": "x-2026",
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
