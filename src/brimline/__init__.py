"""Fill every rate limit to the brim, never over; never lose a paid answer.

import brimline as bl

report = bl.run("prompts.jsonl", model="openai/gpt-5-mini", output="out.jsonl")
outcomes = bl.map(["Say hi", "Say bye"], model="openai/gpt-5-mini")

async with bl.Engine(limits={"openai/gpt-5-mini": "500/min, 200k tokens/min"}) as engine:
    async for outcome in engine.stream(requests):
        ...
"""

import importlib
from typing import TYPE_CHECKING, Any

from brimline._version import __version__
from brimline.errors import (
    BrimlineError,
    ConfigError,
    InputError,
    OutputError,
    OutputLocked,
    RunError,
    UsageError,
)
from brimline.types import (
    Delta,
    Failure,
    Fault,
    FaultKind,
    Outcome,
    Priority,
    Request,
    Response,
    Secret,
    Success,
    Usage,
)

if TYPE_CHECKING:
    from brimline.config import Config, Endpoint
    from brimline.engine.api import map, run  # noqa: A004
    from brimline.engine.deltas import DeltaStream
    from brimline.engine.engine import Engine
    from brimline.engine.progress import Progress
    from brimline.engine.report import Report

__all__ = [
    "BrimlineError",
    "Config",
    "ConfigError",
    "Delta",
    "DeltaStream",
    "Endpoint",
    "Engine",
    "Failure",
    "Fault",
    "FaultKind",
    "InputError",
    "Outcome",
    "OutputError",
    "OutputLocked",
    "Priority",
    "Progress",
    "Report",
    "Request",
    "Response",
    "RunError",
    "Secret",
    "Success",
    "Usage",
    "UsageError",
    "__version__",
    "map",
    "run",
]

_LAZY = {
    "Config": "brimline.config",
    "DeltaStream": "brimline.engine.deltas",
    "Endpoint": "brimline.config",
    "Engine": "brimline.engine.engine",
    "Progress": "brimline.engine.progress",
    "Report": "brimline.engine.report",
    "map": "brimline.engine.api",
    "run": "brimline.engine.api",
}
"""What brings the network code with it is imported when it is used."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'brimline' has no attribute '{name}'")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
