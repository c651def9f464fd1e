"""The watcher, on a clock that jumps: real files, a scripted endpoint."""

import asyncio
import json
import os
import random

import pytest

from brimline.config import Config, Endpoint
from brimline.engine.engine import Engine
from brimline.engine.options import RunOptions
from brimline.engine.prepared import prepare
from brimline.evals.watch import events
from brimline.evals.watch.inbox import Inbox
from brimline.evals.watch.watcher import Watcher
from brimline.store.lock import Lock
from brimline.testing.scripted import Reply, ScriptedEndpoint
from brimline.types import Fault, FaultKind

CONFIG = Config(
    endpoints={"lab": Endpoint(base_url="http://lab.invalid", key="none")}, environment={}
)  # fmt: skip


class Plain:
    """The least that can be done with a file: run it; it is done when its results are in `done`."""

    def __init__(self, folder):
        self.folder = folder
        self.done = set()
        self.broken = set()

    def claim(self, file):
        return Lock(self.folder / f"{file.name}.claim", file.name)

    def is_done(self, file):
        return file.read_bytes() in self.done

    def prepare(self, file):
        if file.name in self.broken:
            raise RuntimeError("a bug")
        return prepare(RunOptions(input=file, output=self.folder / f"{file.name}.out"), CONFIG)

    def finish(self, file, report):
        if report is None or report.is_complete:
            self.done.add(file.read_bytes())

    def put_away(self, file):
        pass


class World:
    """A folder, a watcher over it, and what it told."""

    def __init__(self, path, script=None, at_once=2):
        self.path, self.at_once = path, at_once
        self.lab = ScriptedEndpoint(script)
        self.work = Plain(path / "out")
        self.told = []
        for name in ("in", "out"):
            (path / name).mkdir()

    def put(self, name, rows=2, changed=1):
        text = (
            rows
            if isinstance(rows, str)
            else "".join(
                json.dumps({"prompt": f"{name} {n}", "api": "lab", "model_name": "x"}) + "\n"
                for n in range(rows)
            )
        )
        file = self.path / "in" / name
        file.write_text(text)
        os.utime(file, (changed, changed))

    async def run(self, *, once=True, meanwhile=None):
        async def connect(_):
            return self.lab.live()

        async with Engine(config=CONFIG, connect=connect, rng=random.Random(1)) as engine:
            self.watcher = Watcher(
                engine,
                self.work,
                Inbox(self.path / "in"),
                rejected=self.path / "rejected",
                at_once=self.at_once,
                tell=lambda event: self.told.append((round(asyncio.get_running_loop().time()), event)),
            )
            side = asyncio.create_task(meanwhile()) if meanwhile else None
            await self.watcher.run(once=once)
            if side:
                await side

    def of(self, kind):
        return [event for _, event in self.told if isinstance(event, kind)]

    def times(self, kind):
        return [at for at, event in self.told if isinstance(event, kind)]

    def asked(self):
        return sorted(exchange.request.messages[-1]["content"] for exchange in self.lab.exchanges)


@pytest.fixture
def world(tmp_path):
    return lambda *arguments, **options: World(tmp_path, *arguments, **options)


async def test_all_files_are_run_the_oldest_first_and_no_more_than_so_many_at_once(world):
    it = world(lambda _: Reply(latency=10.0))
    for place, name in enumerate(("d.jsonl", "c.jsonl", "b.jsonl", "a.jsonl")):
        it.put(name, changed=place + 1)
    await it.run()
    taken = [event.file for event in it.of(events.Taken)]
    assert (sorted(taken[:2]), sorted(taken[2:])) == (["c.jsonl", "d.jsonl"], ["a.jsonl", "b.jsonl"])
    assert it.times(events.Taken) == [2, 2, 12, 12]
    assert it.lab.most_in_flight == 4
    assert [(event.ok, event.failed) for event in it.of(events.Done)] == [(2, 0)] * 4


