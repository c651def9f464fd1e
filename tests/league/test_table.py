"""The page of the league: made of raw results, and of nothing else."""

import json

import pytest
from benchmarks.contract import BenchmarkError
from benchmarks.league import environments, table
from benchmarks.league.clients import CLIENTS
from benchmarks.league.record import Conditions, Record, read_all
from benchmarks.league.score import Run

MACHINE = {"system": "Linux", "machine": "x", "processor": "a processor", "processors": 2, "python": "3.11.7"}


def conditions(**versions):
    return Conditions("2026-11-20T12:00:00+00:00", 0.3, MACHINE, versions, "Its settings.")


def record(client, *runs, scenario="declared", ideal=20.0):
    about = CLIENTS[client]
    return Record(scenario, client, f"peers/{about.path.name}", ideal, conditions(it="1.0"), runs)


def run(span, *, answered=200, exit_code=0, refused=0, cpu=1.0):
    return Run(
        30.0, cpu, 50.4, 0.5, exit_code, 200, answered, requests=200 + refused, refused=refused, failed=0, twice=0,
        span_s=span, latency_s=0.05, in_flight=3,
    )  # fmt: skip


def lines(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]


def details(text, title="Declared limit"):
    return lines(text.partition(f"### {title}\n")[2].partition("###")[0])[2:]


def test_who_answered_everything_comes_first_and_then_the_faster_one():
    records = [
        record("openai-gather", run(10.0, answered=111, refused=1234)),
        record("prompto", run(22.0)),
        record("curator", run(40.0, answered=150, exit_code=None)),
        record("brimline", run(25.0)),
    ]
    assert details(table.render(records)) == [
        ["prompto", "22.0", "1.10", "0", "0", "0", "1.00", "50", "0.5", ""],
        ["brimline", "25.0", "1.25", "0", "0", "0", "1.00", "50", "0.5", ""],
        [
            "Bespoke Curator",
            "40.0",
            "-",
            "0",
            "50",
            "0",
            "1.00",
            "50",
            "0.5",
            "stopped after 30 s, 150 of 200 answered",
        ],
        ["openai + gather", "10.0", "-", "1,234", "89", "0", "1.00", "50", "0.5", ""],
    ]


def test_the_overview_has_a_ratio_only_where_nothing_is_lost():
    records = [record("prompto", run(22.0)), record("openai-gather", run(10.0, answered=111))]
    overview = lines(table.render(records).partition("### Declared")[0])
    assert overview[2:] == [["prompto", "1.10"], ["openai + gather", "111 of 200"]]


def test_rounds_are_medians_but_lost_rows_are_the_worst():
    once = record("prompto", run(22.0), run(30.0), run(24.0))
    assert details(table.render([once]))[0][1:3] == ["24.0", "1.20"]
    torn = record("prompto", run(22.0), run(30.0, answered=199))
    assert details(table.render([torn]))[0][2:5] == ["-", "0", "1"]


def test_a_scenario_without_a_time_shows_cpu():
    one = record("prompto", run(None, cpu=2.0), scenario="cpu", ideal=None)
    assert details(table.render([one]), "CPU")[0] == [
        "prompto",
        "30.00",
        "0",
        "2.00",
        "10.00",
        "50",
        "0.5",
        "",
    ]


def test_who_is_absent_is_named_with_the_reason():
    text = table.render([record("brimline", run(20.0), scenario="three")])
    assert details(text, "Three endpoints")[-1][0] == "Bespoke Curator"
    assert "not entered: an LLM has one base URL" in text


def test_only_what_stands_between_the_marks_is_made_anew():
    page = f"before\n{table.BEGIN}\nlast year\n{table.END}\nafter\n"
    new = table.update(page, [record("prompto", run(22.0))])
    assert new.startswith("before\n")
    assert new.endswith(f"{table.END}\nafter\n")
    assert "last year" not in new
    assert table.update(new, [record("prompto", run(22.0))]) == new
    with pytest.raises(BenchmarkError, match="marks"):
        table.update("a page", [record("prompto", run(22.0))])


def test_results_are_read_as_they_were_written(tmp_path):
    written = record("prompto", run(22.0), run(23.0))
    path = written.write(tmp_path)
    assert path.name == "declared--prompto.json"
    (found,) = read_all(tmp_path)
    assert found.as_json() == written.as_json()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"scenario": "gone"}, "no more"),
        ({"client": "gone"}, "no more"),
        ({"runs": []}, "no more"),
        ({"runs": [{"wall_s": 1.0}]}, "no result of the league"),
        ({"conditions": None}, "no result of the league"),
        ({"more": 1}, "no result of the league"),
    ],
)
def test_a_file_that_is_no_result_is_named(tmp_path, change, problem):
    path = record("prompto", run(22.0)).write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BenchmarkError, match=problem) as caught:
        Record.read(path)
    assert path.name in str(caught.value)


def test_the_page_is_what_the_results_say():
    """A figure on the page that no raw result holds does not exist; `python -m benchmarks.league table` makes it."""
    page = table.PAGE.read_text(encoding="utf-8")
    assert table.update(page, read_all()) == page


def test_results_name_no_place_of_the_machine_they_were_made_on():
    for path in table.HERE.glob("league/results/*.json"):
        assert not {"/tmp", "/home", "/root", "/work"} & {word[:5] for word in path.read_text().split('"')}, (
            path
        )


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_every_client_states_its_settings_and_pins_its_versions(client):
    assert client.settings
    if client.environment is None:
        return
    text = (environments.REQUIREMENTS / f"{client.environment}.txt").read_text()
    pinned = {line.partition("==")[0].partition("[")[0] for line in text.splitlines()}
    assert all("==" in line for line in text.splitlines())
    assert set(client.packages) <= pinned
