"""A line of results: what is written, in which order, and what is read back of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brimline.store.lines import (
    FIELDS,
    batch_line,
    copied_line,
    moved_line,
    own_columns,
    plain_columns,
    read_line,
    result_line,
)
from brimline.types import Failure, Fault, FaultKind, Rejection, Request, Response, Success, Usage
from tests.store.outcomes import failure, key_of, request, response, success

KEY = key_of(("lab/x", "hi"))
OK = {
    "text": "hi",
    "id": 0,
    "model": "lab/x",
    "response": "yes",
    "status": "ok",
    "error": None,
    "finish_reason": "stop",
    "usage": {
        "input_tokens": 7,
        "output_tokens": 3,
        "cached_input_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
    },
    "cost_usd": None,
    "served_model": "x-2026",
    "request_id": "req_1",
    "timestamp_sent": "2023-11-14T22:13:20.123Z",
    "latency_s": 0.25,
    "attempts": 1,
    "key": KEY,
}

names = st.sampled_from([
    "id",
    "model",
    "text",
    "input-model",
    "input-input-model",
    "tool_calls",
    "reasoning",
    "logprobs",
    "raw",
    "repeat",
    "cached",
    "duplicate",
    *OK,
])
columns = st.dictionaries(
    names | st.text(max_size=3),
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["yes", "lab/x"]),
)


def written(row, outcome, **options):
    line = result_line(row, outcome, **options)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1, "one outcome is one line"
    return json.loads(line)


def test_a_line_has_the_rows_keys_then_what_came_of_it_in_this_order():
    assert [*written({"text": "hi"}, success()).items()] == [*OK.items()]


def test_a_failed_line_says_why():
    line = written({"text": "hi"}, failure())
    nothing = (
        "response",
        "finish_reason",
        "usage",
        "served_model",
        "request_id",
        "timestamp_sent",
        "latency_s",
    )
    error = {"kind": "server_error", "message": "it broke", "http_status": 500, "provider_code": "oops"}
    assert line == OK | dict.fromkeys(nothing) | {"status": "failed", "error": error, "attempts": 5}
    assert [*line] == [*OK]


def test_a_conversation_has_one_answer_for_each_turn_and_the_last_exchanges_facts():
    outcome = success(request(turns=2), response("a", request_id="r1"), response("b", request_id="r2"))
    line = written({}, outcome)
    assert (line["response"], line["request_id"], line["usage"]["input_tokens"]) == (["a", "b"], "r2", 14)


def test_a_conversation_that_broke_off_keeps_what_was_answered():
    line = written({}, failure(request(turns=3), FaultKind.TIMEOUT, response("a"), response("b")))
    assert [*line][2:5] == ["response", "partial_response", "status"]
    assert (line["response"], line["partial_response"]) == (None, ["a", "b"])


def test_several_answers_and_calls_of_tools_are_kept():
    line = written({}, success(None, response(["a", "b"], tool_calls=({"id": "c1"},))))
    assert (line["response"], line["tool_calls"]) == (["a", "b"], [{"id": "c1"}])
    assert not {"reasoning", "logprobs"} & line.keys()
    line = written({}, success(None, response("a", reasoning="since", logprobs={"content": []})))
    assert (line["reasoning"], line["logprobs"]) == ("since", {"content": []}), "both were paid for"


SHAPED = request(schema={})
VALID = response(' {"a": [1]}\n', document=' {"a": [1]}\n')
STRIPPED = response('So: {"a": 2}', document='{"a": 2}')
REJECTED = response("hm", rejection=Rejection("hm", "it is no JSON"))


def test_what_follows_a_schema_is_json_on_the_line():
    line = written({}, success(SHAPED, VALID))
    assert line["response"] == {"a": [1]}
    assert not {"repaired", "raw_text", "partial_response"} & line.keys()


@pytest.mark.parametrize(
    ("responses", "answer", "raw_text"),
    [
        ((STRIPPED,), {"a": 2}, STRIPPED.text),
        ((REJECTED, VALID), {"a": [1]}, ["hm", VALID.text]),
        ((response(["{}", "a {}"], document=["{}", "{}"]),), [{}, {}], ["{}", "a {}"]),
    ],
)
def test_what_was_repaired_is_marked_and_has_the_providers_own_text(responses, answer, raw_text):
    line = written({"repaired": "mine"}, success(SHAPED, *responses, attempts=len(responses)))
    assert (line["response"], line["repaired"], line["raw_text"]) == (answer, True, raw_text)
    assert line["input-repaired"] == "mine"
    assert line["usage"]["input_tokens"] == 7 * len(responses)
    moved = moved_line(json.dumps(line).encode(), {"label": 1}, SHAPED)
    assert json.loads(moved)["raw_text"] == raw_text


def test_what_never_followed_its_schema_keeps_the_last_text():
    line = written({}, failure(SHAPED, FaultKind.INVALID_OUTPUT, REJECTED, REJECTED))
    assert (line["response"], line["raw_text"], line["finish_reason"]) == (None, ["hm", "hm"], "stop")
    assert not {"repaired", "partial_response"} & line.keys()
    line = written({}, failure(SHAPED, FaultKind.TRUNCATED, REJECTED))
    assert line["raw_text"] == "hm"


def test_a_conversation_has_what_each_turn_says():
    asked = request(turns=2, schema={})
    line = written({}, success(asked, VALID, REJECTED, STRIPPED))
    assert (line["response"], line["raw_text"]) == ([{"a": [1]}, {"a": 2}], [VALID.text, "hm", STRIPPED.text])
    line = written({}, failure(asked, FaultKind.INVALID_OUTPUT, VALID, REJECTED, REJECTED))
    assert line["partial_response"] == [{"a": [1]}]


def test_calls_of_tools_beside_a_schema_leave_the_text_as_it_is():
    assert written({}, success(SHAPED, response("Let me see", tool_calls=({},))))["response"] == "Let me see"


def test_tokens_are_unknown_rather_than_zero_where_the_provider_is_silent():
    assert written({}, success(None, response(usage=None)))["usage"] is None
    both = written({}, success(request(turns=2), response(usage=None), response(usage=Usage(1, 2))))
    assert both["usage"]["input_tokens"] == 1


def test_raw_is_every_reply_as_json_and_the_last_member():
    pretty = b'{\n  "a": [1,\r\n 2]\n}\n'
    line = written(
        {}, success(request(turns=2), response(raw=pretty), response(raw=b"\xff not JSON\n")), raw=True
    )
    assert [*line][-2:] == ["key", "raw"]
    assert line["raw"] == [{"a": [1, 2]}, "\ufffd not JSON\n"]
    assert "raw" not in written({}, success())


def test_a_reply_nested_too_deep_is_raw_text():
    deep = b"[" * 100_000
    assert written({}, success(None, response(raw=deep)), raw=True)["raw"] == [deep.decode()]


def test_text_of_any_kind_stays_on_its_line():
    line = written({"a\nb": "\u2028\r\n\0"}, success(None, response("one\ntwo\u2029\x85")))
    assert (line["a\nb"], line["response"]) == ("\u2028\r\n\0", "one\ntwo\u2029\x85")


def test_the_rows_id_and_model_stay_where_they_are():
    line = written({"model": "lab/x", "id": "a7", "text": "hi"}, success(request("a7")))
    assert [*line][:4] == ["model", "id", "text", "response"]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"model": "gpt-4"}, {"input-model": "gpt-4", "model": "lab/x"}),
        ({"id": None}, {"input-id": None, "id": 0}),
        ({"id": False}, {"input-id": False, "id": 0}),
        ({"attempts": True}, {"input-attempts": True, "attempts": 1}),
        ({"response": "gold", "key": "k"}, {"input-response": "gold", "response": "yes", "input-key": "k"}),
        ({"tool_calls": [1]}, {"input-tool_calls": [1]}),
        ({"partial_response": ["a"]}, {"input-partial_response": ["a"]}),
        ({"model": "a/b", "input-model": "c/d"}, {"input-model": "c/d", "input-input-model": "a/b"}),
        (
            {"input-input-model": 1, "input-model": 2, "model": 3},
            {"input-input-input-model": 3, "input-model": 2},
        ),
    ],
)
def test_a_column_of_the_same_name_and_another_value_is_kept_beside(row, kept):
    line = written(row, success())
    assert kept.items() <= line.items()
    assert not {"tool_calls", "partial_response"} & line.keys(), (
        "an input's own must not pass for the answer's"
    )


def test_a_column_of_the_same_name_and_value_is_the_lines_own_member():
    line = written({"status": "ok", "text": "hi", "attempts": 1}, success())
    assert line == OK
    assert [*line] == [*OK]


def test_the_results_of_results_of_results_lose_nothing():
    first = written({"text": "hi"}, success(request(model="a/1"), response("one")))
    second = written(first, success(request(model="b/2"), response("two")))
    third = written(second, success(request(model="c/3"), response("three")))
    assert [third["input-response"], third["input-input-response"], third["response"]] == [
        "one",
        "two",
        "three",
    ]
    assert [third["input-model"], third["input-input-model"], third["model"]] == ["a/1", "b/2", "c/3"]


@given(st.integers(0, 7_258_118_400 * 10**9))
def test_times_are_rfc_3339_in_utc_with_milliseconds(at):
    sent = written({}, success(sent_at=at))["timestamp_sent"]
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at // 10**6)
    assert sent == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(columns, st.sampled_from([success(), failure()]), st.booleans())
def test_no_value_of_a_row_is_lost_and_no_finding_is_replaced(row, outcome, raw):
    line = written(row, outcome, raw=raw)
    assert written({}, outcome, raw=raw).items() <= line.items()
    for name, value in row.items():
        places = [f"{'input-' * times}{name}" for times in range(6)]
        assert json.dumps(value) in [json.dumps(line[place]) for place in places if place in line]


# Reading back.


def test_a_line_reads_back():
    recorded = read_line(result_line({"text": "hi"}, success(request("a"))))
    assert (recorded.id, recorded.model, recorded.key, recorded.is_ok, recorded.kind) == (
        "a",
        "lab/x",
        KEY,
        True,
        None,
    )
    recorded = read_line(result_line({}, failure(kind=FaultKind.TOO_LONG)))
    assert (recorded.id, recorded.is_ok, recorded.kind) == (0, False, "too_long")


def test_a_line_of_a_batch_file_has_openais_form_and_reads_back():
    body = b'{"id": "chatcmpl-1",\n "choices": []}'
    line = batch_line(success(request("r-1"), response(raw=body), attempts=2))
    written = json.loads(line)
    assert written["id"].startswith("batch_req_")
    assert written == {
        "id": written["id"],
        "custom_id": "r-1",
        "response": {"status_code": 200, "request_id": "req_1", "body": {"id": "chatcmpl-1", "choices": []}},
        "error": None,
        "brimline": {"key": KEY, "model": "lab/x", "status": "ok", "attempts": 2},
    }
    assert line.count(b"\n") == 1
    recorded = read_line(line)
    assert (recorded.id, recorded.model, recorded.key, recorded.is_ok) == ("r-1", "lab/x", KEY, True)


def test_no_two_lines_of_a_batch_file_have_the_same_id():
    """Equal requests have the same key, and whoever loads lines by their id would lose one of them."""
    ids = [
        json.loads(
            batch_line(
                success(request(id_)),
            )
        )["id"]
        for id_ in ("r-1", "r-2", "r-1")
    ]
    assert ids[0] != ids[1]
    assert ids[0] == ids[2], "a rerun names it alike"


def test_a_failed_line_of_a_batch_file_reads_back():
    line = batch_line(failure(request("r-1"), FaultKind.CONTENT_FILTER))
    assert json.loads(line)["error"] == {"code": "content_filter", "message": "it broke"}
    assert json.loads(line)["response"] is None
    assert (read_line(line).is_ok, read_line(line).kind) == (False, "content_filter")


@pytest.mark.parametrize("line", [result_line({"text": "hi"}, success()), batch_line(success())])
def test_a_torn_line_is_none_wherever_it_is_torn(line):
    assert read_line(line[:-1]) is not None
    assert [cut for cut in range(len(line) - 1) if read_line(line[:cut]) is not None] == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"\0" * 512,
        b"null\n",
        b"[]\n",
        b'"key"\n',
        b"not JSON\n",
        b"\xff\xfe{\0}\0",
        b'{"id": 1, "text": "hi"}\n',
        b'{"key": "abc", "status": "open"}\n',
        b'{"key": "ABCDEF0123456789ABCDEF0123456789", "status": "ok"}\n',
        b'{"key": "0123456789abcdef0123456789abcdef\\n", "status": "ok"}\n',
        b'{"key": "0123456789abcdef0123456789abcdef", "status": "done"}\n',
        b'{"key": "0123456789abcdef0123456789abcdef", "status": "ok", "model": 4}\n',
        b'{"custom_id": "a", "response": null, "error": null}\n',
        b'{"custom_id": "a", "brimline": {"key": "abc", "model": "lab/x", "status": "ok"}}\n',
        b"[" * 100_000,
    ],
)
def test_a_foreign_line_is_none(line):
    assert read_line(line) is None


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(line):
    assert read_line(line) is None


def test_an_error_of_an_unknown_form_has_no_kind():
    for error in ('"text"', "7", "[]", '{"kind": []}', '{"kind": 5}', "{}"):
        line = f'{{"key": "{KEY}", "status": "failed", "error": {error}}}'
        assert read_line(line.encode()).kind is None


# Whose line it is.


@given(columns, st.booleans())
def test_a_line_still_tells_the_row_it_came_from(row, ok):
    """Whatever members a line renames or replaces, the row's other columns are found in it as they are."""
    line = result_line(row, success() if ok else failure(), raw=True)
    assert own_columns(line) == plain_columns(row)


