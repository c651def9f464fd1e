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
from brimline.sim.chat import Chat, digest
from brimline.sim.desk import Demand, Desk
from brimline.sim.errors import (
    NO_KEY,
    SERVER_ERROR,
    UNAVAILABLE,
    ApiError,
    Refusal,
    bad_key,
    no_such_model,
    not_recorded,
    too_long,
)
from brimline.sim.faults import refuse, twist
from brimline.sim.intake import read_chat
from brimline.sim.replay import Replay
from brimline.sim.replies import Answer, Usage, compose
from brimline.sim.scenario import Scenario
from brimline.sim.script import SILENCE, Letterhead, Script, answer_script, error_script, html_script
from brimline.sim.stream import stream_script


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
    chat: Chat | None = None
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

    def arrive(self, now: int, key: str | None, body: bytes) -> Exchange:
        """Take a request in; `key` is the API key it shows, if any."""
        self._count += 1
        self.first = now if self.first is None else self.first
        exchange = Exchange(self._count, arrived=now, began=now)
        chat = read_chat(body)
        if isinstance(chat, Chat):
            exchange.chat, exchange.model, exchange.text = chat, chat.model, chat.prompt
            exchange.key = digest(chat.messages)
        outage = self._outage(now)
        if outage == "stall":
            exchange.kind, exchange.script = "outage", SILENCE
            return exchange
        down = Refusal("outage", UNAVAILABLE) if outage == "503" else None
        refusal = down or self._turn_away(now, key, chat, exchange)
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

    @property
    def models(self) -> list[str]:
        """The names that are known: those of the scenario, then those that were asked for."""
        named = [name for name in self.scenario.models if not set(name) & set("*?[")]
        return list(dict.fromkeys([*named, *self._desks]))

    def _turn_away(
        self, now: int, key: str | None, chat: Chat | ApiError, exchange: Exchange
    ) -> Refusal | None:
        keys = self.scenario.keys
        if keys is not None and key not in keys:
            return Refusal("auth", bad_key(key) if key else NO_KEY)
        if isinstance(chat, ApiError):
            return Refusal("invalid", chat)
        desk = self._desk(now, chat.model)
        if desk is None:
            return Refusal("not_found", no_such_model(chat.model))
        refusal = self._check(desk, chat) or self._admit(now, desk, chat, exchange)
        exchange.desk = desk if refusal is None else None
        return refusal

    def _check(self, desk: Desk[Exchange], chat: Chat) -> Refusal | None:
        """What is wrong with the request whenever it comes."""
        limit = desk.model.max_context
        if limit is not None and chat.input_tokens > limit:
            return Refusal("too_long", too_long(limit, chat.input_tokens))
        replay = self._replays.get(desk.model.replay or "")
        if replay is not None and replay.find(chat) is None:
            return Refusal("not_recorded", not_recorded(replay.file))
        return None

    def _admit(self, now: int, desk: Desk[Exchange], chat: Chat, exchange: Exchange) -> Refusal | None:
        """Ask the limits, then the faults at the door; charge only if nobody refuses."""
        desk.advance(now)
        demand = Demand(self._charge(desk, chat, exchange), chat.input_tokens)
        refusal = desk.limited(now, demand)
        if refusal is not None:
            return refusal
        rule = desk.faults.strike(now - (self.first or 0), self._rng, chat, exchange.key)
        if rule is not None:
            exchange.kind = rule.kind
            refusal = refuse(rule, desk.name)
        if refusal is None:
            desk.take(now, demand)
        return refusal

    def _charge(self, desk: Desk[Exchange], chat: Chat, exchange: Exchange) -> int:
        """Tokens that the request is charged on arrival."""
        if desk.charge == "max_tokens":
            return chat.input_tokens + (chat.limit or 0)
        if desk.charge == "actual":
            exchange.answer = self._compose(desk, chat, exchange)
            return exchange.answer.usage.total
        return 0

    def _compose(self, desk: Desk[Exchange], chat: Chat, exchange: Exchange) -> Answer:
        replay = self._replays.get(desk.model.replay or "")
        recorded = replay.find(chat) if replay is not None else None
        return compose(chat, exchange.key, desk.model, self._rng, recorded or "")

    def _begin(self, now: int, exchange: Exchange) -> None:
        """Write the script of a request that has its slot."""
        desk, chat = exchange.desk, exchange.chat
        assert desk is not None
        assert chat is not None
        exchange.began = now
        latency = desk.latency(self._rng)
        letter = self._letter(now, exchange, desk.rate_lines(now, self._epoch + now))
        if exchange.kind == "500":
            exchange.script = error_script(letter, SERVER_ERROR, latency)
        elif exchange.kind == "html502":
            exchange.script = html_script(letter, latency)
        else:
            made = exchange.answer or self._compose(desk, chat, exchange)
            made = twist(exchange.kind, chat, made)
            exchange.usage = made.usage
            exchange.script = _script(exchange, letter, made, latency, desk.model.tokens_per_s)

    def _refusal_script(self, now: int, exchange: Exchange, refusal: Refusal) -> Script:
        desk = self._desks.get(exchange.model)
        lines = (
            desk.rate_lines(now, self._epoch + now)
            if desk is not None and refusal.error.status == 429
            else ""
        )
        lines += desk.retry_lines(refusal.wait) if desk is not None else ""
        return error_script(self._letter(now, exchange, lines), refusal.error)

    def _letter(self, now: int, exchange: Exchange, rates: str) -> Letterhead:
        return Letterhead(exchange.number, self._epoch + now, exchange.model, rates)

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


def _script(exchange: Exchange, letter: Letterhead, made: Answer, latency: int, pace: float | None) -> Script:
    """An answer in the form that was asked for."""
    chat = exchange.chat
    if chat is not None and chat.stream:
        usage = chat.stream_options is not None and chat.stream_options.include_usage
        return stream_script(letter, made, latency, exchange.kind, pace=pace, usage=usage)
    typing = round(made.usage.output_tokens * SECOND / pace) if pace else 0
    return answer_script(letter, made, latency + typing, exchange.kind)
