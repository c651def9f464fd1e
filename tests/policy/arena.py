"""The dispatcher against the simulator's world, both pure, on a clock that is a number: hours in seconds.

Nothing is mocked: requests are encoded and replies decoded by the real provider, limits are the simulator's own.
"""

import heapq
import random
from dataclasses import dataclass, field
from itertools import count, islice

from brimline.core.dispatcher import Dispatcher
from brimline.core.learned import Learned
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Final, NeedRequests, Start, Stopped, Wait
from brimline.core.time import MILLISECOND, SECOND
from brimline.providers.openai_chat import OpenAIChat
from brimline.sim import Scenario, World
from brimline.types import Failure, Fault, FaultKind, HttpReply, Request

NETWORK = MILLISECOND // 2
"""One way between us and the provider, ns."""


@dataclass
class Tally:
    """What happened to one model, counted at the server."""

    sent: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    latencies: list[tuple[int, int]] = field(default_factory=list)
    waits: dict = field(default_factory=dict)
    answered: int = 0
    failed: int = 0
    last: int = 0
    in_flight: int = 0
    crowd: list[tuple[int, int]] = field(default_factory=list)
    peak: int = 0

    def rate(self, start, end):
        """Accepted per second between two moments, in seconds."""
        return sum(start * SECOND <= t < end * SECOND for t in self.accepted) / (end - start)

    @property
    def seconds(self):
        """When the last reply came."""
        return self.last / SECOND

    def peak_between(self, start, end):
        """The most in flight between two moments, in seconds."""
        inside = [count for at, count in self.crowd if start * SECOND <= at < end * SECOND]
        return max(inside, default=0)

    def refusals(self, start=0.0, end=float("inf")):
        return sum(start * SECOND <= t < end * SECOND for t in self.refused)