def test_of_a_batch_line_the_id_tells_the_row():
    assert own_columns(batch_line(success(request("r-1")))) == {"custom_id": "r-1"}
    row = {"custom_id": "c", "brimline": 5}
    assert own_columns(result_line({"brimline": 5}, success())) == {"brimline": 5}
    assert plain_columns(row) == row


@pytest.mark.parametrize("line", [b"{}\n", b"torn", b'{"text": "hi"}\n'])
def test_what_is_no_line_of_results_has_no_columns(line):
    with pytest.raises(ValueError, match="no line of results"):
        own_columns(line)


# Rows that have moved.


@given(columns, columns, st.sampled_from([success(), failure()]), st.booleans())
@example({"id": 0, "raw": "own"}, {}, success(), False)
def test_a_line_moved_to_another_row_is_as_if_it_had_been_written_there(old, new, outcome, raw):
    """Its columns, id and order are those of the new row; what came of the request is what came of it."""
    moved = replace(outcome, request=request(7))
    line = result_line(old, outcome, raw=raw)
    assert moved_line(line, new, moved.request) == result_line(new, moved, raw=raw)


def test_a_line_of_a_batch_file_moves_too():
    moved = success(request(7), response(raw=b"{}"))
    assert moved_line(batch_line(success(None, response(raw=b"{}"))), {}, moved.request) == batch_line(moved)


