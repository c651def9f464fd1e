"""The pump's alarm: sleeps until a moment, or until something happens."""

import asyncio


class Wake:
    """One sleeper, woken by `set` or by its moment."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_set = False
        self._sleeper: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the sleeper, or keep it from falling asleep."""
        self._is_set = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def until(self, when: int | None) -> None:
        """Sleep until `when`, ns of the loop's clock, or without end if it is None."""
        if not self._is_set:
            self._sleeper = self._loop.create_future()
            timer = None if when is None else self._loop.call_at(when / 1e9, self.set)
            try:
                await self._sleeper
            finally:
                self._sleeper = None
                if timer is not None:
                    timer.cancel()
        self._is_set = False
