"""A disk that fails while a whole run writes to it: nothing shown is lost, and it goes on or says why not."""

import asyncio
import errno
import os
from itertools import count

import pytest

from brimline.engine.execution import Execution
from brimline.errors import OutputError
from tests.crash.disk import Disk
from tests.crash.test_power import NEW, OLD, script
from tests.crash.whole import Folder, name_of, named

FAILING = {"write", "fsync", "fdatasync", "replace"}


async def changed_folder(path):
    """A finished run whose input was changed."""
    folder = Folder(path, script)
    folder.write(OLD)
    assert (await folder.run("lab/a")).is_complete
    folder.endpoint.exchanges.clear()
    folder.visible.clear()
    folder.write(NEW)
    return folder, {key for _, key in map(named, folder.results)}


async def run_on(folder, monkeypatch, fails):
    """Run on a disk whose n-th call fails if `fails(n)` names an error; return the report and whether one failed."""
    calls, failed = count(1), []

    def before(name, path):
        code = fails(next(calls)) if name in FAILING else None
        if code is not None:
            failed.append(name)
            raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        Disk(folder.path, patch).before = before
        try:
            report = await folder.run("lab/a")
        except OutputError:
            report = None
    assert report is not None or not folder.endpoint.exchanges, "it is refused before anything is sent"
    return report, bool(failed)


async def check(folder, before):
    """On a good disk it is finished, and nothing that was shown is sent again."""
    visible = {*folder.visible}
    folder.endpoint.exchanges.clear()
    assert (await folder.run("lab/a")).is_complete
    assert not {name for name, _ in map(name_of, folder.endpoint.exchanges)} & visible
    assert [(line["prompt"], line["status"]) for line in folder.results] == [
        (row["prompt"], "ok") for row in NEW
    ]
    assert before <= {key for _, key in map(named, folder.results + folder.superseded)}


async def test_full_at_any_call_it_goes_on(tmp_path, monkeypatch):
    for bad in count(1):
        folder, before = await changed_folder(tmp_path / str(bad))
        report, failed = await run_on(
            folder, monkeypatch, lambda n, bad=bad: errno.ENOSPC if n == bad else None
        )
        assert report is None or (report.is_complete and report.error is None)
        await check(folder, before)
        if not failed:
            break
    assert bad > 30


async def test_broken_from_any_call_on_it_says_so_and_a_good_disk_finishes_it(tmp_path, monkeypatch):
    for bad in count(1):
        folder, before = await changed_folder(tmp_path / str(bad))
        report, failed = await run_on(folder, monkeypatch, lambda n, bad=bad: errno.EIO if n >= bad else None)
        assert report is None or report.error is not None or not failed or report.is_complete
        await check(folder, before)
        if not failed:
            break
    assert bad > 30


@pytest.mark.parametrize("period", [2, 3, 5, 8])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_fails_at_every_nth_call(tmp_path, monkeypatch, code, period):
    folder, before = await changed_folder(tmp_path / "run")
    for _ in range(40):
        report, _ = await run_on(folder, monkeypatch, lambda n: code if n % period == 0 else None)
        if report is not None and report.is_complete:
            break
    await check(folder, before)


async def test_whoever_fails_lets_the_results_go(tmp_path, monkeypatch):
    """In a notebook the same process tries again."""
    folder = Folder(tmp_path / "run", script)
    folder.write(NEW)

    async def fail(_):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(Execution, "_flow", fail)
        with pytest.raises(RuntimeError, match="a bug"):
            await folder.run("lab/a")
    task = asyncio.create_task(folder.run("lab/a"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await folder.run("lab/a")).is_complete
