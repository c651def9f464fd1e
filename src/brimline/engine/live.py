"""A live endpoint: a dialect, a way to the server, and a credential that stays in."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from brimline.core.lane import Attempt
from brimline.data.media import MediaError, embed
from brimline.engine.sharing import Account
from brimline.providers import Provider
from brimline.transport import Transport
from brimline.types import Fault, FaultKind, Response, Secret

log = logging.getLogger("brimline.engine")


class LiveEndpoint:
    """Sends exchanges to one endpoint.

    Args:
        provider: Its dialect.
        transport: The way to it.
        key: Its credential, to keep it out of what the server says.
        account: Whose limits hold there; None: nobody shares them.
    """

    def __init__(
        self, provider: Provider, transport: Transport, key: Secret | None, account: Account | None = None
    ) -> None:
        self.provider = provider
        self.account = account
        self._transport = transport
        self._key = key

    async def exchange(
        self,
        attempt: Attempt,
        departed: Callable[[], None],
        timeout: float,  # noqa: ASYNC109  its expiry is a fault, not an exception
    ) -> Response | Fault:
        """Send an attempt's exchange and return what came of it; whatever goes wrong is a fault.

        Nothing is raised but the cancellation of the task that waits.

        Args:
            attempt: Whose exchange; it is told what the reply advertises.
            departed: Called when it leaves.
            timeout: Seconds in all.
        """
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return self._redacted(await self._send(attempt, departed))
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            error: BaseException = cancelled  # nobody wanted that: something inside has given up
        except Exception as raised:  # noqa: BLE001  whatever it is, it ends this attempt and no other
            if limit.expired():
                return Fault(FaultKind.TIMEOUT, f"no complete reply within {timeout:g} s")
            error = raised
        log.error("attempt failed", extra={"request": attempt.ticket.request.id}, exc_info=error)
        return self._redacted(Fault(FaultKind.INTERNAL, f"{type(error).__name__}: {error}"))

    async def _send(self, attempt: Attempt, departed: Callable[[], None]) -> Response | Fault:
        request = attempt.ticket.request
        problem = self.provider.problem(request)
        if problem is not None:
            return Fault(FaultKind.INVALID_REQUEST, problem)
        try:
            if request.media:
                request = replace(request, messages=embed(request.messages, request.media))
            encoded = self.provider.encode(request, attempt.ticket.responses)
        except (MediaError, TypeError, ValueError) as error:
            return Fault(FaultKind.INVALID_REQUEST, f"it cannot be sent: {error}")
        reply = await self._transport.send(encoded, departed)
        if isinstance(reply, Fault):
            return reply
        attempt.adverts = self.provider.adverts(reply)
        return self.provider.decode(reply, request)

    def _redacted(self, result: Response | Fault) -> Response | Fault:
        if isinstance(result, Fault) and self._key is not None:
            return replace(result, detail=self._key.redact(result.detail))
        return result

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()