async def test_what_is_hidden_temporary_or_something_else_is_left_alone(world):
    it = world()
    for name in (".a.jsonl", "b.jsonl.part", "c.jsonl.tmp", "d.jsonl~", "e.json", "f.jsonl"):
        it.put(name)
    (it.path / "in" / "folder.jsonl").mkdir()
    await it.run()
    assert [event.file for event in it.of(events.Done)] == ["f.jsonl"]
    assert len(it.of(events.Notice)) == 1
    assert "e.json is left alone" in it.of(events.Notice)[0].text


async def test_files_that_arrive_while_it_runs_are_run_and_what_is_finished_is_not_run_again(world):
    it = world(lambda _: Reply(latency=30.0))
    it.put("a.jsonl")

    async def meanwhile():
        await asyncio.sleep(10)
        it.put("b.jsonl")
        await asyncio.sleep(300)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert [event.file for event in it.of(events.Taken)] == ["a.jsonl", "b.jsonl"]
    assert 12 <= it.times(events.Taken)[1] <= 14
    assert it.asked() == ["a.jsonl 0", "a.jsonl 1", "b.jsonl 0", "b.jsonl 1"]


async def test_a_file_that_is_written_slowly_is_run_once_when_it_is_whole(world):
    it = world()

    async def meanwhile():
        for rows in range(1, 21):
            it.put("slow.jsonl", rows, changed=rows)
            await asyncio.sleep(1.5)
        await asyncio.sleep(10)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert [event.requests for event in it.of(events.Taken)] == [20]


async def test_a_changed_file_is_run_again(world):
    it = world()
    it.put("a.jsonl")

    async def meanwhile():
        await asyncio.sleep(20)
        it.put("a.jsonl", 3, changed=5)
        await asyncio.sleep(20)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert [(event.requests, event.to_send) for event in it.of(events.Taken)] == [(2, 2), (3, 1)]


async def test_a_bad_file_is_put_aside_with_every_problem_and_the_rest_goes_on(world):
    it = world()
    it.put("bad.jsonl", "".join(f"not JSON {n}\n" for n in range(30)), changed=1)
    it.put("empty.csv", "", changed=2)
    it.put("unknown.jsonl", '{"prompt": "x", "api": "nowhere", "model_name": "y"}\n', changed=3)
    it.put("good.jsonl", changed=4)
    await it.run()
    assert sorted(event.file for event in it.of(events.Rejected)) == [
        "bad.jsonl",
        "empty.csv",
        "unknown.jsonl",
    ]
    assert [event.file for event in it.of(events.Done)] == ["good.jsonl"]
    reasons = {
        name: (it.path / "rejected" / f"{name}.reason.txt").read_text()
        for name in ("bad.jsonl", "unknown.jsonl")
    }
    assert len(reasons["bad.jsonl"].splitlines()) == 30
    assert "nowhere" in reasons["unknown.jsonl"]
    assert sorted(path.name for path in (it.path / "in").iterdir()) == ["good.jsonl"]


async def test_a_file_whose_endpoint_stops_stays_and_is_tried_again_ever_later(world):
    faults = [Fault(FaultKind.AUTH, "no such key", http_status=401)] * 2
    it = world(lambda _: Reply(faults.pop() if faults else None))
    it.put("a.jsonl", rows=1)

    async def meanwhile():
        while not it.of(events.Done):
            await asyncio.sleep(1)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert [event.seconds for event in it.of(events.Postponed)] == [30.0, 60.0]
    assert "no such key" in it.of(events.Postponed)[0].reason
    first, second, third = it.times(events.Taken)
    assert (second - first, third - second) == (pytest.approx(31, abs=1), pytest.approx(61, abs=1))
    assert it.of(events.Done)[0].ok == 1


async def test_once_tries_each_file_once(world):
    it = world(lambda _: Reply(Fault(FaultKind.AUTH, "no such key", http_status=401)))
    it.put("a.jsonl", rows=1)
    await it.run()
    assert len(it.of(events.Postponed)) == 1
    assert (it.path / "in" / "a.jsonl").exists()


async def test_a_bug_in_one_file_is_not_the_others_problem(world):
    it = world()
    it.put("a.jsonl")
    it.put("b.jsonl", changed=2)
    it.work.broken.add("a.jsonl")
    await it.run()
    assert [event.file for event in it.of(events.Done)] == ["b.jsonl"]
    assert it.of(events.Postponed)[0].reason == "internal error: RuntimeError: a bug"


