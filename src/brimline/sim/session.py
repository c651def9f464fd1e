"""One life of a server, from its start or a reset to the next: its world, its ledger, its files, those in line."""

import asyncio

from brimline.sim.dialect import Dialect
from brimline.sim.files import Files
from brimline.sim.ledger import Ledger
from brimline.sim.script import Script
from brimline.sim.world import OPENAI_CHAT, Exchange, World


class Session:
    """Keeps world and ledger in step."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world, self.ledger = world, ledger
        self.files = Files()
        self._line: dict[Exchange, asyncio.Future[Script]] = {}

    def __repr__(self) -> str:
        return f"Session({self.ledger.total}, waiting={len(self._line)})"

    def arrive(self, now: int, key: str | None, body: bytes, dialect: Dialect = OPENAI_CHAT) -> Exchange:
        """Take a request in and note it."""
        exchange = self.world.arrive(now, key, body, dialect)
        self.ledger.open(exchange)
        return exchange

    async def turn(self, exchange: Exchange) -> Script:
        """Wait for the script of a request that has no slot yet."""
        self._line[exchange] = asyncio.get_running_loop().create_future()
        return await self._line[exchange]

    def leave(self, now: int, exchange: Exchange, kind: str) -> None:
        """Note how a request ended, and wake those whose script begins."""
        self._line.pop(exchange, None)
        for each in self.world.leave(now, exchange):
            turn = self._line.get(each)
            if turn is not None and each.script is not None and not turn.done():
                turn.set_result(each.script)
        self.ledger.close(exchange, now, kind)
