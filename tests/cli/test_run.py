"""The real command against the simulator in another process: what a user does, and what goes wrong meanwhile."""

import json
import os
import signal
import time

import pytest

from tests.cli.lab import ROWS, RUN, until
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]


def test_every_row_gets_its_own_answer_in_order(lab):
    cli = lab('[models."*"]\nlatency = "uniform(1ms, 60ms)"\n')
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    results = cli.results("out.jsonl")
    assert [result["response"] for result in results] == [f"echo: {row['text']}" for row in ROWS]
    assert [result["id"] for result in results] == [*range(40)]
    assert list(results[0]) == [
        "text", "id", "model", "response", "status", "error", "finish_reason", "usage", "cost_usd", "served_model",
        "request_id", "timestamp_sent", "latency_s", "attempts", "key",
    ]  # fmt: skip
    assert "40 of 40 answered" in done.stderr
    assert done.stdout == ""


def test_running_it_again_sends_nothing(lab):
    cli = lab()
    cli(*RUN)
    before = (cli.folder / "out.jsonl").read_bytes()
    done = cli(*RUN)
    assert (done.returncode, (cli.folder / "out.jsonl").read_bytes()) == (0, before)
    assert cli.server.stats["total"]["received"] == 40


def test_a_changed_row_is_the_only_one_sent_and_the_old_answer_is_put_aside(lab):
    cli = lab()
    cli(*RUN)
    cli.write("in.jsonl", [{"text": "new"}, *ROWS[:5], {"text": "changed"}, *ROWS[6:]])
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    results = cli.results("out.jsonl")
    assert [result["id"] for result in results] == [*range(41)], "rows that have moved have their new number"
    assert results[0]["response"] == "echo: new"
    assert results[6]["response"] == "echo: changed"
    assert cli.server.stats["total"]["received"] == 42
    aside = cli.results("out.jsonl.superseded.jsonl")
    assert [result["text"] for result in aside] == ["prompt 5"]


def test_columns_that_are_not_sent_follow_the_input(lab):
    """A corrected label costs nothing and is in the results; so is the label of a row that has moved."""
    cli = lab(rows=[{"text": "same", "label": name} for name in "abc"])
    cli(*RUN)
    cli.write("in.jsonl", [{"text": "same", "label": name} for name in ("a", "B!")])
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    assert [(result["id"], result["label"]) for result in cli.results("out.jsonl")] == [(0, "a"), (1, "B!")]
    assert cli.server.stats["total"]["received"] == 3


def test_damaged_lines_are_put_aside(lab):
    cli = lab()
    cli(*RUN)
    lines = (cli.folder / "out.jsonl").read_bytes().splitlines(keepends=True)
    (cli.folder / "out.jsonl").write_bytes(b"".join((*lines[:3], b"damaged \x00\n", *lines[4:])))
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    assert [result["id"] for result in cli.results("out.jsonl")] == [*range(40)]
    assert (cli.folder / "out.jsonl.superseded.jsonl").read_bytes() == b"damaged \x00\n"
    assert cli.server.stats["total"]["received"] == 41


def test_equal_rows_are_samples(lab):
    cli = lab(rows=[{"text": "same"}] * 10)
    cli(*RUN)
    assert cli.server.stats["total"]["received"] == 10
    cli.write("in.jsonl", [{"text": "same"}] * 13)
    cli(*RUN)
    assert cli.server.stats["total"]["received"] == 13
    assert [result["id"] for result in cli.results("out.jsonl")] == [*range(13)]


