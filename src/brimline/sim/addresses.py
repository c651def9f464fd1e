"""Where the clients of each API have to be sent: all of them are spoken at one port."""

from typing import NamedTuple


class Address(NamedTuple):
    """A base URL, for those whose URLs begin the same way."""

    clients: str
    """What they are called, in a few words."""
    url: str


def addresses(url: str) -> tuple[Address, ...]:
    """The base URLs that clients want; `url` is that of the server, which is OpenAI's."""
    root = url.removesuffix("/v1")
    return (
        Address("OpenAI, Mistral, Groq, vLLM, TGI", f"{root}/v1"),
        Address("Anthropic, Gemini, Vertex AI, Azure, Ollama, Cohere, Bedrock, Quart", root),
    )
