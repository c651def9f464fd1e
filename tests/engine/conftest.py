"""Everything here runs on the virtual clock unless it is marked `real_time`."""

import asyncio

import pytest

from brimline.testing.scripted import ScriptedEndpoint
from brimline.testing.virtual import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"real": asyncio.SelectorEventLoop} if "real_time" in item.keywords else {"virtual": VirtualLoop}


@pytest.fixture
def lab():
    """An endpoint that echoes at once until a test writes its script."""
    return ScriptedEndpoint()


@pytest.fixture(autouse=True)
def no_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
