"""What the next run says may have been billed: what had left and never ended, and nothing else."""

import asyncio

from brimline.engine.report import StopReason
from brimline.store.attempts import name_request
from brimline.testing.scripted import Reply
from tests.crash.disk import Disk
from tests.crash.whole import Folder

ROWS = [{"prompt": f"{n}"} for n in range(20)]


def named(folder):
    """Who the requests are that have left and not ended."""
    flying = [one for one in folder.endpoint.exchanges if one.left_at is not None and one.ended_at is None]
    return {name_request(one.request.id, one.request.key) for one in flying}


async def test_what_had_not_left_when_it_was_stopped_is_not_named(tmp_path):
    """Every third answers, every third never gets a connection, every third hangs."""
    folder = Folder(
        tmp_path / "run",
        lambda exchange: [Reply(latency=0.1), Reply(connect=100), Reply(latency=100)][exchange.place % 3],
    )
    folder.write(ROWS)
    running = asyncio.create_task(folder.run("lab/a", concurrency=6))
    await asyncio.sleep(10)
    folder.execution.abort(StopReason.INTERRUPTED)
    report = await running
    flying = named(folder)
    assert 0 < len(flying) < 6
    assert report.pending > 6
    await folder.run("lab/a", limit=0)
    assert folder.prepared.history.unfinished == flying


async def test_what_a_full_disk_has_kept_back_is_not_named(tmp_path, monkeypatch):
    folder = Folder(tmp_path / "run")
    folder.write(ROWS)

    def full(name, path):
        if name == "write" and path.name == "attempts.jsonl":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, patch)
        disk.before = full
        running = asyncio.create_task(folder.run("lab/a"))
        await asyncio.sleep(10)
        disk.before = lambda name, path: None
        folder.execution.abort(StopReason.INTERRUPTED)
        await running
    assert folder.endpoint.exchanges == []
    await folder.run("lab/a", limit=0)
    assert folder.prepared.history.unfinished == set()
