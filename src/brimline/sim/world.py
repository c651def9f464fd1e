"""The physics of a provider: who is admitted, what they are told and when. No clock, no sockets.

Theory of operation. A request arrives and is, at once, either refused (its script says so and costs
nothing) or admitted: then all limits have been charged and it holds a slot or stands in line for one.
When it has its slot, its whole reply is written as a script that the server plays. When the script is
over, or the client has gone, the request leaves, and those in line move up. Everything random comes from
one generator and is drawn in the order of arrival; refused requests draw nothing but the output that
`charge = "actual"` has to know.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from brimline.sim.amounts import SECOND
from brimline.sim.chat import Chat
from brimline.sim.desk import Demand, Desk
from brimline.sim.dialect import Dialect, Letterhead, Request
from brimline.sim.dialects.openai_chat import OpenAIChat
from brimline.sim.errors import (
    NO_KEY,
    SERVER_ERROR,
    UNAVAILABLE,
    Problem,
    Refusal,
    bad_key,
    no_such_model,
    not_recorded,
    too_long,
)
from brimline.sim.faults import refuse, twist
from brimline.sim.replay import Replay
from brimline.sim.replies import Answer, Usage, compose, embed
from brimline.sim.scenario import Scenario
from brimline.sim.script import SILENCE, Script, Sheet, answer_script, error_script, html_script
from brimline.sim.stream import stream_script

OPENAI_CHAT = OpenAIChat()


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what becomes of it."""

    number: int
    """Counted from 1."""
    arrived: int
    """Nanoseconds, on the clock of `now`."""
    kind: str = "ok"
    """ok, refused (a limit), the name of a fault, or why the request was turned away."""
    model: str = ""
    key: str = ""
    text: str = ""
    """The last user message."""
    usage: Usage | None = None
    """What is billed, of every request that was answered at all."""
    began: int = 0
    """When the script starts: on arrival, or when a slot was free."""
    script: Script | None = None
    """None while the request waits for a slot."""
    told: int = 0
    """The status that the client has seen; the server sets it."""
    dialect: Dialect = OPENAI_CHAT
    request: Request | None = None
    desk: "Desk[Exchange] | None" = None
    """Where it holds a slot or stands in line."""
    answer: Answer | None = None


