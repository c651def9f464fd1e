"""An endpoint on the wire: a dialect, a way to the server, and a credential that stays in."""

from collections.abc import Callable
from dataclasses import replace

from brimline.core.lane import Attempt
from brimline.data.media import MediaError, embed
from brimline.engine.live import LiveEndpoint
from brimline.engine.run import Run
from brimline.engine.sharing import Account
from brimline.engine.streamed import StreamedExchange
from brimline.providers import Provider, SigningProvider, StreamingProvider
from brimline.transport import (
    HttpTransport,
    SignedTransport,
    StreamingTransport,
    TokenTransport,
    Transport,
    is_google,
)
from brimline.types import Fault, FaultKind, Operation, Response, Secret


class WireEndpoint(LiveEndpoint):
    """Sends exchanges to one server.

    Args:
        provider: Its dialect.
        transport: The way to it.
        key: Its credential, to keep it out of what the server says.
        account: Whose limits hold there; None: nobody shares them.
    """

    def __init__(
        self, provider: Provider, transport: Transport, key: Secret | None, account: Account | None = None
    ) -> None:
        super().__init__(key, account)
        self.provider = provider
        self.bundle = getattr(provider, "BUNDLE", 1)
        self._transport = transport
        self._ways: tuple[StreamingProvider, StreamingTransport] | None = None
        if isinstance(provider, StreamingProvider) and isinstance(transport, StreamingTransport):
            self._ways = provider, transport

    @property
    def can_stream(self) -> bool:
        """Whether its dialect can send an answer in pieces."""
        return self._ways is not None

    async def _send(self, attempt: Attempt, departed: Callable[[], None]) -> Response | Fault:
        request, responses = attempt.exchange
        problem = self.provider.problem(request)
        if problem is not None:
            return Fault(FaultKind.INVALID_REQUEST, problem)
        run: Run = attempt.ticket.lane.run
        streaming, ways = run.streaming, self._ways
        if request.operation is Operation.EMBEDDING:
            streaming = None
        try:
            if request.media:
                request = replace(request, messages=embed(request.messages, request.media))
            encode = self.provider.encode if streaming is None or ways is None else ways[0].encode_stream
            encoded = encode(request, responses)
        except (MediaError, TypeError, ValueError) as error:
            return Fault(FaultKind.INVALID_REQUEST, f"it cannot be sent: {error}")
        if streaming is not None and ways is not None:
            exchange = StreamedExchange(attempt, request, ways[0], streaming)
            return await exchange.perform(encoded, ways[1], departed)
        reply = await self._transport.send(encoded, departed)
        if isinstance(reply, Fault):
            return reply
        attempt.adverts = self.provider.adverts(reply)
        return self.provider.decode(reply, request)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()


def open_transport(provider: Provider, base_url: str, key: Secret | None) -> Transport:
    """Return the way to an endpoint; where there is no key, some dialects sign their requests or fetch tokens.

    Raises:
        ConfigError: Base URL, proxy, credential or region cannot be used, or an extra is not installed.
    """
    transport = HttpTransport(base_url, provider.headers(key))
    if key is None and isinstance(provider, SigningProvider):
        return SignedTransport(transport, base_url, *provider.signature())
    if key is None and getattr(provider, "HAS_TOKENS", False) and is_google(base_url):
        return TokenTransport(transport)
    return transport
