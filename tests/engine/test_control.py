"""A word to a live run: one line in, one line out, whoever asks and however badly."""

import asyncio
import json
import os
import socket
import tempfile
from pathlib import Path

import pytest

from brimline.config import LimitRule
from brimline.core.quota import parse_quotas
from brimline.engine.commands import LONGEST_COMMAND, Change, Look, Pause, Resume, Set, Stop
from brimline.engine.control import PATIENCE, Control
from brimline.engine.remote import NoRun, look, tell
from brimline.engine.status import State, Status
from brimline.errors import OutputError, RunError, UsageError
from brimline.store.folder import RunFolder
from brimline.store.socket import ControlSocket, find_socket
from tests.engine.bench import now, others


class Puppet:
    """Writes down what it is told."""

    def __init__(self):
        self.told = []
        self.answer = "so be it"

    def status(self):
        return Status(output="out.jsonl", state=State.RUNNING, pid=os.getpid(), ok=1)

    def _do(self, *what):
        self.told.append(what)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def pause(self):
        return self._do("pause")

    def resume(self):
        return self._do("resume")

    def halt(self, *, now):
        return self._do("halt", now)

    def declare(self, rules):
        return self._do("declare", rules)


@pytest.fixture
def output():
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        yield Path(folder) / "out.jsonl"


@pytest.fixture
async def control(output):
    """A run that listens."""
    folder = RunFolder(output)
    control = Control(Puppet(), folder.path)
    await control.open()
    yield control
    control.close()
    folder.release()
    await asyncio.sleep(0.1)
    assert not others()
    assert find_socket(folder.path) is None


async def say(output, command):
    return await asyncio.to_thread(tell, output, command)


async def talk(output, data, *, end=False):
    """Say anything at all, and return everything that comes back."""
    reader, writer = await asyncio.open_unix_connection(str(find_socket(output.with_name("out.jsonl.run"))))
    writer.write(data)
    if end:
        writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_each_command_is_one_call(control, output):
    rule = LimitRule(pattern="lab/*", quotas=parse_quotas("5/s"), source="brimline set")
    for command in (Pause(), Resume(), Stop(), Stop(now=True), Set((Change("lab/*", "5/s"),))):
        done = await say(output, command)
        assert (done.said, done.status.ok) == ("so be it", 1)
    assert control._run.told == [
        ("pause",),
        ("resume",),
        ("halt", False),
        ("halt", True),
        ("declare", [rule]),
    ]
    done = await say(output, Look())
    assert (done.said, done.status.state) == ("", State.RUNNING)


async def test_a_refusal_has_the_runs_own_words(control, output):
    control._run.answer = UsageError("the run is ending", hint="Wait.")
    with pytest.raises(UsageError, match=r"the run is ending\n  Wait\."):
        await say(output, Pause())


@pytest.mark.parametrize("change", [Change(rate="5/fortnight"), Change(concurrency=0)])
async def test_a_limit_that_is_none_is_refused(control, output, change):
    with pytest.raises(UsageError):
        await say(output, Set((change,)))
    assert control._run.told == []


async def test_a_bug_in_a_command_ends_nothing(control, output):
    control._run.answer = ValueError("a bug")
    with pytest.raises(UsageError, match="internal error: ValueError: a bug"):
        await say(output, Pause())
    control._run.answer = "fine"
    assert (await say(output, Pause())).said == "fine"


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"\xff\x00", b"null", b'{"command":"dance"}', b'{"command":"set"}', b"[" * 50_000]
)
async def test_what_is_no_command_is_refused(control, output, line):
    reply = json.loads(await talk(output, line + b"\n"))
    assert reply["reply"] == "refused"
    assert control._run.told == []


async def test_a_command_without_end_is_cut_off(control, output):
    reply = json.loads(await talk(output, b"x" * (LONGEST_COMMAND + 100_000)))
    assert reply == {"reply": "refused", "reason": "the command is too long"}


async def test_a_second_line_is_not_heard(control, output):
    await talk(output, b'{"command":"pause"}\n{"command":"stop"}\n')
    assert control._run.told == [("pause",)]


async def test_a_command_in_pieces_is_heard(control, output):
    reader, writer = await asyncio.open_unix_connection(str(find_socket(output.with_name("out.jsonl.run"))))
    for byte in b'{"command":"pause"}\n':
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.01)
    assert json.loads(await reader.read())["said"] == "so be it"
    writer.close()


async def test_who_says_nothing_is_hung_up_on(control, output):
    assert await talk(output, b'{"command"') == b""
    assert now() == pytest.approx(PATIENCE)
    assert not control._clients


async def test_who_leaves_early_does_no_harm(control, output):
    assert await talk(output, b'{"command"', end=True) == b""
    await asyncio.sleep(0.1)
    assert not control._clients


async def test_closing_hangs_up(output):
    folder = RunFolder(output)
    control = Control(Puppet(), folder.path)
    await control.open()
    asking = asyncio.create_task(talk(output, b"{"))
    await asyncio.sleep(1)
    control.close()
    control.close()
    assert await asking == b""
    folder.release()
    assert not others()


async def test_a_run_goes_on_where_no_socket_can_be_made(output, monkeypatch):
    monkeypatch.setattr("brimline.engine.control.ControlSocket", fail)
    control = Control(Puppet(), RunFolder(output).path)
    await control.open()
    control.close()


def fail(folder):
    raise OSError("no sockets here")


# From the client's side.


def test_nobody_runs(output):
    with pytest.raises(NoRun, match=f"no run is writing {output} now"):
        tell(output, Pause())


def test_a_socket_that_was_left_behind_never_hangs_anybody(output):
    RunFolder(output).release()
    dead = ControlSocket(output.with_name("out.jsonl.run"))
    dead.socket.close()
    with pytest.raises(NoRun, match="no run is writing"):
        tell(output, Pause())


def test_a_run_that_takes_no_commands_yet_is_named(output):
    folder = RunFolder(output)
    with pytest.raises(NoRun, match=f"process {os.getpid()} is writing"):
        tell(output, Pause())
    assert look(output).state is State.BUSY
    folder.release()


def test_a_run_that_does_not_answer_is_given_up(output):
    """Its process is suspended: the kernel takes the connection, and nobody ever reads it."""
    folder = RunFolder(output)
    mute = ControlSocket(folder.path)
    with pytest.raises(RunError, match="does not answer") as given_up:
        tell(output, Pause(), patience=0.05)
    assert f"process {os.getpid()} suspended" in str(given_up.value)
    mute.close()
    folder.release()


@pytest.mark.parametrize("patience", [0.05])
def test_a_run_that_takes_no_more_connections_is_given_up(output, patience):
    folder = RunFolder(output)
    mute = ControlSocket(folder.path)
    mute.socket.listen(0)
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(str(find_socket(folder.path)))
        second.setblocking(False)
        second.connect_ex(str(find_socket(folder.path)))
        with pytest.raises(RunError, match="does not answer"):
            tell(output, Pause(), patience=patience)
    mute.close()
    folder.release()


def test_there_are_no_such_results(output):
    with pytest.raises(OutputError, match="there is no run with the results"):
        look(output)