def test_a_changed_template_sends_every_row_again(lab):
    cli = lab()
    cli(*RUN)
    done = cli("run", "in.jsonl", "-m", "lab/x", "-p", "Say {{ text }}", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert len(cli.results("out.jsonl")) == 40
    assert len(cli.results("out.jsonl.superseded.jsonl")) == 40


def test_fresh_starts_over_and_keeps_the_old_answers(lab):
    cli = lab()
    cli(*RUN)
    done = cli(*RUN, "--fresh")
    assert done.returncode == 0, done.stderr
    assert cli.server.stats["total"]["received"] == 80
    kept = list(cli.folder.glob("out.jsonl.2*"))
    assert [len(path.read_bytes().splitlines()) for path in kept] == [40]


def test_several_models_each_get_every_row(lab):
    cli = lab()
    done = cli("run", "in.jsonl", "-m", "lab/a", "-m", "lab/b", "-p", "{{ text }}", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    pairs = [(result["id"], result["model"]) for result in cli.results("out.jsonl")]
    assert pairs == [(n, model) for n in range(40) for model in ("lab/a", "lab/b")]


def test_csv_gives_the_same_requests(lab):
    cli = lab()
    cli(*RUN)
    lines = ["text,parameters-temperature", *(f"prompt {n}," for n in range(39)), '"prompt 39",0.5']
    (cli.folder / "in.csv").write_text("\n".join(lines) + "\n")
    done = cli("run", "in.csv", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert cli.server.stats["total"]["received"] == 41, "only the row with a temperature differs"


def test_standard_input_and_output(lab):
    cli = lab()
    with (cli.folder / "in.jsonl").open() as rows:
        done = cli("run", "-", "-m", "lab/x", "-p", "{{ text }}", "-o", "-", stdin=rows)
    assert done.returncode == 0, done.stderr
    texts = {json.loads(line)["response"] for line in done.stdout.splitlines()}
    assert texts == {f"echo: prompt {n}" for n in range(40)}
    assert "cannot be resumed" in done.stderr


def test_batch_files_come_out_as_batch_files(lab):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    rows = [
        {"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n in range(3)
    ]
    cli = lab(rows=rows)
    done = cli("run", "in.jsonl", "-m", "lab/x", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    first = cli.results("out.jsonl")[0]
    assert list(first) == ["id", "custom_id", "response", "error", "brimline"]
    assert first["custom_id"] == "r0"
    assert first["response"]["body"]["choices"][0]["message"]["content"] == "echo: hi"
    assert list(first["brimline"]) == ["key", "model", "status", "attempts"]
    cli("run", "in.jsonl", "-m", "lab/x", "-o", "out.jsonl")
    assert cli.server.stats["total"]["received"] == 3


def test_a_conversation_sends_each_turn_with_the_history(lab):
    cli = lab('[models."*"]\nreply = "answer"\n', rows=[{"turns": ["one", "two", "three"]}])
    done = cli("run", "in.jsonl", "-m", "lab/x", "--prompt-column", "turns", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    (result,) = cli.results("out.jsonl")
    assert len(result["response"]) == len(set(result["response"])) == 3
    assert result["attempts"] == 3


def test_finished_turns_are_not_paid_for_again_after_a_kill(lab):
    rows = [{"turns": [f"{n} one", f"{n} two", f"{n} three"]} for n in range(8)]
    cli = lab('[models."*"]\nlatency = "300ms"\nreply = "answer"\n', rows=rows)
    command = ("run", "in.jsonl", "-m", "lab/x", "--prompt-column", "turns", "-o", "out.jsonl")
    process = cli.start(*command)
    until(lambda: cli.server.stats["total"]["served"] >= 8)
    until(lambda: cli.server.stats["total"]["in_flight"] == 8)
    process.kill()
    process.communicate()
    done = cli(*command)
    assert done.returncode == 0, done.stderr
    first_turns = [entry for entry in cli.server.ledger if entry["text"].endswith("one")]
    assert len(first_turns) == 8, "each first turn was sent once"
    assert "8 requests were in flight" in done.stderr


def test_a_refused_key_stops_at_once_and_leaves_rows_pending(lab, tmp_path):
    cli = lab('keys = ["good"]\n')
    text = f'[endpoints.lab]\nbase_url = "{cli.server.url}"\nkey = "env:LAB_KEY"\n'
    (tmp_path / "brimline.toml").write_text(text)
    cli.environment["LAB_KEY"] = "sk-very-secret"
    done = cli(*RUN, "--concurrency", "4")
    assert done.returncode == 1
    assert "lab has stopped (auth)" in done.stderr
    assert "40 pending" in done.stderr
    assert cli.results("out.jsonl") == []
    assert cli.server.stats["total"]["received"] <= 8
    everything = (
        done.stdout
        + done.stderr
        + "".join(
            path.read_text("latin-1")
            for path in tmp_path.rglob("*")
            if path.is_file() and path.name != "brimline.toml"
        )
    )
    assert "sk-very-secret" not in everything
    cli.environment["LAB_KEY"] = "good"
    assert cli(*RUN).returncode == 0


def test_an_unknown_model_stops_and_the_other_goes_on(lab):
    cli = lab("strict_models = true\n[models.good]\n")
    done = cli("run", "in.jsonl", "-m", "lab/good", "-m", "lab/bad", "-p", "{{ text }}", "-o", "out.jsonl")
    assert done.returncode == 1
    assert "lab/bad has stopped (not_found)" in done.stderr
    assert {result["model"] for result in cli.results("out.jsonl")} == {"lab/good"}
    assert len(cli.results("out.jsonl")) == 40


def test_a_hopeless_row_fails_by_itself(lab):
    cli = lab('[[models."*".faults]]\nkind = "400"\nwhen = "prompt 7"\n')
    done = cli(*RUN)
    assert done.returncode == 3
    failed = [result for result in cli.results("out.jsonl") if result["status"] == "failed"]
    assert [(result["id"], result["error"]["kind"], result["attempts"]) for result in failed] == [
        (7, "invalid_request", 1)
    ]
    assert failed[0]["response"] is None
    assert cli(*RUN).returncode == 3, "it stays failed"
    assert cli.server.stats["total"]["received"] == 40, "and is not sent again"
    cli(*RUN, "--retry", "all")
    assert cli.server.stats["total"]["received"] == 41
    assert cli(*RUN, "--max-failed", "1").returncode == 0


def test_what_failed_for_a_passing_reason_is_sent_again(lab):
    cli = lab('[[models."*".faults]]\nkind = "malformed"\nwhen = "prompt 7"\ntimes = 2\n')
    assert cli(*RUN, "--max-tries", "2").returncode == 3
    assert cli(*RUN, "--retry", "none", "--max-failed", "5").returncode == 0
    done = cli(*RUN, "--max-tries", "2")
    assert done.returncode == 0, done.stderr
    assert [result["status"] for result in cli.results("out.jsonl")] == ["ok"] * 40


def test_too_many_failures_stop_the_run(lab):
    cli = lab('[models."*"]\nlatency = "30ms"\n[[models."*".faults]]\nkind = "400"\n')
    done = cli(*RUN, "--stop-after-failed", "5", "--concurrency", "2")
    assert done.returncode == 5
    assert cli.server.stats["total"]["received"] < 15


def test_a_deadline_stops_the_run_and_it_resumes(lab):
    cli = lab('[models."*"]\nlatency = "200ms"\n')
    done = cli(*RUN, "--concurrency", "2", "--deadline", "1.5")
    assert done.returncode == 5
    answered = len(cli.results("out.jsonl"))
    assert 2 <= answered < 40
    assert cli(*RUN).returncode == 0
    assert cli.server.stats["total"]["received"] == 40, "what was in flight was finished"


def test_limit_and_shard_restrict_what_is_sent(lab):
    cli = lab()
    assert cli(*RUN, "--limit", "5").returncode == 0
    assert len(cli.results("out.jsonl")) == 5
    cli(*RUN, "--shard", "2/4")
    assert [result["id"] for result in cli.results("out.jsonl")[5:]] == [*range(10, 20)] or {
        result["id"] for result in cli.results("out.jsonl")
    } == {*range(5), *range(10, 20)}
    assert cli(*RUN).returncode == 0
    assert [result["id"] for result in cli.results("out.jsonl")] == [*range(40)]


def test_the_first_interrupt_drains_and_the_run_resumes(lab):
    cli = lab('[models."*"]\nlatency = "500ms"\n')
    process = cli.start(*RUN, "--concurrency", "8")
    until(lambda: cli.server.stats["total"]["in_flight"] == 8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert cli.server.stats["total"]["received"] == len(cli.results("out.jsonl")) == 8, (
        "what was in flight is kept"
    )
    assert cli(*RUN).returncode == 0
    assert cli.server.stats["total"]["received"] == 40


def test_the_second_interrupt_stops_at_once_and_the_run_resumes(lab):
    cli = lab('[models."*"]\nlatency = "20s"\n[models.quick]\nlatency = "0s"\n')
    process = cli.start(
        "run", "in.jsonl", "-m", "lab/quick", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl"
    )
    until(lambda: cli.server.stats["models"].get("x", {}).get("in_flight") == 32)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "it waits for what is in flight"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130, err
    assert {result["model"] for result in cli.results("out.jsonl")} == {"lab/quick"}
    done = cli(
        "run",
        "in.jsonl",
        "-m",
        "lab/quick",
        "-m",
        "lab/x",
        "-p",
        "{{ text }}",
        "-o",
        "out.jsonl",
        "--limit",
        "0",
    )
    assert "32 requests were in flight" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_terminate_and_hang_up_let_what_is_in_flight_end(lab, number, code):
    cli = lab('[models."*"]\nlatency = "300ms"\n')
    process = cli.start(*RUN, "--concurrency", "8")
    until(lambda: cli.server.stats["total"]["in_flight"] == 8)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == code
    assert cli.server.stats["total"]["received"] == len(cli.results("out.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_is_in_flight_has_25_seconds_after_terminate(lab, number, code):
    cli = lab('[models."*"]\nlatency = "120s"\n[models.quick]\nlatency = "5s"\n')
    both = ("run", "in.jsonl", "-m", "lab/quick", "-m", "lab/x", "-p", "{{ text }}", "-o", "out.jsonl")
    process = cli.start(*both, "--limit", "16")
    until(lambda: cli.server.stats["total"]["in_flight"] == 16)
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=40)
    assert 24 < time.monotonic() - began < 35
    assert process.returncode == code, err
    results = cli.results("out.jsonl")
    assert {result["model"] for result in results} == {"lab/quick"}
    assert len(results) == cli.server.stats["models"]["quick"]["received"]
    again = cli(*both, "--limit", "0")
    assert f"{16 - len(results)} requests were in flight" in again.stderr


@pytest.mark.parametrize("display", ["live", "lines"])
def test_a_terminal_that_is_closed_hangs_up_and_what_was_answered_is_kept(lab, display):
    cli = lab('[models."*"]\nlatency = "300ms"\n')
    terminal, stderr = os.openpty()
    process = cli.start(*RUN, "--concurrency", "8", "--display", display, stderr=stderr)
    os.close(stderr)
    until(lambda: cli.server.stats["total"]["in_flight"] == 8)
    os.close(terminal)  # from now on each write fails
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 129
    assert cli.server.stats["total"]["received"] == len(cli.results("out.jsonl"))


def test_a_torn_tail_is_cut_before_the_first_append(lab):
    cli = lab()
    cli(*RUN, "--limit", "10")
    with (cli.folder / "out.jsonl").open("ab") as out:
        out.write(b'{"text":"prompt 11","id":11,"resp')
    done = cli(*RUN)
    assert done.returncode == 0, done.stderr
    assert "were torn by a crash" in done.stderr
    assert [result["id"] for result in cli.results("out.jsonl")] == [*range(40)]


def test_losing_the_folder_loses_no_results(lab):
    cli = lab()
    cli(*RUN, "--limit", "25")
    for path in (cli.folder / "out.jsonl.run").iterdir():
        path.unlink()
    (cli.folder / "out.jsonl.run").rmdir()
    assert cli(*RUN).returncode == 0
    assert cli.server.stats["total"]["received"] == 40


def test_two_processes_on_one_output(lab):
    cli = lab('[models."*"]\nlatency = "3s"\n')
    first = cli.start(*RUN, "--concurrency", "40")
    until(lambda: cli.server.stats["total"]["in_flight"] > 0)
    second = cli(*RUN)
    assert second.returncode == 2
    assert f"being written by process {first.pid}" in second.stderr
    first.communicate(timeout=20)
    assert first.returncode == 0


def test_the_report_as_json(lab):
    cli = lab()
    done = cli(*RUN, "--json")
    report = json.loads(done.stdout)
    assert (report["total"], report["ok"], report["exit_code"]) == (40, 40, 0)
    assert report["cost_usd"] is None


def test_the_simulator_starts_by_itself_for_sim_models(tmp_path):
    cli = Cli(tmp_path)
    cli.write("in.jsonl", ROWS)
    done = cli("run", "in.jsonl", "-m", "sim/echo", "-p", "{{ text }}")
    assert done.returncode == 0, done.stderr
    assert len(cli.results("in.results.jsonl")) == 40


def test_escapes_of_models_and_servers_never_reach_the_terminal(lab):
    cli = lab("strict_models = true\n[models.good]\n")
    done = cli("run", "in.jsonl", "-m", "lab/\x1b[31mbad\x07", "-p", "{{ text }}", "-o", "out.jsonl")
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr


LONG = [{"text": f"prompt {n} " + "x" * 2000} for n in range(1000)]
TO_STDOUT = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "-o", "-")


def test_a_reader_that_leaves_ends_the_run(lab):
    """`brimline run -o - | head -1`"""
    cli = lab(rows=LONG)
    process = cli.start(*TO_STDOUT)
    assert json.loads(process.stdout.readline())["status"] == "ok"
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=20) == 1
    assert "standard output was closed by who reads it" in err
    assert "running it again resumes" not in err
    assert "Exception ignored" not in err
    assert cli.server.stats["total"]["received"] < 1000
    process.stderr.close()


def test_a_reader_that_stops_reading_holds_nothing_up(lab):
    """Nothing more is sent than fits into the pipe, and the run can still be ended."""
    cli = lab(rows=LONG)
    process = cli.start(*TO_STDOUT, "--concurrency", "4")
    until(lambda: cli.server.stats["total"]["served"] > 10 and cli.server.stats["total"]["in_flight"] == 0)
    time.sleep(0.5)
    assert cli.server.stats["total"]["received"] < 200
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(1.2)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