# Answers that were not paid for, and several to one row.


@given(columns, columns, st.sampled_from([success(), failure(), success(attempts=0)]), st.booleans())
def test_the_line_of_a_duplicate_says_what_came_of_its_original_and_bills_nothing(old, new, outcome, raw):
    line = copied_line(result_line(old, outcome, raw=raw), new, request(7))
    copy, original = json.loads(line), json.loads(result_line({}, outcome, raw=raw))
    free = {"usage": None, "cost_usd": 0, "timestamp_sent": None, "latency_s": None, "attempts": 0}
    original.pop("cached", None)
    expected = original | free | {"id": 7, "duplicate": True}
    assert {name: copy[name] for name in expected} == expected
    assert [name for name in copy if name in FIELDS and name in expected] == [
        name for name in FIELDS if name in expected
    ]
    assert own_columns(line) == plain_columns(new)


def test_the_line_of_a_duplicate_of_a_batch_row_bills_nothing():
    line = batch_line(success(None, response(raw=b"{}"), attempts=3))
    copy = json.loads(copied_line(line, {}, request("r-7")))
    assert copy["brimline"]["attempts"] == 0
    assert copy["brimline"]["duplicate"] is True
    assert (copy["custom_id"], copy["response"]) == ("r-7", json.loads(line)["response"])