class Arena:
    """Runs requests through dispatcher, provider and world.

    Args:
        scenario: The simulator's scenario, TOML.
        seed: For all chance.
        is_mute: Whether a refusal says nothing but that it is one.
        refusal: What a mute refusal says all the same.

    Attributes:
        faults: For a model, what says how its attempts end, whatever its server says; None: as that says.
    """

    def __init__(self, scenario, *, seed=1, is_mute=False, refusal=b"Too Many Requests"):
        self._scenario, self._seed = Scenario.parse(scenario), seed
        self._worlds = {}
        self.faults = {}
        self.dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(seed + 1))
        self.provider = OpenAIChat()
        self.is_mute = is_mute
        self.refusal = refusal
        self.now = 0
        self.tallies = {}
        self.ended = []
        self.offered = {}
        self._events = []
        self._order = count()
        self._sources = {}
        self._waiting = {}

    def lane(self, model="lab/x", *, quota="", concurrency=None, requests=(), scope=None, room=2048):
        """Open a lane with everything it will send."""
        quotas = parse_quotas(quota) if quota else ()
        key = LimitScope(model.partition("/")[0], scope or model)
        learned = Learned(concurrency, is_paced=bool(quotas))
        lane = self.dispatcher.open(
            "run", model, [Way(model, key, lambda: LimitSet(quotas, concurrency, learned=learned))], room=room
        )
        self._sources[lane] = iter(requests)
        self.tallies.setdefault(model, Tally())
        return lane

    def pool(self, members, requests, model="team/x"):
        """Open a lane over a pool, with the quota of each member."""
        ways = []
        for member, quota in members.items():
            quotas = parse_quotas(quota) if quota else ()
            learned = Learned(None, is_paced=bool(quotas))
            limits = LimitSet(quotas, None, learned=learned)
            key = LimitScope(member.partition("/")[0], member)
            ways.append(Way(member, key, lambda limits=limits: limits))
            self.tallies[member] = Tally()
        lane = self.dispatcher.open("run", model, ways, room=2048)
        self._sources[lane] = iter(requests)
        return lane

    def world(self, attempt):
        """The server of an attempt's endpoint."""
        name = attempt.route.scope.key.endpoint
        if name not in self._worlds:
            self._worlds[name] = World(self._scenario, random.Random(self._seed))
        return self._worlds[name]

    @property
    def tally(self):
        """What happened to the only model."""
        (tally,) = self.tallies.values()
        return tally

    def prompts(self, number, model="lab/x", text="prompt {n}", **params):
        return (
            Request(
                id=n, model=model, messages=({"role": "user", "content": text.format(n=n)},), params=params
            )
            for n in range(number)
        )

    def at(self, when, action):
        """Do something at a moment, ns."""
        heapq.heappush(self._events, (when, next(self._order), action))

    def run(self, until=float("inf")):
        """Run until nothing is left to do, or until a moment in seconds."""
        end = until * SECOND
        while True:
            step = self.dispatcher.next(self.now)
            if isinstance(step, Start):
                self._send(step.attempt)
            elif isinstance(step, NeedRequests):
                self._feed(step)
            else:
                moments = [self._events[0][0]] if self._events else []
                moments += [step.until] if isinstance(step, Wait) else []
                if not moments or min(moments) > end:
                    self.now = min(end, self.now) if not moments else self.now
                    return self
                self.now = max(self.now, min(moments))
                while self._events and self._events[0][0] <= self.now:
                    heapq.heappop(self._events)[2]()

    def arrive(self, when, lane, request):
        """Offer a request at a moment, in seconds."""
        self._sources[lane] = None
        self.at(round(when * SECOND), lambda: self._offer(lane, request))

    def _offer(self, lane, request):
        self.offered[request.id] = self.now
        self._conclude(self.dispatcher.offer(lane, [request]))

    def _feed(self, step):
        source = self._sources[step.lane]
        if source is None:
            return
        requests = [*islice(source, step.room)]
        if not requests:
            self.dispatcher.exhaust(step.lane)
        self._conclude(self.dispatcher.offer(step.lane, requests))

    def _send(self, attempt):
        tally = self.tallies[attempt.route.model]
        tally.sent.append(self.now)
        tally.in_flight += 1
        tally.peak = max(tally.peak, tally.in_flight)
        tally.crowd.append((self.now, tally.in_flight))
        tally.waits.setdefault(attempt.ticket.request.id, self.now)
        self.dispatcher.depart(self.now, attempt)
        body = self.provider.encode(*attempt.exchange).body
        self.at(self.now + NETWORK, lambda: self._arrive(attempt, body, tally))

    def _arrive(self, attempt, body, tally):
        exchange = self.world(attempt).arrive(self.now, None, body)
        (tally.refused if exchange.kind in {"refused", "429"} else tally.accepted).append(self.now)
        if exchange.script is not None:
            self._play(attempt, exchange, tally)
        else:
            self._waiting[exchange] = attempt, tally

    def _play(self, attempt, exchange, tally):
        self.at(self.now + exchange.script.lasts, lambda: self._leave(self.world(attempt), exchange))
        reply = _reply(exchange.script)
        if self.is_mute and not isinstance(reply, Fault) and reply.status == 429:
            reply = HttpReply(429, {}, self.refusal)
        self.at(self.now + exchange.script.lasts + NETWORK, lambda: self._settle(attempt, reply, tally))

    def _leave(self, world, exchange):
        for moved in world.leave(self.now, exchange):
            attempt, tally = self._waiting.pop(moved)
            self._play(attempt, moved, tally)

    def _settle(self, attempt, reply, tally):
        result = reply if isinstance(reply, Fault) else self.provider.decode(reply, attempt.ticket.request)
        if isinstance(reply, HttpReply):
            attempt.adverts = self.provider.adverts(reply)
        instead = self.faults.get(attempt.route.model, lambda: None)()
        result = instead or result
        tally.in_flight -= 1
        tally.last = self.now
        if not isinstance(result, Fault):
            tally.latencies.append((self.now, self.now - attempt.started))
        verdict = self.dispatcher.settle(self.now, attempt, result)
        self._conclude([verdict])
        self.dispatcher.release(attempt)

    def _conclude(self, verdicts):
        for verdict in verdicts:
            if isinstance(verdict, Final):
                tally = self.tallies[verdict.ticket.served_by or verdict.ticket.lane.model]
                tally.failed += isinstance(verdict.outcome, Failure)
                tally.answered += verdict.outcome.ok
                self.dispatcher.conclude(verdict.ticket)
                self.ended.append((self.now, verdict.outcome))
            elif isinstance(verdict, Stopped):
                self.dispatcher.conclude(*verdict.tickets)


def _reply(script):
    """Parse what the server would have written."""
    if not script.status:
        return Fault(FaultKind.CONNECTION, "reset")
    data = b"".join(piece for _, piece in script.pieces)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return HttpReply(script.status, headers, body)
