"""Fixtures that several folders of tests share."""

import pytest
from hypothesis import settings

from tests import thorough
from tests.servers import SimServer

settings.load_profile(thorough.DEFAULT)


@pytest.fixture(autouse=True)
def shares(tmp_path_factory, monkeypatch):
    """No test shares limits with another one, or with what this machine does besides."""
    monkeypatch.setenv("BRIMLINE_SHARE_FOLDER", str(tmp_path_factory.mktemp("shares")))


@pytest.fixture
def simulator():
    """Start simulators in their own processes: `simulator(scenario_text)`; they end with the test."""
    servers = []

    def start(scenario=""):
        servers.append(SimServer(scenario))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
