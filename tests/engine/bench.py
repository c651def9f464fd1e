"""An engine over scripted endpoints, and runs whose sink writes everything down."""

import asyncio
import errno
import random
from collections import defaultdict, deque

from brimline.config import Config, Endpoint
from brimline.core.time import SECOND
from brimline.engine.engine import Engine
from brimline.engine.run import Run, Sink
from brimline.types import Fault, FaultKind, Request

CONFIG = Config(
    endpoints={name: Endpoint(base_url=f"http://{name}.invalid", key="none") for name in ("lab", "far")},
    environment={},
)
DOWN = Fault(FaultKind.CONNECTION, "refused")
STOP = Fault(FaultKind.CANCELLED, "stopped by the test")
FULL_DISK = OSError(errno.ENOSPC, "No space left on device")
BROKEN_DISK = OSError(errno.EIO, "Input/output error")


def engine_over(lab, far=None, **options):
    """An engine whose `lab/...` and `far/...` models are answered by scripts."""

    async def connect(name):
        return {"lab": lab, "far": far}[name].live()

    options = {"rng": random.Random(1), "config": CONFIG, "connect": connect} | options
    return Engine(**options)


def now():
    return asyncio.get_running_loop().time()


def requests(number, model="lab/a", *, first=0, **kind):
    return [
        Request(id=n, model=model, messages=({"role": "user", "content": f"{n}"},), **kind)
        for n in range(first, first + number)
    ]


def refused(wait=None, dimension=None):
    after = None if wait is None else round(wait * SECOND)
    return Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=after, http_status=429, dimension=dimension)


def most_in_any_window(times, window):
    """The most events in any half-open span of `window` seconds; to the nanosecond, as floats would lie."""
    times, first, most = sorted(round(time * SECOND) for time in times), 0, 0
    for place, time in enumerate(times):
        while times[first] <= time - window * SECOND:
            first += 1
        most = max(most, place - first + 1)
    return most


class Rows:
    """A source: the requests of each model, in order."""

    def __init__(self, requests):
        self.left = defaultdict(deque)
        for request in requests:
            self.left[request.model].append(request)

    async def pull(self, lane, room):
        left = self.left[lane.model]
        return [left.popleft() for _ in range(min(room, len(left)))] or None


class Notebook(Sink):
    """Writes down what it is told, and when; its disk is as bad as a test wants it."""

    def __init__(self):
        self.events = []
        self.kept = {}
        self.given_up = {}
        self.unflushed = []
        self.gate = None
        self.delay = 0.0
        self.disk = None

    def note(self, what, of):
        self.events.append((now(), what, of))

    async def keep(self, final):
        id_ = final.ticket.request.id
        assert id_ not in self.kept
        assert id_ not in self.given_up
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(self.delay)
        self.kept[id_] = final.outcome
        self.note("kept", id_)

    async def give_up(self, stopped):
        for ticket in stopped.tickets:
            assert ticket.request.id not in self.kept
            assert ticket.request.id not in self.given_up
            self.given_up[ticket.request.id] = stopped.fault
            self.note("given up", ticket.request.id)

    async def keep_turn(self, turn):
        self.note("turn", (turn.ticket.request.id, turn.response.text))

    def started(self, attempt):
        self.unflushed.append(attempt.ticket.request.id)

    def ended(self, attempt, result):
        self.note("ended", attempt.ticket.request.id)

    def flush(self):
        if self.disk is not None:
            raise self.disk
        for id_ in self.unflushed:
            self.note("noted", id_)
        self.unflushed.clear()

    def times(self, what):
        return [time for time, name, _ in self.events if name == what]


async def open_run(engine, requests, sink=None, *, timeout=600.0, watch=None):
    """Open a run over requests and let it go."""
    hedge = engine.config.run.hedge
    streaming = engine.streaming()
    run = Run(
        Rows(requests), sink or Notebook(), timeout=timeout, hedge=hedge, watch=watch, streaming=streaming
    )
    run.is_open = True
    for model in dict.fromkeys(request.model for request in requests):
        await engine.open_lane(run, model)
    run.is_open = False
    run.look()
    return run


async def whole_run(engine, requests, sink=None, **options):
    """Run requests to the end; return the run."""
    run = await open_run(engine, requests, sink, **options)
    await run.done.wait()
    engine.end(run)
    await run.join()
    assert run.error is None
    return run


def others():
    """Tasks besides the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}
