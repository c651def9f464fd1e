"""`brimline serve-local`: a model of one's own behind an OpenAI-compatible server."""

import asyncio
import os
import re
import signal
from ipaddress import ip_address

import click

from brimline.errors import ConfigError
from brimline.local import load_model, serve
from brimline.local.server import Service
from brimline.types import Secret


@click.command(name="serve-local")
@click.argument("model")
@click.option("--port", default=5000, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; any but loopback wants --token.",
)
@click.option("--token", metavar="env:NAME", help="Where the token is that clients have to show.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Prompts answered at once."
)
@click.option(
    "--task", default="text-generation", show_default=True, help="The pipeline's task, for transformers."
)
@click.option("--name", help="What the model is called. [MODEL]")
def command(
    *, model: str, port: int, host: str, token: str | None, workers: int, task: str, name: str | None
) -> None:
    """Serve MODEL: a function as MODULE:FUNCTION, or a model of transformers by its name or folder.

    It speaks OpenAI's chat and text completions, and prompto's /generate. The first line on standard output is its base URL:
    set it as the base URL of an endpoint, or as QUART_API_ENDPOINT (without /v1) for prompto's files.
    """
    secret = _token(token, host)
    service = Service(load_model(model, task=task), name or model, workers=workers, token=secret)
    try:
        asyncio.run(_serve(service, host, port))
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None


async def _serve(service: Service, host: str, port: int) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with serve(service, host=host, port=port) as url:
        click.echo(url)
        await over.wait()


def _token(reference: str | None, host: str) -> Secret | None:
    """Return the token that clients have to show; who listens to others has to have one."""
    if reference is None:
        if not _is_loopback(host):
            raise ConfigError(
                f"{host} can be reached by others; say which token they have to show",
                hint="export SERVE_TOKEN=... and give --token env:SERVE_TOKEN",
            )
        return None
    if not re.fullmatch(r"env:[A-Za-z_]\w*", reference):
        raise ConfigError("a token is given by reference: --token env:NAME, never as text")
    text = os.environ.get(reference.removeprefix("env:"), "").strip()
    if not text:
        raise ConfigError(f"{reference.removeprefix('env:')} is not set")
    return Secret(text)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