class World:
    """A scripted provider. `now` is in nanoseconds and may start anywhere."""

    def __init__(
        self,
        scenario: Scenario,
        rng: random.Random,
        *,
        epoch: int = 0,
        replays: Mapping[str, Replay] | None = None,
    ) -> None:
        """Start it; `epoch` is the Unix time in nanoseconds at `now == 0`, `replays` are by file."""
        self.scenario = scenario
        self.first: int | None = None
        self._rng, self._epoch, self._replays = rng, epoch, replays or {}
        self._desks: dict[str, Desk[Exchange]] = {}
        self._count = 0

    def arrive(self, now: int, key: str | None, body: bytes, dialect: Dialect = OPENAI_CHAT) -> Exchange:
        """Take a request in; `key` is the API key it shows, if any."""
        self._count += 1
        self.first = now if self.first is None else self.first
        exchange = Exchange(self._count, arrived=now, began=now, dialect=dialect)
        request = dialect.read(body)
        if not isinstance(request, Problem):
            exchange.request, exchange.model, exchange.text = request, request.model, request.prompt
            exchange.key = request.key
        outage = self._outage(now)
        if outage == "stall":
            exchange.kind, exchange.script = "outage", SILENCE
            return exchange
        down = Refusal("outage", UNAVAILABLE) if outage == "503" else None
        refusal = down or self._turn_away(now, key, request, exchange)
        if refusal is not None:
            exchange.kind, exchange.script = refusal.kind, self._refusal_script(now, exchange, refusal)
        elif exchange.desk is not None and exchange.desk.slots.enter(exchange):
            self._begin(now, exchange)
        return exchange

    def leave(self, now: int, exchange: Exchange) -> list[Exchange]:
        """Let a request go, its script over or its client gone; those whose script begins now, in order."""
        desk = exchange.desk
        if desk is None:
            return []
        if exchange.script is None:
            desk.slots.abandon(exchange)
            return []
        desk.advance(now)
        if exchange.usage is not None:
            desk.generated(now, exchange.usage.output_tokens)
        moved = desk.slots.leave()
        for each in moved:
            self._begin(now, each)
        return moved

    def wall(self, now: int) -> int:
        """Unix time in nanoseconds."""
        return self._epoch + now

    @property
    def models(self) -> list[str]:
        """The names that are known: those of the scenario, then those that were asked for."""
        named = [name for name in self.scenario.models if not set(name) & set("*?[")]
        return list(dict.fromkeys([*named, *self._desks]))

    def _turn_away(
        self, now: int, key: str | None, request: Request | Problem, exchange: Exchange
    ) -> Refusal | None:
        keys = self.scenario.keys
        if keys is not None and key not in keys:
            return Refusal("auth", bad_key(key) if key else NO_KEY)
        if isinstance(request, Problem):
            return Refusal("invalid", request)
        desk = self._desk(now, request.model)
        if desk is None:
            return Refusal("not_found", no_such_model(request.model))
        refusal = self._check(desk, request) or self._admit(now, desk, request, exchange)
        exchange.desk = desk if refusal is None else None
        return refusal

    def _check(self, desk: Desk[Exchange], request: Request) -> Refusal | None:
        """What is wrong with the request whenever it comes."""
        limit = desk.model.max_context
        if limit is not None and request.longest > limit:
            return Refusal("too_long", too_long(limit, request.longest))
        replay = self._replays.get(desk.model.replay or "")
        if replay is not None and isinstance(request, Chat) and replay.find(request) is None:
            return Refusal("not_recorded", not_recorded(replay.file))
        return None

    def _admit(self, now: int, desk: Desk[Exchange], request: Request, exchange: Exchange) -> Refusal | None:
        """Ask the limits, then the faults at the door; charge only if nobody refuses."""
        desk.advance(now)
        demand = Demand(self._charge(desk, request, exchange), request.input_tokens)
        refusal = desk.limited(now, demand)
        if refusal is not None:
            return refusal
        rule = desk.faults.strike(now - (self.first or 0), self._rng, request, exchange.key)
        if rule is not None:
            exchange.kind = rule.kind
            refusal = refuse(rule, desk.name)
        if refusal is None:
            desk.take(now, demand)
        return refusal

    def _charge(self, desk: Desk[Exchange], request: Request, exchange: Exchange) -> int:
        """Tokens that the request is charged on arrival."""
        if desk.charge == "max_tokens":
            return request.input_tokens + (request.limit or 0)
        if desk.charge == "actual":
            exchange.answer = self._compose(desk, request, exchange)
            return exchange.answer.usage.total
        return 0

    def _compose(self, desk: Desk[Exchange], request: Request, exchange: Exchange) -> Answer:
        if not isinstance(request, Chat):
            return embed(request)
        replay = self._replays.get(desk.model.replay or "")
        recorded = replay.find(request) if replay is not None else None
        return compose(request, exchange.key, desk.model, self._rng, recorded or "")

    def _begin(self, now: int, exchange: Exchange) -> None:
        """Write the script of a request that has its slot."""
        desk, request = exchange.desk, exchange.request
        assert desk is not None
        assert request is not None
        exchange.began = now
        latency = desk.latency(self._rng)
        rates = desk.rate_lines(now, self.wall(now), exchange.dialect.form)
        sheet = self._sheet(now, exchange, rates)
        if exchange.kind == "500":
            exchange.script = error_script(sheet, SERVER_ERROR, latency)
        elif exchange.kind == "html502":
            exchange.script = html_script(sheet, latency)
        else:
            made = exchange.answer or self._compose(desk, request, exchange)
            made = twist(exchange.kind, request, made)
            exchange.usage = made.usage
            exchange.script = _script(exchange, sheet, made, latency, desk.model.tokens_per_s)

    def _refusal_script(self, now: int, exchange: Exchange, refusal: Refusal) -> Script:
        desk, dialect = self._desks.get(exchange.model), exchange.dialect
        if desk is None:
            return error_script(self._sheet(now, exchange), refusal.error)
        rates = desk.rate_lines(now, self.wall(now), dialect.form) if refusal.error.is_limit else ""
        rates += desk.retry_lines(refusal.wait, dialect.retry)
        return error_script(
            self._sheet(now, exchange, rates, refusal.wait if desk.tells else None), refusal.error
        )

    def _sheet(self, now: int, exchange: Exchange, rates: str = "", retry: int | None = None) -> Sheet:
        letter = Letterhead(exchange.number, self.wall(now), exchange.model, rates, retry)
        return Sheet(exchange.dialect, letter)

    def _desk(self, now: int, name: str) -> Desk[Exchange] | None:
        desk = self._desks.get(name)
        model = self.scenario.model(name) if desk is None else None
        if model is not None:
            first = now if self.first is None else self.first
            changes = (change for change in self.scenario.changes if fnmatchcase(name, change.model))
            desk = self._desks[name] = Desk(name, model, changes, first)
        return desk

    def _outage(self, now: int) -> str | None:
        """The kind of the outage that is on, if there is one."""
        elapsed = now - (self.first or 0)
        for outage in self.scenario.outages:
            if outage.start.ns <= elapsed < outage.end.ns:
                return outage.kind
        return None


def _script(exchange: Exchange, sheet: Sheet, made: Answer, latency: int, pace: float | None) -> Script:
    """An answer in the form that was asked for."""
    request = exchange.request
    assert request is not None
    if request.stream:
        return stream_script(sheet, request, made, latency, exchange.kind, pace=pace)
    typing = round(made.usage.output_tokens * SECOND / pace) if pace else 0
    return answer_script(sheet, request, made, latency + typing, exchange.kind)
