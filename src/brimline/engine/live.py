"""A live endpoint: what answers exchanges, within their time and whatever goes wrong."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from brimline.core.bundle import parts_of
from brimline.core.lane import Attempt
from brimline.engine.sharing import Account
from brimline.types import Fault, FaultKind, Operation, Response, Secret

log = logging.getLogger("brimline.engine")


class LiveEndpoint(ABC):
    """Answers exchanges.

    Args:
        key: Its credential, to keep it out of what the server says.
        account: Whose limits hold there; None: nobody shares them.

    Attributes:
        bundle: How many embeddings it takes in one exchange.
    """

    bundle = 1

    def __init__(self, key: Secret | None = None, account: Account | None = None) -> None:
        self.account = account
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
                return self._redacted(_whole(attempt, await self._send(attempt, departed)))
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

    @property
    def can_stream(self) -> bool:
        """Whether it can send an answer in pieces."""
        return False

    @abstractmethod
    async def _send(self, attempt: Attempt, departed: Callable[[], None]) -> Response | Fault:
        """Send an attempt's exchange, call `departed` when it leaves, and return what came of it.

        What is raised becomes a fault of brimline itself.
        """

    def _redacted(self, result: Response | Fault) -> Response | Fault:
        if isinstance(result, Fault) and self._key is not None:
            return replace(result, detail=self._key.redact(result.detail))
        return result

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything."""


def _whole(attempt: Attempt, result: Response | Fault) -> Response | Fault:
    """See that each text that was to be embedded has its vector: none must get another's."""
    request = attempt.ticket.request
    if request.operation is not Operation.EMBEDDING or isinstance(result, Fault):
        return result
    texts = sum(len(part.messages) for part in parts_of(request))
    if len(result.embeddings) == texts:
        return result
    return Fault(FaultKind.BAD_REPLY, f"{len(result.embeddings)} vectors for {texts} texts")
