"""What a run is worth, from a server's log and a client's answers that are written by hand."""

import json

import pytest
from benchmarks.league.places import KNOWN_BY, Arrival
from benchmarks.league.race import make_rows, read_answers
from benchmarks.league.scenarios import SCENARIOS
from benchmarks.league.score import Ended, Run, score

PROMPTS = {f"row-{n}": f"{n}: what is the answer to this question, and why?" for n in range(4)}
DONE, STOPPED = Ended(0, 5.0, 1.0, 40.0, 0.3), Ended(None, 9.0, 1.0, 40.0, 0.3)


def arrival(row, at, done, status=200, is_answer=True):
    return Arrival(at, done, status, is_answer, PROMPTS[f"row-{row}"][:KNOWN_BY])


LOG = [
    arrival(0, 10.0, 10.5),
    arrival(1, 10.1, 10.1, 429, False),
    arrival(2, 10.2, 10.7),
    arrival(1, 12.0, 12.0, 503, False),
    arrival(1, 12.4, 13.4),
    arrival(2, 12.5, 12.9),
]


def test_time_and_counts_are_the_servers():
    run = score(DONE, PROMPTS, ["row-0", "row-1", "row-2"], LOG)
    assert (run.requests, run.refused, run.failed, run.twice) == (6, 1, 1, 1)
    assert (run.rows, run.answered, run.lost) == (4, 3, 1)
    assert run.span_s == pytest.approx(3.4)
    assert run.latency_s == pytest.approx(0.5)
    assert run.in_flight == 2
    assert run.per_second == {"answered": "2 0 2", "not": "1 0 1"}


def test_an_answer_that_the_client_lost_is_a_lost_row():
    assert score(DONE, PROMPTS, ["row-0"], LOG).lost == 3


def test_a_row_that_stands_twice_in_the_results_counts_once_and_a_strange_one_not():
    assert score(DONE, PROMPTS, ["row-0", "row-0", "row-9"], LOG).answered == 1


def test_who_was_stopped_is_counted_at_the_server():
    run = score(STOPPED, PROMPTS, [], LOG)
    assert run.was_stopped
    assert run.answered == 3


def test_requests_that_are_not_of_the_rows_are_no_answers_to_them():
    probe = Arrival(9.0, 9.1, 200, True, "hello?")
    run = score(STOPPED, PROMPTS, [], [probe, *LOG])
    assert (run.answered, run.twice, run.requests) == (3, 1, 7)


def test_time_does_not_begin_with_a_probe_that_is_no_request():
    probe = Arrival(5.0, 5.1, 400, False)
    run = score(DONE, PROMPTS, [], [probe, *LOG])
    assert run.span_s == pytest.approx(3.4)
    assert run.per_second == {"answered": "2 0 2", "not": "1 0 1"}
    assert run.failed == 2


def test_a_server_that_does_not_note_prompts():
    log = [Arrival(n, n + 1, 200, True) for n in range(5)]
    assert score(DONE, PROMPTS, PROMPTS, log).twice == 1
    assert score(STOPPED, PROMPTS, [], log).answered == 4


def test_a_server_without_a_log_leaves_the_answers_and_the_kernels_figures():
    run = score(DONE, PROMPTS, PROMPTS, [])
    assert (run.answered, run.cpu_s, run.requests, run.span_s) == (4, 1.0, None, None)


def test_the_other_endpoints_count_but_are_not_timed():
    run = score(DONE, PROMPTS, [], LOG[:1], LOG[1:])
    assert (run.requests, run.refused, run.twice) == (6, 1, 1)
    assert run.span_s == pytest.approx(0.5)


def test_a_run_survives_json():
    run = score(DONE, PROMPTS, ["row-0"], LOG)
    assert Run.of_json(json.loads(json.dumps(run.as_json()))).as_json() == run.as_json()


def test_answers_are_read_but_for_failures_and_torn_lines(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "a", "response": "yes"}\n{"id": "b", "response": null}\n{"id": "c", "resp')
    assert read_answers(path) == [("a", "yes")]
    assert read_answers(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_log_can_tell_the_rows_of_a_scenario_apart(scenario):
    rows = make_rows(scenario)
    assert (
        len({row["prompt"][:KNOWN_BY] for row in rows}) == len(rows) == scenario.rows * len(scenario.places)
    )
    for place in scenario.places:
        assert sum(row["model"].startswith(f"{place}/") for row in rows) == scenario.rows
