"""The folders and names of an experiment, what is copied, what goes on and what begins anew."""

import csv
import json

import pytest

from brimline.errors import ConfigError, InputError, OutputError
from brimline.evals.data_folder import DataFolder
from brimline.evals.queues import Queues
from tests.experiment.conftest import NOW, rows

STAMP = "%d-%m-%Y-%H-%M-%S"


async def test_the_names_are_promptos_and_the_input_stays(lab):
    file = lab.write("exp.jsonl", rows(2))
    experiment = lab.open(file)
    report = await lab.run(experiment)
    stamp = lab.now.strftime(STAMP)
    assert lab.names() == [f"{stamp}-completed-exp.jsonl", f"{stamp}-input-exp.jsonl", f"{stamp}-log-exp.txt"]
    assert experiment.files.completed.parent == lab.data.output / "exp"
    assert file.read_bytes() == experiment.files.input.read_bytes()
    assert [path.name for path in sorted(lab.data.path.iterdir())] == ["input", "media", "output"]
    assert report.ok == 2


async def test_a_record_is_what_prompto_writes_and_more(lab):
    experiment = lab.open(lab.write("exp.jsonl", rows(1, note="kept", group="g")))
    await lab.run(experiment)
    (record,) = lab.completed(experiment)
    given = ["id", "api", "model_name", "prompt", "note", "group"]
    assert [*record][:6] == given
    assert record["response"] == "echo: question 0"
    assert record["timestamp_sent"]
    assert record["status"] == "ok"


async def test_the_log_tells_beginning_failures_and_end(lab):
    experiment = lab.open(lab.write("exp.jsonl", rows(2)))

    async def half(request):
        if request.id == "r1":
            raise ValueError("bad \x1b[31mred")
        return "fine"

    report = await lab.run(experiment, half)
    log = experiment.files.log.read_text()
    assert report.failed == 1
    assert "Started experiment: exp.jsonl, number of queries: 2" in log
    assert "Error (id=r1, model=lab/m) after " in log
    assert "bad \\x1b[31mred" in log
    assert "Completed experiment: exp.jsonl! Experiment processing time: " in log
    assert "\x1b" not in log


async def test_the_same_content_goes_on_and_fresh_begins_anew(lab):
    file = lab.write("exp.jsonl", rows(3))
    first = lab.open(file)
    await lab.run(first)
    again = lab.open(file)
    assert (again.files, again.is_new) == (first.files, False)
    await lab.run(again)
    assert lab.asked == ["r0", "r1", "r2"]
    fresh = lab.open(file, fresh=True)
    assert fresh.files.completed != first.files.completed
    await lab.run(fresh)
    assert len(lab.asked) == 6
    assert lab.open(file).files == fresh.files  # the last one


async def test_changed_content_begins_anew_and_leaves_the_old_output_alone(lab):
    file = lab.write("exp.jsonl", rows(1))
    first = lab.open(file)
    await lab.run(first)
    kept = first.files.completed.read_bytes()
    lab.write("exp.jsonl", rows(2))
    second = lab.open(file)
    assert second.is_new
    await lab.run(second)
    assert first.files.completed.read_bytes() == kept
    assert len(lab.completed(second)) == 2


async def test_outputs_that_begin_in_one_second_are_two(lab):
    one = lab.data.new_output(lab.write("exp.jsonl", rows(1)), NOW)
    other = lab.data.new_output(lab.folder / "exp.jsonl", NOW)
    assert (one.stamp[-2:], other.stamp[-2:]) == ("59", "00")


async def test_the_last_output_is_the_latest_not_the_last_by_name(lab):
    file = lab.write("exp.jsonl", rows(1))
    january = lab.data.new_output(file, NOW.replace(day=31, month=1))
    february = lab.data.new_output(file, NOW.replace(day=1, month=2))
    (lab.data.output / "exp" / "99-99-2026-00-00-00-input-exp.jsonl").write_bytes(file.read_bytes())
    assert january.stamp > february.stamp
    assert lab.data.last_output(file) == february


