"""The dispatcher alone, with many waiting tickets: prints the CPU of a cycle, as JSON.

Usage: `steps.py CYCLES ROUNDS WAITING...`. All sizes live in one process and take turns, so that noise meets all
of them alike. The garbage collector is off while it is measured: it would look at every waiting ticket, and in a run
only a few hundred wait in memory.
"""

import gc
import json
import random
import sys
import time

from brimline.core.dispatcher import Dispatcher
from brimline.core.lane import Lane
from brimline.core.limits import LimitSet
from brimline.core.quota import parse_quotas
from brimline.core.retry import RetryPolicy
from brimline.core.route import Way
from brimline.core.scope import LimitScope
from brimline.core.steps import Start, Wait
from brimline.types import Request, Response, Usage

GAP = 1000
"""Nanoseconds between two requests at 60M/min."""

ANSWER = Response(text="18", usage=Usage(96, 24))


class Load:
    """A dispatcher in which always the same number of requests wait."""

    def __init__(self, waiting: int) -> None:
        self._dispatcher = Dispatcher(policy=RetryPolicy(), rng=random.Random(1))
        limits = LimitSet(parse_quotas("60M/min burst 1, 60000M tokens/min"), 256)
        scope = LimitScope("lab", "x")
        self._lane: Lane = self._dispatcher.open(
            "run", "lab/x", [Way("lab/x", scope, lambda: limits)], room=waiting + 1
        )
        self._now = GAP
        self._dispatcher.next(self._now)
        self._dispatcher.offer(self._lane, map(make_request, range(waiting)))
        self._number = waiting

    def cycle(self) -> None:
        """Start a request, be refused the next, settle and conclude the first, and offer one more."""
        dispatcher, now = self._dispatcher, self._now
        step = dispatcher.next(now)
        assert isinstance(step, Start), step
        refused = dispatcher.next(now)
        assert isinstance(refused, Wait), refused
        dispatcher.depart(now, step.attempt)
        verdict = dispatcher.settle(now, step.attempt, ANSWER)
        dispatcher.conclude(verdict.ticket)
        dispatcher.release(step.attempt)
        dispatcher.offer(self._lane, [make_request(self._number)])
        self._number += 1
        self._now = refused.until


def make_request(number: int) -> Request:
    """Return a request of its own."""
    return Request(id=number, model="lab/x", messages=({"role": "user", "content": "How many?"},))


def measure(load: Load, cycles: int) -> float:
    """Return the CPU of one cycle, microseconds."""
    began = time.process_time()
    for _ in range(cycles):
        load.cycle()
    return (time.process_time() - began) * 1e6 / cycles


def main() -> None:
    """Measure every size in turns."""
    cycles, rounds, *sizes = map(int, sys.argv[1:])
    loads = {size: Load(size) for size in sizes}
    gc.collect()
    gc.disable()
    for load in loads.values():
        measure(load, cycles // 10)
    taken = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, load in loads.items():
            taken[size].append(measure(load, cycles))
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
