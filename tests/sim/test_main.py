"""The simulator in a process of its own, as users and crash tests start it."""

import json
import signal
import socket
import urllib.request

import pytest

from .harness import chat, started

pytestmark = pytest.mark.real_time


def ask(url, text="hi"):
    request = urllib.request.Request(f"{url}/chat/completions", data=chat(text), method="POST")
    with urllib.request.urlopen(request, timeout=5) as reply:
        return json.loads(reply.read())


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_told_to_stop_and_keeps_its_ledger(tmp_path, stop):
    scenario, ledger = tmp_path / "s.toml", tmp_path / "ledger.jsonl"
    scenario.write_text('[models."*"]\nreply = "answer"\n')
    ledger.write_text('{"from": "an earlier run"}\n')
    with started("--scenario", scenario, "--ledger", ledger) as (process, url):
        texts = [ask(url, f"{i}")["choices"][0]["message"]["content"] for i in range(3)]
        process.send_signal(stop)
        assert process.wait(5) == 0
        assert process.stderr.read() == ""
    assert len(set(texts)) == 3
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line.get("text") for line in lines] == [None, "0", "1", "2"]


def test_the_ledger_file_can_be_followed(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    with started("--ledger", ledger) as (_, url):
        ask(url)
        while not ledger.read_text():
            pass
        with urllib.request.urlopen(f"{url}/sim/ledger", timeout=5) as reply:
            assert reply.read() == ledger.read_bytes()


def test_what_cannot_be_used_is_said_in_one_line(tmp_path):
    (tmp_path / "s.toml").write_text('[models."*"]\nreply = "missing.jsonl"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        attempts = [["--scenario", tmp_path / "s.toml"], ["--port", taken.getsockname()[1]]]
        for options, said in zip(attempts, ["missing.jsonl: cannot be replayed", "in use"], strict=True):
            with started(*options) as (process, url):
                assert (url, process.wait(5)) == ("", 2)
                message = process.stderr.read()
            assert said in message
            assert message.count("\n") == 1
