"""The tests of the virtual clock run on it."""

from brimline.testing.virtual import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualLoop}
