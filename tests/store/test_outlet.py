"""Standard output as it is: a reader may be slow, stop, or leave, and the loop goes on."""

import asyncio
import functools
import os

import pytest

from brimline.errors import OutputError
from brimline.store.outlet import NOT_READ, PATIENCE, Outlet
from brimline.testing.virtual import run_virtual


@pytest.fixture
def pipe():
    ends = dict(zip(("read", "write"), os.pipe(), strict=True))
    yield ends
    for fd in ends.values():
        os.close(fd)


@pytest.fixture
def said():
    return []


@pytest.fixture
def outlet(pipe, said):
    return Outlet(pipe["write"], stalled=said.append)


def virtual(test):
    """Run a test on the virtual clock."""

    @functools.wraps(test)
    def run(**fixtures):
        run_virtual(test(**fixtures))

    return run


async def read(pipe, size):
    return await asyncio.to_thread(os.read, pipe["read"], size)


@virtual
async def test_a_slow_reader_gets_everything_in_order_and_holds_nobody_up(pipe, outlet):
    lines = [b"%d " % n + b"x" * 30_000 + b"\n" for n in range(20)]
    writing = [asyncio.create_task(outlet.write(line)) for line in lines]
    heard = b""
    while len(heard) < sum(map(len, lines)):
        await asyncio.sleep(0.1)  # it comes back: the loop is free
        heard += await read(pipe, 10_000)
    assert heard == b"".join(lines)
    await asyncio.gather(*writing)


@virtual
async def test_a_reader_that_takes_nothing_is_named_and_the_word_is_taken_back(pipe, outlet, said):
    writing = asyncio.create_task(outlet.write(b"x" * 200_000))
    await asyncio.sleep(PATIENCE / 2)
    assert said == []
    await asyncio.sleep(PATIENCE)
    assert said == [NOT_READ]
    heard = 0
    while heard < 200_000:
        heard += len(await read(pipe, 200_000))
        await asyncio.sleep(0.01)
    await writing
    assert said[-1] is None


@virtual
async def test_a_reader_that_leaves(pipe, outlet):
    writing = asyncio.create_task(outlet.write(b"x" * 200_000))
    await asyncio.sleep(0.1)
    os.close(pipe.pop("read"))
    with pytest.raises(OutputError, match="closed by who reads it"):
        await writing
    with pytest.raises(OutputError, match="closed by who reads it"):
        await outlet.write(b"more")


@virtual
async def test_closing_waits_for_nobody(pipe, outlet):
    writing = [asyncio.create_task(outlet.write(b"x" * 200_000)) for _ in range(2)]
    await asyncio.sleep(10)
    outlet.close()
    for each in writing:
        with pytest.raises(OutputError, match="is not read"):
            await each


@virtual
async def test_who_gives_up_writing_leaves_no_watch(pipe, outlet, said):
    writing = asyncio.create_task(outlet.write(b"x" * 200_000))
    await asyncio.sleep(0.1)
    writing.cancel()
    await asyncio.wait([writing])
    assert not asyncio.get_running_loop().remove_writer(pipe["write"])
    await asyncio.sleep(10)
    assert said == []


@virtual
async def test_a_file_takes_everything_at_once(tmp_path, said):
    with (tmp_path / "out").open("wb") as file:
        await Outlet(file.fileno(), stalled=said.append).write(b"x" * 1_000_000)
    assert (tmp_path / "out").stat().st_size == 1_000_000
