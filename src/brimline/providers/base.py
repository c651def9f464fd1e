"""What a provider is, and the table of those that exist: adding one is one file and one row."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from brimline.errors import ConfigError
from brimline.types import Advert, Delta, Fault, HttpReply, HttpRequest, Request, Response, Secret

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "brimline.providers"
"""The entry points under which other packages offer dialects."""


class Provider(Protocol):
    """One dialect, as pure functions of its arguments. `brimline.testing.ProviderContract` proves what it promises.

    It is made with the options of an endpoint (`organization`, `api_version`, ...); the class names those that it
    knows in `OPTIONS`, and may say in `INLINE` how many bytes of files go in one request. One that embeds several texts
    in one request says in `BUNDLE` how many it takes; such a request is a bundle, whose texts stand in its `parts`.
    """

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the headers that every request to an endpoint carries, credential included."""
        ...

    def problem(self, request: Request) -> str | None:
        """Return why `request` cannot be said in this dialect, or None."""
        ...

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Return the exchange of `request` that follows `responses`."""
        ...

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:
        """Return what a reply to `request` means. Never raises, whatever the bytes are."""
        ...

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what a reply, good or bad, says about the limits. Never raises, whatever the headers are."""
        ...


class StreamReader(Protocol):
    """Reads one answer that comes in pieces."""

    is_over: bool
    """Whether the dialect's own end has come; what follows is not looked at."""

    def feed(self, data: bytes) -> list[Delta]:
        """Return what the next bytes, cut anywhere, add to the answer. Never raises, whatever they are."""
        ...

    def result(self) -> Response | Fault:
        """Return what came of it, when it is over or nothing more comes.

        A stream that ends before its dialect's own end is a fault.
        """
        ...


@runtime_checkable
class StreamingProvider(Provider, Protocol):
    """A dialect that can send an answer in pieces."""

    def encode_stream(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:
        """Return the exchange of `request` that follows `responses`, to be answered in pieces."""
        ...

    def reader(self, head: HttpReply, request: Request) -> StreamReader:
        """Return a reader for the body of a reply with this status (a good one) and these headers."""
        ...


@runtime_checkable
class SigningProvider(Provider, Protocol):
    """A dialect whose requests are signed with AWS credentials where there is no key."""

    def signature(self) -> tuple[str, str]:
        """Return service and region for which they are signed.

        Raises:
            ConfigError: The region is not known.
        """
        ...


PROVIDERS: dict[str, str] = {
    "openai": "openai_chat:OpenAIChat",
    "openai-responses": "openai_responses:OpenAIResponses",
    "azure-openai": "azure:AzureOpenAI",
    "mistral": "mistral:Mistral",
    "quart": "quart:Quart",
    "anthropic": "anthropic:Anthropic",
    "gemini": "gemini:Gemini",
    "vertex": "gemini:Vertex",
    "ollama": "ollama:Ollama",
    "cohere": "cohere:Cohere",
    "bedrock": "bedrock:Bedrock",
}
"""Dialects by the name that `provider = ...` has in a configuration: module here and class, loaded when it is used."""


def find_provider(
    name: str, options: Mapping[str, str] | None = None, base_url: str | None = None
) -> Provider:
    """Return the provider called `name`, of this package or another one, for an endpoint with these options.

    A dialect that has to know where its endpoint is (Azure's paths depend on it) names `base_url` among its options.

    Raises:
        ConfigError: There is none, it does not know an option, or it cannot be loaded.
    """
    make = _load(name)
    known = getattr(make, "OPTIONS", ())
    for option in options or {}:
        if option not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise ConfigError(f"provider '{name}' has no option '{option}'; {takes}")
    where = {"base_url": base_url} if base_url is not None and "base_url" in known else {}
    provider: Provider = make({**(options or {}), **where})
    return provider


@cache
def _offered() -> Mapping[str, "EntryPoint"]:
    from importlib.metadata import entry_points  # noqa: PLC0415  it costs more than a dialect

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _load(name: str) -> Any:
    """Return the class of a dialect."""
    if name in PROVIDERS:
        module, _, kind = PROVIDERS[name].partition(":")
        return getattr(import_module(f"brimline.providers.{module}"), kind)
    if name not in _offered():
        known = ", ".join(sorted({*PROVIDERS, *_offered()}))
        raise ConfigError(f"provider '{name}' does not exist; there is {known}")
    try:
        return _offered()[name].load()
    except Exception as error:
        source = _offered()[name].value
        raise ConfigError(f"provider '{name}' ({source}) cannot be loaded: {error}") from error
