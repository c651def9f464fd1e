"""`brimline sim`: a simulated provider on loopback."""

import os
import signal
import sys
import threading
from pathlib import Path

import click

from brimline.errors import ConfigError
from brimline.sim import Scenario, ScenarioError, addresses, run


@click.command(name="sim")
@click.option("--port", default=8000, show_default=True, help="Port; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--scenario", type=click.Path(path_type=Path), help="TOML file: latencies, limits, faults, outages."
)
@click.option(
    "--ledger", type=click.Path(path_type=Path), help="Append a JSON line for each request to this file."
)
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input is closed.")
def command(port: int, host: str, scenario: Path | None, ledger: Path | None, with_parent: bool) -> None:  # noqa: FBT001
    """Start a simulated provider that speaks the dialects of many, with real limits and a ledger.

    The line on standard output is its base URL for OpenAI's clients; without /v1 it is that for Anthropic, Gemini,
    Vertex AI, Azure, Ollama, Cohere and Bedrock. What it served: GET /sim/stats and /sim/ledger.
    """
    try:
        loaded = Scenario.load(scenario) if scenario else Scenario()
        if with_parent:
            threading.Thread(target=_end_with_parent, daemon=True).start()
        run(loaded, host=host, port=port, ledger=ledger, announce=_announce)
    except ScenarioError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None


def _announce(url: str) -> None:
    click.echo(url)
    if sys.stderr.isatty():
        for address in addresses(url):
            click.echo(f"  {address.url:<28} {address.clients}", err=True)


def _end_with_parent() -> None:
    """Wait until the parent is gone, however it went: then nobody holds the other end of the pipe."""
    while os.read(sys.stdin.fileno(), 4096):  # the buffer's lock would keep the interpreter from ending
        pass
    os.kill(os.getpid(), signal.SIGTERM)
