"""`--repeat` by the real command: how many answers each row has, and what a change of the number costs."""

import json

import pytest

from tests.cli.lab import until
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

ROWS = [{"text": f"p{n}"} for n in range(4)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl")
OUT = "out.jsonl"


@pytest.fixture
def lab(tmp_path, simulator):
    """A command line whose `lab/...` models never answer twice the same."""

    def start(rows=ROWS, scenario='[models."*"]\nreply = "lorem"\n'):
        cli = Cli(tmp_path)
        cli.server = simulator(scenario)
        cli.lab(cli.server.url)
        cli.write("in.jsonl", rows)
        return cli

    return start


def sent(cli):
    return cli.server.stats["total"]["received"]


def told(results):
    return [(result["id"], result["model"], result.get("repeat")) for result in results]


def expected(ids, models, repeat):
    return [(id_, model, which) for id_ in ids for model in models for which in range(repeat)]


def test_every_row_gets_so_many_answers_from_every_model_in_order(lab):
    cli = lab()
    done = cli(*RUN, "-m", "lab/y", "--repeat", 3)
    assert done.returncode == 0, done.stderr
    results = cli.results(OUT)
    assert told(results) == expected(range(4), ("lab/x", "lab/y"), 3)
    assert len({result["response"] for result in results}) == sent(cli) == 24
    assert list(results[0])[:5] == ["text", "id", "model", "repeat", "response"]
    before = (cli.folder / OUT).read_bytes()
    cli(*RUN, "-m", "lab/y", "--repeat", 3)
    assert (sent(cli), (cli.folder / OUT).read_bytes()) == (24, before)


@pytest.mark.parametrize("named", [False, True])
def test_a_change_of_the_number_costs_the_difference(lab, named):
    rows = [{**row, "id": f"r{n}"} for n, row in enumerate(ROWS)] if named else ROWS
    ids = [row["id"] for row in rows] if named else range(4)
    cli, cost, answers = lab(rows), 0, {}
    for repeat in (1, 3, 5, 2):
        done = cli(*RUN, "--repeat", repeat)
        assert done.returncode == 0, done.stderr
        results = cli.results(OUT)
        if repeat == 1:
            assert told(results) == [(id_, "lab/x", None) for id_ in ids]
        else:
            assert told(results) == expected(ids, ["lab/x"], repeat)
        now = {(result["id"], result.get("repeat", 0)): result["response"] for result in results}
        assert all(answers[name] == now[name] for name in answers.keys() & now.keys()), (
            "answers keep their number"
        )
        cost += 4 * max(0, repeat - len(answers) // 4)
        assert sent(cli) == cost
        answers = now
    aside = cli.results("out.jsonl.superseded.jsonl")
    assert [result["repeat"] for result in aside] == [2, 3, 4] * 4
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    assert (sent(cli), told(cli.results(OUT))) == (cost, [(id_, "lab/x", None) for id_ in ids])


@pytest.mark.slow
def test_rows_may_move_and_be_inserted(lab):
    cli = lab()
    cli(*RUN, "--repeat", 2)
    answers = {result["text"]: set() for result in cli.results(OUT)}
    for result in cli.results(OUT):
        answers[result["text"]].add(result["response"])
    cli.write("in.jsonl", [{"text": "new"}, *ROWS[::-1]])
    done = cli(*RUN, "--repeat", 2)
    assert done.returncode == 0, done.stderr
    results = cli.results(OUT)
    assert told(results) == expected(range(5), ["lab/x"], 2)
    assert sent(cli) == 10
    for row, one, other in zip([{"text": "new"}, *ROWS[::-1]], results[::2], results[1::2], strict=True):
        assert {one["response"], other["response"]} == answers.get(
            row["text"], {one["response"], other["response"]}
        )
        assert one["response"] != other["response"]


def test_with_dedupe_repeats_stay_apart(lab):
    cli = lab([{"text": text} for text in "abab"])
    done = cli(*RUN, "--repeat", 3, "--dedupe")
    assert done.returncode == 0, done.stderr
    results = cli.results(OUT)
    assert told(results) == expected(range(4), ["lab/x"], 3)
    assert sent(cli) == 6
    assert len({(result["text"], result["repeat"], result["response"]) for result in results}) == 6
    assert len({result["response"] for result in results}) == 6
    assert sum(result.get("duplicate", False) for result in results) == 6
    cli(*RUN, "--repeat", 4, "--dedupe")
    assert sent(cli) == 8
    assert len({(result["text"], result["repeat"], result["response"]) for result in cli.results(OUT)}) == 8


def test_each_repeat_of_a_conversation_has_its_own_turns(lab):
    cli = lab([{"turns": ["one", "two"]}])
    done = cli("run", "in.jsonl", "-m", "lab/x", "--prompt-column", "turns", "-o", OUT, "--repeat", 3)
    assert done.returncode == 0, done.stderr
    assert len({text for result in cli.results(OUT) for text in result["response"]}) == 6


@pytest.mark.slow
def test_a_kill_names_each_repeat_in_flight(lab):
    cli = lab(ROWS, '[models."*"]\nlatency = "2s"\nreply = "lorem"\n')
    command = (*RUN, "--repeat", 5, "--concurrency", 20)
    process = cli.start(*command)
    until(lambda: cli.server.stats["total"]["in_flight"] == 20)
    process.kill()
    process.communicate()
    done = cli(*command)
    assert "20 requests were in flight" in done.stderr


@pytest.mark.slow
def test_batch_rows_are_numbered_too(lab):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    cli = lab([{"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": body}])
    command = ("run", "in.jsonl", "-m", "lab/x", "-o", OUT)
    for repeat, cost in ((1, 1), (2, 2), (3, 3), (1, 3)):
        done = cli(*command, "--repeat", repeat)
        assert done.returncode == 0, done.stderr
        numbers = [result["brimline"].get("repeat") for result in cli.results(OUT)]
        assert numbers == ([None] if repeat == 1 else [*range(repeat)])
        assert sent(cli) == cost


def test_a_column_of_that_name_is_kept(lab):
    cli = lab([{"text": "p", "repeat": "weekly", "duplicate": "no"}])
    for repeat in (1, 2):
        done = cli(*RUN, "--repeat", repeat)
        assert done.returncode == 0, done.stderr
        for result in cli.results(OUT):
            assert (result["input-repeat"], result["input-duplicate"]) == ("weekly", "no")
    assert sent(cli) == 2


def test_a_problem_of_a_row_is_said_once(lab):
    cli = lab([{"text": "p"}])
    done = cli(*RUN, "--repeat", 5, "-P", "model=x")
    assert done.returncode == 2
    assert "1 problem, nothing was sent" in done.stderr
    cli.write("in.jsonl", [{"text": "p", "id": 1}] * 2)
    assert "1 problem, nothing was sent" in cli(*RUN, "--repeat", 5).stderr
    assert "10 requests" in cli("check", "in.jsonl", "-m", "lab/x", "-p", "hi", "--repeat", 5).stdout


@pytest.mark.slow
def test_the_configuration_may_ask_for_it(lab):
    cli = lab()
    cli.configure("[run]\nrepeat = 2\n")
    cli(*RUN)
    assert sent(cli) == 8
    report = json.loads(cli(*RUN, "--repeat", 1, "--json").stdout)
    assert (report["total"], report["superseded"]) == (4, 4)
    assert "--repeat" in cli(*RUN, "--repeat", 0).stderr