async def test_what_another_process_has_is_left_to_it_and_taken_over_when_it_dies(world):
    it = world()
    it.put("a.jsonl")
    other = Lock(it.path / "out" / "a.jsonl.claim", "a.jsonl")
    (it.path / "out" / "a.jsonl.claim").write_text("1\n")  # the first process of all

    async def meanwhile():
        await asyncio.sleep(60)
        assert it.of(events.Taken) == []
        other.release()
        await asyncio.sleep(7)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert [(event.file, event.pid) for event in it.of(events.Elsewhere)] == [("a.jsonl", 1)]
    assert [event.file for event in it.of(events.Done)] == ["a.jsonl"]


async def test_what_another_process_has_finished_is_not_run_again(world):
    it = world()
    it.put("a.jsonl")
    other = Lock(it.path / "out" / "a.jsonl.claim", "a.jsonl")

    async def meanwhile():
        await asyncio.sleep(10)
        it.work.finish(it.path / "in" / "a.jsonl", None)
        other.release()
        await asyncio.sleep(30)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert it.lab.exchanges == []


async def test_when_it_is_stopped_what_is_in_flight_ends_and_the_next_one_goes_on(world):
    it = world(lambda _: Reply(latency=10.0), at_once=1)
    it.put("a.jsonl", 200)
    it.put("b.jsonl", changed=2)

    async def meanwhile():
        await asyncio.sleep(4)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    (interrupted,) = it.of(events.Interrupted)
    assert interrupted.file == "a.jsonl"
    answered = 200 - interrupted.pending
    assert answered == len(it.lab.exchanges) > 0
    it.told.clear()
    await it.run()
    assert [event.file for event in it.of(events.Done)] == ["a.jsonl", "b.jsonl"]
    assert it.asked() == sorted({*it.asked()})


async def test_a_second_word_drops_what_is_in_flight(world):
    it = world(lambda _: Reply(latency=1000.0))
    it.put("a.jsonl")

    async def meanwhile():
        await asyncio.sleep(4)
        it.watcher.stop()
        await asyncio.sleep(1)
        it.watcher.abort()

    await it.run(once=False, meanwhile=meanwhile)
    assert it.times(events.Interrupted) == [5]


async def test_time_left_counts_what_waits(world):
    it = world(lambda exchange: Reply(latency=10.0 * (exchange.place + 1)), at_once=1)
    it.put("a.jsonl", 10)
    it.put("b.jsonl", 10, changed=2)
    seen = []

    async def meanwhile():
        await asyncio.sleep(52.5)
        progress = it.watcher.progress()
        seen.append((progress["a.jsonl"].done, it.watcher.waiting(), it.watcher.left(progress)))

    await it.run(meanwhile=meanwhile)
    assert seen[0][:2] == (5, 1)
    assert seen[0][2] == pytest.approx(150, rel=0.05)


async def test_a_folder_that_cannot_be_read_for_a_while_ends_nothing(world):
    it = world()

    async def meanwhile():
        (it.path / "in").rename(it.path / "away")
        await asyncio.sleep(5)
        (it.path / "away").rename(it.path / "in")
        it.put("a.jsonl")
        await asyncio.sleep(10)
        it.watcher.stop()

    await it.run(once=False, meanwhile=meanwhile)
    assert [event.file for event in it.of(events.Done)] == ["a.jsonl"]
    assert len(it.of(events.Notice)) == 1


async def test_a_file_is_not_to_blame_for_a_key_that_is_not_set(tmp_path):
    it = World(tmp_path)
    it.put("a.jsonl", '{"prompt": "x", "api": "keyed", "model_name": "y"}\n')
    keyed = Config(
        endpoints={"keyed": Endpoint(base_url="http://lab.invalid", key="env:LAB_KEY")}, environment={}
    )
    it.work.prepare = lambda file: prepare(RunOptions(input=file, output=tmp_path / "out" / "a.out"), keyed)
    await it.run()
    assert it.of(events.Rejected) == []
    assert "LAB_KEY" in it.of(events.Postponed)[0].reason
