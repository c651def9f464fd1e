"""One simulator for each SDK, in a process of its own; a prompt names the fault that it wants to meet."""

from typing import get_args

import pytest
from tests.sim.harness import started
from tests.sim.sdk.said import fault

from brimline.sim.scenario import FaultKind

SCENARIO = """
keys = ["sk-good"]
strict_models = true
[models.m]
requests = { rate = "60000/min", bucket = 1000 }
input = { rate = "60M/min", bucket = 1000000 }
[models."text-embedding-m"]
[models.small]
max_context = 5
[models.limited]
requests = { rate = "60/min", bucket = 1 }
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The base URL without a version."""
    file = tmp_path_factory.mktemp("sim") / "scenario.toml"
    rules = (
        f'[[models.m.faults]]\nkind = "{kind}"\nwhen = "{fault(kind)}"\n' for kind in get_args(FaultKind)
    )
    file.write_text(SCENARIO + "".join(rules))
    with started("--scenario", file) as (_, url):
        yield url.removesuffix("/v1")
