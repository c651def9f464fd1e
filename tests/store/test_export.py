"""The lines of results that count: of each request the last one, at any moment of a run."""

import json
import tracemalloc

import pytest

from brimline.errors import InputError
from brimline.store.export import LastLines
from brimline.store.lines import batch_line, result_line
from tests.store.outcomes import failure, request, response, success


def line(id_, text, answer=None, model="lab/x", **columns):
    asked = request(id_, model, text)
    outcome = failure(asked) if answer is None else success(asked, response(answer))
    return result_line({"text": text, **columns}, outcome)


@pytest.fixture
def results(tmp_path):
    def make(*lines):
        path = tmp_path / "out.jsonl"
        path.write_bytes(b"".join(lines))
        return path

    return make


def answers(path):
    with LastLines(path) as lines:
        assert lines.count == len([*lines])
        return [(row["id"], row["model"], row["response"]) for row in lines.rows()]


def test_the_last_line_of_a_request_counts_and_stands_where_it_stands(results):
    path = results(
        line(0, "a"),
        line(1, "b", "B"),
        line(0, "a", "other", model="lab/y"),
        line("0", "a", "text"),
        line(0, "a"),
        line(2, "c", "C"),
        line(0, "a", "A"),
    )
    assert answers(path) == [
        (1, "lab/x", "B"),
        (0, "lab/y", "other"),
        ("0", "lab/x", "text"),
        (2, "lab/x", "C"),
        (0, "lab/x", "A"),
    ]


def test_an_answer_is_not_lost_because_its_row_has_moved(results):
    """Rows without ids that were inserted have the number of another; until the final ordering both lines stand."""
    path = results(line(0, "a", "A"), line(1, "b", "B"), line(0, "new", "N"))
    assert answers(path) == [(0, "lab/x", "A"), (1, "lab/x", "B"), (0, "lab/x", "N")]
    with LastLines(path) as lines:
        assert lines.ambiguous == 1
    with LastLines(results(line(0, "a"), line(0, "a", "A"))) as lines:
        assert lines.ambiguous == 0


def test_lines_are_passed_on_byte_by_byte(results):
    text = line(0, "a", "é\u2028", note={"b": 1.0})
    with LastLines(results(text, line(1, "b", "B").rstrip(b"\n"))) as lines:
        assert [*lines] == [text, line(1, "b", "B")]
        assert [*lines] == [text, line(1, "b", "B")], "again from the beginning"


def test_a_torn_tail_is_left_out_and_damaged_lines_are_counted(results):
    path = results(line(0, "a", "A"), b"\0\0\n", b'{"text": 1}\n', line(1, "b", "B"), line(2, "c", "C")[:-20])
    with LastLines(path) as lines:
        assert (lines.count, lines.damaged) == (2, 2)
        assert [row["id"] for row in lines.rows()] == [0, 1]


def test_what_is_written_meanwhile_changes_nothing(results, tmp_path):
    path = results(line(0, "a", "A"), line(1, "b"))
    with LastLines(path) as lines:
        with path.open("ab") as file:
            file.write(line(1, "b", "B"))
        (tmp_path / "ordered").write_bytes(line(0, "a", "A"))
        (tmp_path / "ordered").rename(path)
        assert [row["response"] for row in lines.rows()] == ["A", None]


def test_lines_of_batch_files_count_by_their_custom_id(results):
    def batch(id_, text, answer):
        return batch_line(
            success(request(id_, "lab/x", text), response(answer, raw=json.dumps(answer).encode()))
        )

    with LastLines(results(batch("a", "x", "1"), batch("b", "x", "2"), batch("a", "x", "3"))) as lines:
        assert [(row["custom_id"], row["response"]["body"]) for row in lines.rows()] == [
            ("b", "2"),
            ("a", "3"),
        ]


def test_an_empty_results_file_has_no_lines(results):
    assert answers(results()) == []


@pytest.mark.parametrize("content", [b'{"text": "hi"}\n', b"a,b\n1,2\n", line(0, "a", "A")[:-30]])
def test_what_holds_no_results_is_refused(results, content):
    with pytest.raises(InputError, match=r"out.jsonl is no results file of brimline"):
        LastLines(results(content))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    for path, reason in ((tmp_path / "none.jsonl", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=f"cannot be read: {reason}"):
            LastLines(path)


def test_memory_is_a_few_bytes_a_line(results):
    text = [line(n % 10_000, "x" * 500, "y" * 500) for n in range(20_000)]
    path = results(*text)
    del text
    tracemalloc.start()
    with LastLines(path) as lines:
        count = sum(1 for _ in lines.rows())
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 20_000 * 40 + (2 << 20)


def test_each_repeat_of_a_row_counts(tmp_path):
    """They have the same id, model and key, and are several answers nevertheless."""
    path = tmp_path / "out.jsonl"
    lines = [result_line({}, success(request(0, repeat=repeat))) for repeat in (0, 1, 2, 1)]
    path.write_bytes(b"".join(lines))
    with LastLines(path) as last:
        assert [row["repeat"] for row in last.rows()] == [0, 2, 1]
        assert last.ambiguous == 0
