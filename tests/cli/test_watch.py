"""`brimline watch` as it is used: real processes, real files, and the simulator's own account of what it was asked."""

import json
import signal
from collections import Counter

import pytest

from tests.cli.lab import until
from tests.servers import Cli

pytestmark = pytest.mark.real_time

FAST = ("-mq", "1000000")


@pytest.fixture
def folder(tmp_path, simulator):
    """A data folder and a command line whose `lab` is a simulator."""
    cli = Cli(tmp_path)

    def start(scenario=""):
        cli.server = simulator(scenario)
        cli.lab(cli.server.url)
        (tmp_path / "data" / "input").mkdir(parents=True)
        return cli

    yield start
    cli.stop()


def put(cli, name, rows):
    """Let a file arrive whole, as a careful program would."""
    part = cli.folder / "data" / "input" / f"{name}.part"
    part.write_text("".join(line(name, n) for n in range(rows)))
    part.rename(part.with_suffix(""))


def line(name, n):
    row = {"id": n, "api": "lab", "model_name": "x", "prompt": f"{name} {n}"}
    return json.dumps(row) + "\n"


def answers(cli, name):
    (file,) = (cli.folder / "data" / "output" / name.removesuffix(".jsonl")).glob("*-completed-*.jsonl")
    return [row["response"] for row in cli.results(file)]


def is_over(cli, name):
    """Whether a file was run, and let go of."""
    output = cli.folder / "data" / "output"
    logs = [*(output / name).glob("*-log-*.txt")]
    return logs and "Completed" in logs[0].read_text() and not (output / ".claims" / name).exists()


def events(out):
    return [json.loads(text) for text in out.splitlines()]


def test_files_that_arrive_are_run_and_a_bad_one_is_put_aside(folder):
    cli = folder()
    inbox = cli.folder / "data" / "input"
    watcher = cli.start("watch", "data", "--json", *FAST)
    (inbox / "bad.jsonl").write_text('{"prompt": \n')
    put(cli, "good.jsonl", 3)
    until(lambda: is_over(cli, "good"))
    put(cli, "late.jsonl", 3)
    until(lambda: is_over(cli, "late"))
    watcher.send_signal(signal.SIGINT)
    out, err = watcher.communicate(timeout=20)
    assert watcher.returncode == 2, err
    assert [len(answers(cli, name)) for name in ("good", "late")] == [3, 3]
    assert sorted(path.name for path in (cli.folder / "data" / "rejected").iterdir()) == [
        "bad.jsonl",
        "bad.jsonl.reason.txt",
    ]
    told = Counter((event["event"], event.get("file")) for event in events(out))
    assert told["done", "late.jsonl"] == told["rejected", "bad.jsonl"] == 1
    assert "bad.jsonl:1: is not JSON" in err


def test_two_watchers_ask_every_row_of_twenty_files_once(folder):
    cli = folder('[models."*"]\nlatency = "uniform(10ms, 60ms)"')
    for n in range(20):
        put(cli, f"f{n}.jsonl", 5)
    pair = [cli.start("watch", "--once", "--json", "--at-once", "3", *FAST) for _ in range(2)]
    told = [events(watcher.communicate(timeout=50)[0]) for watcher in pair]
    done = [{event["file"] for event in one if event["event"] == "done"} for one in told]
    assert all(done)
    assert not done[0] & done[1]
    assert cli.server.stats["total"]["received"] == 100
    assert sorted(done[0] | done[1]) == sorted(f"f{n}.jsonl" for n in range(20))
    assert all(answers(cli, f"f{n}") == [f"echo: f{n}.jsonl {row}" for row in range(5)] for n in range(20))


def test_what_a_killed_watcher_has_left_another_one_takes_over(folder):
    cli = folder('[models."*"]\nlatency = "100ms"')
    put(cli, "a.jsonl", 40)
    first = cli.start("watch", "--concurrency", "4", *FAST)
    until(lambda: cli.server.stats["total"]["received"] >= 12)
    first.send_signal(signal.SIGSTOP)
    second = cli.start("watch", "--json", "--concurrency", "4", *FAST)
    assert json.loads(second.stdout.readline()) == {"event": "elsewhere", "file": "a.jsonl", "pid": first.pid}
    first.kill()
    first.communicate()
    while json.loads(second.stdout.readline())["event"] != "done":
        pass
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=20)
    assert second.returncode == 0
    assert answers(cli, "a") == [f"echo: a.jsonl {row}" for row in range(40)]
    assert 40 <= cli.server.stats["total"]["received"] <= 44  # what was in flight may be asked twice


def test_finished_files_go_to_their_output_if_that_is_asked_for(folder):
    cli = folder()
    put(cli, "a.jsonl", 2)
    assert cli("watch", "--once", *FAST).returncode == 0
    assert (cli.folder / "data" / "input" / "a.jsonl").exists()
    assert cli("watch", "--once", "--move-finished", *FAST).returncode == 0
    assert [*(cli.folder / "data" / "input").iterdir()] == []
    (copy,) = (cli.folder / "data" / "output" / "a").glob("*-input-a.jsonl")
    assert len(copy.read_text().splitlines()) == 2
    assert cli.server.stats["total"]["received"] == 2


def test_an_endpoint_that_refuses_is_said_and_the_file_stays(folder):
    cli = folder('keys = ["right"]')
    put(cli, "a.jsonl", 2)
    ran = cli("watch", "--once", *FAST)
    assert ran.returncode == 1
    assert "auth" in ran.stderr
    assert "is tried again in 30 s" in ran.stderr
    assert (cli.folder / "data" / "input" / "a.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "the data folder nowhere does not exist"),
        (("data", "-d", "data"), "name DATA once"),
        (("--max-queries-json", "rates.json"), "there is only one"),
        (("--fresh",), "No such option"),
    ],
)
def test_mistakes_are_said_before_anything_is_watched(cli, tmp_path, write, arguments, words):
    (tmp_path / "data").mkdir()
    write("rates.json", '{"lab": 5}')
    code, _, err = cli("watch", *arguments)
    assert code == 2
    assert words in err
