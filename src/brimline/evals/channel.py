"""A channel between two steps of a pipeline: so many parcels fit, and who gives more waits."""

import asyncio
from typing import Self

from brimline.evals.parcel import Parcel

SIZE = 64


class Channel:
    """Parcels on their way from one step to the next; iterate over it to take them."""

    def __init__(self) -> None:
        self._parcels: asyncio.Queue[Parcel | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(SIZE)

    async def put(self, parcel: Parcel) -> None:
        """Give a parcel, as soon as there is room."""
        await self._room.acquire()
        self._parcels.put_nowait(parcel)

    def close(self) -> None:
        """Give no more."""
        self._parcels.put_nowait(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Parcel:
        parcel = await self._parcels.get()
        if parcel is None:
            self._parcels.put_nowait(None)  # for who asks again
            raise StopAsyncIteration
        self._room.release()
        return parcel
