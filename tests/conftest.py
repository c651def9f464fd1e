"""Fixtures that several folders of tests share."""

import pytest

from tests.servers import SimServer


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