def test_a_cached_answer_bills_nothing():
    line = written({"text": "hi"}, success(attempts=0, sent_at=None, latency=None))
    free = {"usage": None, "cost_usd": 0, "timestamp_sent": None, "latency_s": None, "attempts": 0}
    assert [*line.items()] == [*(OK | free | {"cached": True}).items()]


@given(columns, st.none() | st.integers(0, 3), st.booleans())
def test_a_line_says_which_of_several_answers_it_is(row, repeat, batch):
    outcome = success(request(7, repeat=repeat), response(raw=b"{}"))
    line = batch_line(outcome) if batch else result_line(row, outcome)
    assert (read_line(line).repeat, read_line(line).sample) == (repeat, repeat or 0)
    moved = read_line(moved_line(line, row, request(7, repeat=2)))
    assert (moved.repeat, moved.id) == (2, 7)
    assert read_line(moved_line(line, row, request(7))).repeat is None


@pytest.mark.parametrize("repeat", ["weekly", -1, 1.0, True, [1]])
def test_what_is_no_number_of_an_answer_is_not_taken_for_one(repeat):
    line = json.dumps({"key": KEY, "status": "ok", "id": 0, "model": "lab/x", "repeat": repeat})
    assert read_line(line.encode()).sample == 0


# Streamed answers.


