"""What a provider is, and the table of those that exist: adding one is one file and one row."""

from collections.abc import Callable, Mapping
from typing import Protocol

from brimline.errors import ConfigError
from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Advert, Fault, HttpReply, HttpRequest, Request, Response, Secret


class Provider(Protocol):
    """One dialect, as pure functions of its arguments."""

    def headers(self, key: Secret | None, options: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that every request to an endpoint carries, credential included."""
        ...

    def problem(self, request: Request) -> str | None:
        """Return why `request` cannot be said in this dialect, or None."""
        ...

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Return the exchange of `request` that follows `responses`."""
        ...

    def decode(self, reply: HttpReply) -> Response | Fault:
        """Return what a reply means. Never raises, whatever the bytes are."""
        ...

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what a reply, good or bad, says about the limits. Never raises, whatever the headers are."""
        ...


PROVIDERS: dict[str, Callable[[], Provider]] = {
    "openai": OpenAIChat,
}
"""Dialects by the name that `provider = ...` has in a configuration."""


def find_provider(name: str) -> Provider:
    """Return the provider called `name`.

    Raises:
        ConfigError: There is none.
    """
    if name not in PROVIDERS:
        raise ConfigError(f"provider '{name}' does not exist; there is {', '.join(sorted(PROVIDERS))}")
    return PROVIDERS[name]()
