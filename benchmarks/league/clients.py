"""Who runs: each client with its script, its environment, and where it cannot take part."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True, slots=True)
class Client:
    """A contender.

    Attributes:
        title: What it is called in the table.
        script: Its script in peers/; the docstring states its settings.
        environment: The environment that it runs in; None: the Python of this process, with this checkout.
        packages: The distributions whose versions are noted.
        in_flight: Requests to keep in flight where the scenario does not say it.
        only: The scenarios that it is for; None: all.
        absent: Scenarios that it cannot take part in, with the reason.
    """

    title: str
    script: str
    environment: str | None
    packages: tuple[str, ...]
    in_flight: int = 32
    only: frozenset[str] | None = None
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Its script."""
        return PEERS / f"{self.script}.py"

    @property
    def settings(self) -> str:
        """Its settings, in the words of its script."""
        return (ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or "").strip()

    def runs(self, scenario: str) -> bool:
        """Whether it takes part in a scenario."""
        return (self.only is None or scenario in self.only) and scenario not in self.absent


CLIENTS: Mapping[str, Client] = {
    "brimline": Client("brimline", "brimline_run", None, ()),
    "prompto": Client("prompto", "prompto_run", "prompto", ("prompto", "openai", "httpx")),
    "async-batch-llm": Client(
        "async-batch-llm",
        "async_batch_llm_run",
        "async-batch-llm",
        ("async-batch-llm", "openai", "httpx2"),
    ),
    "litellm-router": Client("LiteLLM Router", "litellm_router", "litellm", ("litellm", "openai", "httpx")),
    "openai-gather": Client("openai + gather", "openai_gather", "openai", ("openai", "httpx2")),
    "openai-gather-256": Client(
        "openai + gather, 256",
        "openai_gather",
        "openai",
        ("openai", "httpx2"),
        in_flight=256,
        only=frozenset({"knee"}),
    ),
    "openai-limiter": Client(
        "openai + aiolimiter",
        "openai_limiter",
        "openai",
        ("openai", "httpx2", "aiolimiter"),
        only=frozenset({"declared", "outage", "window", "three"}),
    ),
    "openai-threads": Client("openai + threads", "openai_threads", "openai", ("openai", "httpx2")),
    "inspect": Client("Inspect AI", "inspect_eval", "inspect", ("inspect-ai", "openai", "httpx2")),
    "curator": Client(
        "Bespoke Curator",
        "curator_llm",
        "curator",
        ("bespokelabs-curator", "litellm", "aiohttp"),
        absent={"three": "an LLM has one base URL, and its call blocks until all of its rows are done"},
    ),
}
"""In the order in which they are run."""
