"""Everything here runs on the virtual clock unless it is marked `real_time`."""

import asyncio

from brimline.testing.virtual import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"real": asyncio.SelectorEventLoop} if "real_time" in item.keywords else {"virtual": VirtualLoop}
