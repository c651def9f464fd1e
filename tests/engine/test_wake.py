"""The pump's alarm and its clock."""

import asyncio

import pytest

from brimline.core.time import SECOND
from brimline.engine.clock import Clock
from brimline.engine.wake import Wake


async def test_it_sleeps_until_the_very_nanosecond():
    wake, clock = Wake(), Clock()
    for until in (1, 7 * SECOND // 3, 10**5 * SECOND + 1, 10**6 * SECOND + 123_456_789):
        await wake.until(until)
        assert clock.now() == until


async def test_it_is_woken_by_what_happens():
    wake, clock = Wake(), Clock()
    asyncio.get_running_loop().call_later(3, wake.set)
    await wake.until(10 * SECOND)
    assert clock.now() == 3 * SECOND
    await wake.until(5 * SECOND)
    assert clock.now() == 5 * SECOND, "once only"
    await wake.until(20 * SECOND)
    assert clock.now() == 20 * SECOND, "and the old moment means nothing"


async def test_what_happened_before_keeps_it_from_falling_asleep():
    wake, clock = Wake(), Clock()
    wake.set()
    wake.set()
    await wake.until(None)
    assert clock.now() == 0
    await wake.until(SECOND)
    assert clock.now() == SECOND


async def test_a_sleeper_may_be_cancelled():
    wake = Wake()
    sleeping = asyncio.create_task(wake.until(SECOND))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    wake.set()
    await wake.until(None)


async def test_unix_time_goes_with_the_loops_time():
    clock = Clock()
    before = clock.wall()
    await asyncio.sleep(5)
    assert clock.wall() - before == 5 * SECOND
    assert clock.wall() == clock.epoch + clock.now()
