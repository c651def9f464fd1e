"""The faults of prompto that concern its commands: each is named after its place in the facts, and does not happen here."""

import asyncio
import json
import signal

import pytest

from brimline.errors import InputError
from brimline.evals import find_scorer, score_file
from brimline.evals.queues import Queues
from tests.experiment.conftest import FAST, rows
from tests.servers import Cli


@pytest.fixture
def cli(tmp_path):
    cli = Cli(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "answers.py").write_text(
        "import asyncio\n"
        "async def echo(request):\n    return 'yes'\n"
        "async def slow(request):\n    await asyncio.sleep(0.3)\n    return 'yes'\n"
        "def unkeyed(request):\n    raise PermissionError('no')\n"
    )
    cli.environment["PYTHONPATH"] = str(tmp_path)
    yield cli
    cli.stop()


def answering(cli, name):
    (cli.folder / "brimline.toml").write_text(f'[endpoints.lab]\nfunction = "answers:{name}"\n')


def completed(cli, name="exp"):
    (path,) = cli.folder.glob(f"data/output/{name}/*-completed-{name}.jsonl")
    return path, [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_4_1_a_scorer_that_raises_leaves_the_answer_alone(lab):
    experiment = lab.open(lab.write("exp.jsonl", rows(2)))
    await lab.run(experiment)
    before = experiment.files.completed.read_bytes()
    scored = score_file(experiment.files.completed, [find_scorer("match")])  # no row has an expected answer
    assert scored.unscored == 2
    assert experiment.files.completed.read_bytes() == before


async def test_4_2_what_is_named_is_run_not_what_has_its_name_in_the_input_folder(lab):
    lab.write("data/input/exp.jsonl", rows(1, prompt="stale"))
    experiment = lab.open(lab.write("other/exp.jsonl", rows(1, prompt="fresh")))
    await lab.run(experiment)
    assert lab.completed(experiment)[0]["response"] == "echo: fresh"


@pytest.mark.parametrize(
    ("name", "text"), [("exp.csv", "id\n1\n"), ("e.csv", ""), ("exp.csv", "prompt\nhi\n")]
)
def test_4_3_checking_a_csv_file_ends_and_leaves_it_as_it_is(cli, name, text):
    file = cli.folder / name
    file.write_text(text)
    done = cli("check", name, timeout=20)
    assert done.returncode == 2
    assert file.read_text() == text
    assert {path.name for path in cli.folder.iterdir()} == {"data", "answers.py", name}


async def test_4_4_a_csv_file_consumes_nothing_that_waits(lab):
    waiting = lab.write("data/input/exp.jsonl", rows(3))
    given = lab.write("data/input/exp.csv", "id,api,model_name,prompt\n1,lab,m,hi\n")
    kept = waiting.read_bytes(), given.read_bytes()
    await lab.run(lab.open(given))
    assert (waiting.read_bytes(), given.read_bytes()) == kept


def test_4_5_an_interrupted_run_has_no_record_of_what_was_not_answered(cli):
    answering(cli, "slow")
    cli.write("exp.jsonl", rows(20))
    arguments = ("experiment", "run", "exp.jsonl", "-mq", "60000", "-ma", "1", "--concurrency", "2")
    process = cli.start(*arguments)
    _until(
        lambda: (
            (found := [*cli.folder.glob("data/output/exp/*-completed-exp.jsonl")]) and found[0].stat().st_size
        )
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    _, records = completed(cli)
    assert 0 < len(records) < 20
    assert all(record["status"] == "ok" for record in records)
    done = cli(*arguments, "--json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert (report["ok"], report["answered"]) == (20, 20 - len(records))
    assert len(completed(cli)[1]) == 20


def test_4_6_what_failed_is_missing_and_is_not_judged(cli):
    answering(cli, "unkeyed")
    cli.write("exp.jsonl", rows(2))
    cli("experiment", "run", "exp.jsonl", "-mq", "60000", "-ma", "1", "--max-failed", "100%")
    path, _ = completed(cli)
    done = cli("status", path, "--missing")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["r0", "r1"]
    cli.write("settings.json", [])
    (cli.folder / "settings.json").write_text('{"j": {"api": "lab", "model_name": "m", "parameters": {}}}')
    (cli.folder / "template.txt").write_text("{OUTPUT_RESPONSE}?")
    judged = cli("judge", path, "--judge-folder", ".", "-j", "j")
    assert judged.returncode == 2
    assert "no answered row to judge" in judged.stderr


async def test_4_7_what_is_no_json_is_the_failure_of_its_row(lab):
    async def odd(request):
        return {"a", "set"} if request.id == "r1" else "fine"

    experiment = lab.open(lab.write("exp.jsonl", rows(3)), max_attempts=1)
    report = await lab.run(experiment, odd)
    assert (report.ok, report.failed) == (2, 1)
    assert [record["status"] for record in lab.completed(experiment)] == ["ok", "failed", "ok"]


def test_4_11_a_killed_run_is_resumed_by_the_same_command(cli):
    answering(cli, "slow")
    file = cli.write("exp.jsonl", rows(12))
    kept = file.read_bytes()
    arguments = ("experiment", "run", "-f", "exp.jsonl", "-mq", "60000", "--concurrency", "2")
    process = cli.start(*arguments)
    _until(
        lambda: (
            (found := [*cli.folder.glob("data/output/exp/*-completed-exp.jsonl")]) and found[0].stat().st_size
        )
    )
    process.kill()
    process.communicate()
    path, records = completed(cli)
    with path.open("ab") as torn:
        torn.write(b'{"id": "r9", "api')
    done = cli(*arguments, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["answered"] == 12 - len(records)
    assert sorted(record["id"] for record in completed(cli)[1]) == sorted(f"r{n}" for n in range(12))
    assert file.read_bytes() == kept


def test_4_12_the_exit_code_tells_of_failures_and_of_invalid_files(cli):
    answering(cli, "unkeyed")
    cli.write("exp.jsonl", rows(2))
    done = cli("experiment", "run", "exp.jsonl", "-mq", "60000", "-ma", "1", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["failed"] == 2
    cli.write("bad.jsonl", [{"api": "lab"}])
    assert cli("check", "bad.jsonl").returncode == 2


def test_4_13_a_row_without_a_prompt_is_a_problem_like_any_other(cli):
    answering(cli, "echo")
    cli.write("bad.jsonl", [{"api": "lab", "model_name": "m"}, *rows(1), {"prompt": "x"}])
    done = cli("check", "bad.jsonl")
    assert done.returncode == 2
    assert "bad.jsonl:1: has no prompt" in done.stderr
    assert "bad.jsonl:3: names no model" in done.stderr


@pytest.mark.parametrize("content", ["", "\n\n"])
async def test_4_14_an_empty_file_is_named_and_stays(lab, content):
    file = lab.write("exp.jsonl", content)
    with pytest.raises(InputError, match="holds no rows"):
        await lab.run(lab.open(file))
    assert file.exists()
    assert lab.names() == []


async def test_4_14_a_blank_line_is_none(lab):
    text = "\n".join(json.dumps(row) for row in rows(2)) + "\n\n"
    report = await lab.run(lab.open(lab.write("exp.jsonl", text.replace("\n", "\n\n"))))
    assert report.ok == 2


def test_4_14_a_rate_of_nothing_is_refused_before_anything_happens(cli):
    answering(cli, "echo")
    cli.write("exp.jsonl", rows(1))
    (cli.folder / "rates.json").write_text('{"lab": 0}')
    done = cli("experiment", "run", "exp.jsonl", "-p", "-mqj", "rates.json")
    assert done.returncode == 2
    assert "lab: expected queries a minute, at least 1, got 0" in done.stderr
    assert not [*cli.folder.glob("data/*")]


async def test_4_18_a_straggler_holds_no_retry_up(lab):
    ended, tries = [], []

    async def uneven(request):
        if request.id == "r0":
            await asyncio.sleep(1.5)
        elif request.id not in tries:
            tries.append(request.id)
            raise ConnectionError("once")
        ended.append(request.id)
        return "yes"

    report = await lab.run(lab.open(lab.write("exp.jsonl", rows(4))), uneven)
    assert report.ok == 4
    assert ended[-1] == "r0"


async def test_4_20_every_turn_of_a_conversation_counts_in_its_queue(lab):
    moments = []
    loop = asyncio.get_running_loop()

    async def answer(request):
        moments.append(loop.time())
        return "yes"

    queues = Queues(max_queries=1200)  # a burst of 19, then 20 a second
    prompts = rows(10, prompt=["one", "two", "three"])
    await lab.run(lab.open(lab.write("exp.jsonl", prompts), queues), answer)
    assert len(moments) == 30
    assert moments[-1] - moments[0] > (30 - 20) / 20 * 0.9


async def test_4_26_records_are_in_the_order_of_the_rows_and_errors_name_them(lab):
    async def backwards(request):
        await asyncio.sleep(0.05 * (5 - int(request.id[1:])))
        return "yes"

    experiment = lab.open(lab.write("exp.jsonl", rows(5)), FAST)
    await lab.run(experiment, backwards)
    assert [record["id"] for record in lab.completed(experiment)] == [f"r{n}" for n in range(5)]


async def test_4_27_an_id_that_is_there_twice_is_named_with_both_lines(lab):
    file = lab.write("exp.jsonl", [*rows(1), *rows(1, prompt="another")])
    with pytest.raises(InputError) as caught:
        await lab.run(lab.open(file))
    assert "lines 1 and 2 give the same id 'r0'" in str(caught.value)


def _until(condition):
    import time

    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