def test_a_streamed_answer_says_how_fast_it_came():
    answer = Response(text="a", time_to_first_token=0.25, time_per_output_token=0.01, raw=b"data: {}\n\n")
    asked = Request(id=0, model="lab/x", messages=())
    sent = Success(request=asked, responses=(answer,), attempts=1, sent_at=1, latency=1.0)
    line = json.loads(result_line({}, sent, raw=True))
    assert (line["time_to_first_token_s"], line["time_per_output_token_s"]) == (0.25, 0.01)
    assert line["raw"] == ["data: {}\n\n"], "the bytes as they came"
    again = json.loads(result_line({}, Success(request=asked, responses=(answer,))))
    assert "time_to_first_token_s" not in again, "from the cache nothing came"
    copy = json.loads(copied_line(result_line({}, sent), {}, asked))
    assert "time_to_first_token_s" not in copy
    body = json.loads(batch_line(sent))["response"]["body"]
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "a"}, (
        "a whole one, however it came"
    )


def test_what_was_heard_of_an_answer_that_broke_off_is_kept():
    fault = Fault(FaultKind.CONNECTION, "gone")
    asked = Request(id=0, model="lab/x", messages=())
    assert (
        json.loads(result_line({}, Failure(request=asked, fault=fault, partial="Once")))["partial_response"]
        == "Once"
    )
    talk = Request(id=0, model="lab/x", messages=(), follow_ups=("and?",))
    failed = Failure(request=talk, fault=fault, responses=(Response(text="a"),), partial="b")
    assert json.loads(result_line({}, failed))["partial_response"] == ["a", "b"]


def test_what_has_answered_is_named_where_that_is_not_what_was_asked():
    for outcome in (success(served_by="lab/y"), failure(served_by="lab/y")):
        line = json.loads(result_line({"served_by": "me"}, outcome))
        assert (line["served_by"], line["input-served_by"]) == ("lab/y", "me")
    assert "served_by" not in json.loads(result_line({}, success(served_by="lab/x")))
    assert "served_by" not in json.loads(result_line({}, success()))
    assert json.loads(batch_line(success(served_by="lab/y")))["brimline"]["served_by"] == "lab/y"
