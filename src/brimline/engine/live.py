"""A live endpoint: a dialect, a way to the server, and a credential that stays in."""

from collections.abc import Callable
from dataclasses import replace

from brimline.core.lane import Ticket
from brimline.data.media import embed
from brimline.providers import Provider
from brimline.transport import Transport
from brimline.types import Fault, Response, Secret


class LiveEndpoint:
    """Sends exchanges to one endpoint.

    Args:
        provider: Its dialect.
        transport: The way to it.
        key: Its credential, to keep it out of what the server says.
    """

    def __init__(self, provider: Provider, transport: Transport, key: Secret | None) -> None:
        self.provider = provider
        self._transport = transport
        self._key = key

    async def send(self, ticket: Ticket, departed: Callable[[], None]) -> Response | Fault:
        """Send the ticket's next exchange and return what came of it; call `departed` when it leaves."""
        request = ticket.request
        if request.media:
            request = replace(request, messages=embed(request.messages, request.media))
        reply = await self._transport.send(self.provider.encode(request, ticket.responses), departed)
        result = reply if isinstance(reply, Fault) else self.provider.decode(reply)
        if isinstance(result, Fault) and self._key is not None:
            return replace(result, detail=self._key.redact(result.detail))
        return result

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()
