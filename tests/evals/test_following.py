"""Judging a run that still goes on: what is taken, and when it ends."""

import asyncio
import json

import pytest

import brimline
from brimline.evals import following as module
from brimline.evals.judging import Judging
from brimline.evals.panel import rubric_panel
from brimline.store.folder import RunFolder
from brimline.store.lines import result_line
from brimline.types import Fault, FaultKind
from tests.store.outcomes import failure, request, response, success

pytestmark = [pytest.mark.real_time]


class Live:
    """A run that still goes on, and a judge that answers as long as its gate is open."""

    def __init__(self, folder):
        (folder / "r.toml").write_text('[criteria.accuracy]\nquestion = "Right?"\nscale = [1, 5]\n')
        self.path = folder / "out.jsonl"
        self.path.touch()
        self.lock = RunFolder(self.path)
        self.judging = Judging([self.path], rubric_panel(folder / "r.toml", ["jury/j"]))
        self.following = self.judging.following(self.judging.options())
        self.gate = asyncio.Event()
        self.gate.set()
        self.says = json.dumps({"accuracy": {"reason": "so", "verdict": 4}})
        self.asked = 0

    async def answer(self, _):
        self.asked += 1
        await self.gate.wait()
        return self.says

    def append(self, data):
        with self.path.open("ab") as file:
            file.write(data)

    async def follow(self):
        async with brimline.Engine(endpoints={"jury": self.answer}, concurrency={"jury/*": 2}) as engine:
            await self.following.run(engine)

    async def until(self, asked):
        async with asyncio.timeout(10):
            while self.asked < asked:
                await asyncio.sleep(0.01)

    @property
    def replies(self):
        return [json.loads(line) for line in self.judging.output.read_bytes().splitlines()]


@pytest.fixture
def live(tmp_path, monkeypatch):
    monkeypatch.setenv("BRIMLINE_SHARE_FOLDER", str(tmp_path / "shares"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    return Live(tmp_path)


def line(number, *, ok=True):
    asked = request(number, text=str(number))
    outcome = success(asked, response(f"it is {number}")) if ok else failure(asked)
    return result_line({"prompt": f"p{number}"}, outcome)


async def test_answers_are_judged_as_they_become_durable(live):
    live.append(line(0) + line(1, ok=False))
    task = asyncio.create_task(live.follow())
    await live.until(asked=1)
    torn = line(2)
    live.append(torn[:40])
    await asyncio.sleep(0.05)
    assert live.asked == 1, "half of a line is none"
    live.append(torn[40:] + line(3))
    await live.until(asked=3)
    assert not task.done(), "the run goes on"
    live.append(line(4))
    live.lock.release()
    await task
    assert [reply["id"] for reply in live.replies] == [f"judge-jury/j-r-{number}" for number in (0, 2, 3, 4)]
    assert (live.following.answers, live.following.replies) == (4, 4)
    live.judging.write_rows()
    report = brimline.run(
        live.judging.rows,
        output=live.judging.output,
        endpoints={"jury": live.answer},
        schema=live.judging.options().schema,
    )
    assert (report.answered, report.ok) == (0, 4), "an ordinary run finds all of it on file"


async def test_a_judging_that_is_stopped_finishes_what_is_in_flight(live):
    live.append(b"".join(map(line, range(6))))
    live.gate.clear()
    task = asyncio.create_task(live.follow())
    await live.until(asked=2)
    live.following.stop()
    live.gate.set()
    await task
    assert live.asked == 2
    assert [reply["status"] for reply in live.replies] == ["ok", "ok"]
    live.lock.release()


async def test_it_ends_when_a_judge_has_stopped_for_good(live):
    live.append(line(0))
    live.says = Fault(FaultKind.AUTH, "no such key")
    async with asyncio.timeout(10):
        await live.follow()
    assert live.replies == []
    live.lock.release()


async def test_a_run_that_never_begins_is_not_waited_for(live, monkeypatch):
    monkeypatch.setattr(module, "APPEARS", 0.05)
    live.path.unlink()
    with pytest.raises(brimline.InputError, match="does not exist, and no run has made it"):
        await live.follow()
    live.lock.release()
