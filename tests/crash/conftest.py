"""Everything here runs on the virtual clock unless it is marked `real_time`."""

import asyncio
import os

import pytest

from brimline.store import appender
from brimline.testing.virtual import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"real": asyncio.SelectorEventLoop} if "real_time" in item.keywords else {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def a_disk_that_syncs_at_once(request, monkeypatch):
    """Thousands of short runs would wait for the disk and for nothing else."""
    if "real_time" not in request.keywords:
        for where, name in ((os, "fsync"), (os, "fdatasync"), (appender, "_sync")):
            monkeypatch.setattr(where, name, lambda _: None, raising=False)


@pytest.fixture(autouse=True)
def no_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
