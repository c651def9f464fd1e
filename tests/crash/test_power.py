"""The process dies, or the power fails, after every step of a run: what was shown is kept, nothing comes twice."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from brimline.store.attempts import name_request
from brimline.testing.scripted import Reply
from brimline.types import Fault, FaultKind
from tests.crash.disk import Disk, Power
from tests.crash.victim import chosen_seed
from tests.crash.whole import Folder, name_of, named

CONCURRENCY = 4
TALK, OTHER_TALK = ["one", "two", "three"], ["a", "b", "c"]
OLD = [*({"prompt": f"{n}"} for n in range(6)), {"prompt": TALK}]
NEW = [{"prompt": prompt} for prompt in ("first", "0", "1", "edited", "4", "5", "last", OTHER_TALK, TALK)]


def script(exchange):
    """Each exchange takes its own time; some fail at first."""
    if exchange.number == 1 and exchange.place % 5 == 2:
        return Reply(Fault(FaultKind.SERVER_ERROR, "oops", http_status=500), latency=0.3)
    return Reply(latency=0.1 + exchange.place % 3 * 0.2)


@dataclass
class Moment:
    """A moment at which everything stopped.

    Attributes:
        folder: What is left.
        mode: How much of what was not synced; `all`: only the process died.
        step: The last thing that happened.
        visible: Names of the requests whose outcome had been shown.
        begun: The exchanges that had left: name and turn.
        paid: Those of them that may have been answered and were not followed by anything durable.
    """

    folder: Path
    mode: str
    step: str
    visible: set
    begun: set
    paid: set


def moment_of(folder, left, mode, step):
    exchanges = [exchange for exchange in folder.endpoint.exchanges if exchange.left_at is not None]
    begun = {name_of(exchange) for exchange in exchanges}
    ended = {name_of(exchange) for exchange in exchanges if exchange.ended_at is not None}
    paid = {
        (name, turn) for name, turn in begun if name not in folder.visible and (name, turn + 1) not in begun
    }
    return Moment(left, mode, step, {*folder.visible}, begun, paid - failed(exchanges, ended))


def failed(exchanges, ended):
    """The exchanges whose last attempt has failed; that they are sent again is no loss."""
    last = {name_of(exchange): exchange for exchange in exchanges}
    return {name for name, exchange in last.items() if name in ended and script(exchange).result is not None}


async def moments_of_a_run(folder, tmp_path, monkeypatch, rng):
    """Stop everything at each step of a run."""
    folder.endpoint.exchanges.clear()
    folder.visible.clear()
    folder.write(NEW)
    moments, power = [], Power(folder.path)

    def stop(name, path):
        power.note(name, path)
        luck = 6 if name == "replace" else 1
        for mode in ("all", "least", *["any"] * luck):
            left = tmp_path / f"left-{len(moments)}"
            power.fail(left, rng, mode)
            moments.append(moment_of(folder, left, mode, f"{name} {path.name}"))

    with monkeypatch.context() as patch:
        Disk(folder.path, patch).after = stop
        assert (await folder.run("lab/a", concurrency=CONCURRENCY)).is_complete
    power.close()
    return moments


@pytest.mark.parametrize("before", ["nothing", "finished", "interrupted"])
async def test_nothing_shown_is_lost_and_nothing_comes_twice(tmp_path, monkeypatch, before):
    folder = Folder(tmp_path / "run", script)
    if before != "nothing":
        folder.write(OLD)
        limit = 3 if before == "interrupted" else None
        await folder.run("lab/a", concurrency=CONCURRENCY, limit=limit)
    on_file = {named(line) for line in folder.results}
    moments = await moments_of_a_run(folder, tmp_path, monkeypatch, random.Random(chosen_seed()))
    assert len(moments) > 90
    assert {moment.step.split()[0] for moment in moments} >= {"write", "fsync", "fdatasync", "replace"}
    for moment in moments:
        print(f"{moment.folder.name}: {moment.mode} is left after {moment.step}")
        await check(moment, on_file)


async def check(moment, on_file):
    folder = Folder(moment.folder, script)
    report = await folder.run("lab/a", concurrency=CONCURRENCY)
    assert report.is_complete
    assert [(line["prompt"], line["status"]) for line in folder.results] == [
        (row["prompt"], "ok") for row in NEW
    ]
    again = {name_of(exchange) for exchange in folder.endpoint.exchanges}
    assert not {name for name, _ in again} & moment.visible, "what was shown is sent again"
    assert not {(name, turn - 1) for name, turn in moment.begun} & again, "a finished turn is sent again"
    keys = {key for _, key in map(named, folder.results + folder.superseded)}
    assert {key for _, key in on_file} <= keys, "an answer of a row that has left is gone"
    if moment.mode == "all":
        unfinished = folder.prepared.history.unfinished
        twice = {name_request(int(id_), key) for (id_, key), _ in again & moment.paid}
        assert twice <= unfinished, "what may be billed twice is named"
        assert len(unfinished) <= CONCURRENCY