def test_a_file_is_found_by_its_name_in_the_input_folder(lab):
    inside = lab.write("data/input/exp.jsonl", rows(1))
    assert lab.data.find(inside.relative_to(lab.data.input)) == inside
    with pytest.raises(InputError, match="neither"):
        lab.data.find(inside.with_name("other.jsonl"))


def test_a_data_folder_has_to_exist(tmp_path):
    with pytest.raises(InputError, match="does not exist") as caught:
        DataFolder(tmp_path / "dta")
    assert "mkdir" in caught.value.hint
    assert not (tmp_path / "dta").exists()


async def test_a_csv_file_goes_in_and_out(lab):
    text = (
        "id,api,model_name,prompt,parameters-max_tokens,parameters-stop,group\n"
        '1,lab,m,"a, b",100,,\n'
        "2,lab,m,c,,.,g\n"
    )
    seen = []

    async def look(request):
        seen.append((request.id, dict(request.params), request.group))
        return "=1+1"

    experiment = lab.open(lab.write("exp.csv", text), Queues(max_queries=60_000, parallel=True))
    await lab.run(experiment, look, as_csv=True)
    assert sorted(seen) == [("1", {"max_tokens": 100}, "lab"), ("2", {"stop": "."}, "g")]
    assert experiment.files.input.suffix == ".csv"
    assert experiment.files.input.read_text() == text
    assert [json.loads(line) for line in experiment.files.as_rows.read_text().splitlines()] == [
        {"id": "1", "api": "lab", "model_name": "m", "prompt": "a, b", "parameters-max_tokens": "100",
         "parameters": {"max_tokens": 100}},
        {"id": "2", "api": "lab", "model_name": "m", "prompt": "c", "parameters-stop": ".", "group": "g",
         "parameters": {"stop": "."}},
    ]  # fmt: skip
    with experiment.files.table.open(newline="") as table:
        records = [*csv.DictReader(table)]
    assert [(record["id"], record["prompt"], record["response"]) for record in records] == [
        ("1", "a, b", "'=1+1"),
        ("2", "c", "'=1+1"),
    ]
    assert not lab.open(lab.folder / "exp.csv").is_new


async def test_media_are_in_the_data_folder(lab):
    lab.write("data/media/giro.jpg", b"\xff\xd8\xff\xe0pixels")
    part = {"type": "image_url", "image_url": "giro.jpg"}
    file = lab.write("exp.jsonl", rows(1, prompt=[{"role": "user", "content": [part]}]))
    seen = []

    async def look(request):
        seen.append(request.messages[-1]["content"][0]["image_url"]["url"])
        return "a race"

    await lab.run(lab.open(file), look)
    assert seen[0].startswith("data:image/jpeg;base64,")


async def test_two_processes_never_write_one_output(lab):
    file = lab.write("exp.jsonl", rows(1))
    first, second = lab.open(file), lab.open(file)
    prepared = first.prepare(first.options(), first.configured(_config()))
    try:
        with pytest.raises(OutputError, match="process"):
            second.prepare(second.options(), second.configured(_config()))
        assert first.files.input.exists()
    finally:
        prepared.release()


async def test_what_cannot_be_run_leaves_nothing(lab):
    file = lab.write("exp.jsonl", [*rows(1), {"api": "lab", "model_name": "m"}])
    experiment = lab.open(file)
    with pytest.raises(InputError) as caught:
        await lab.run(experiment)
    assert f"{file}:2: has no prompt" in str(caught.value)
    assert lab.names() == []
    assert [*lab.data.output.iterdir()] == []
    assert lab.asked == []


async def test_an_experiment_tries_as_often_as_it_says(lab):
    async def never(request):
        raise ConnectionError("gone")

    experiment = lab.open(lab.write("exp.jsonl", rows(1)), max_attempts=1)
    assert experiment.configured(_config()).run.max_tries == 1
    with pytest.raises(ConfigError):
        Queues(max_queries=0)


def _config():
    from brimline.config import Config, Endpoint

    return Config(endpoints={"lab": Endpoint(function=lambda _: "x")}, environment={})
