"""What happened in one lane, counted as it happens: for screens and reports, never for decisions."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind, Response, Usage

_STEP = math.log(1.05)
_FLOOR = 0.001


class Latencies:
    """Quantiles of latencies, exact to 5%, in constant memory.

    Args:
        floor: The shortest that is told apart, seconds.
    """

    __slots__ = ("_counts", "_floor", "_total")

    def __init__(self, floor: float = _FLOOR) -> None:
        self._floor = floor
        self._counts: dict[int, int] = {}
        self._total = 0

    def add(self, latency: float) -> None:
        """Count a latency, seconds."""
        bucket = int(math.log(max(latency, self._floor) / self._floor) / _STEP)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self._total += 1

    def quantile(self, share: float) -> float | None:
        """Return the latency that this share of all does not exceed, seconds, or None if there are none."""
        left = math.ceil(share * self._total)
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return self._floor * math.exp(_STEP * (bucket + 0.5))
        return None


@dataclass(slots=True)
class Count:
    """What happened in a span of time: attempts started, requests finished, tokens used."""

    requests: int = 0
    finished: int = 0
    tokens: int = 0


class Flow:
    """What happened in the last minute, by the second."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, Count]] = deque()

    def at(self, now: int) -> Count:
        """Return the count of the second of `now`, ns, to add to."""
        second = now // SECOND
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, Count()))
            while self._seconds[0][0] <= second - MINUTE // SECOND:
                self._seconds.popleft()
        return self._seconds[-1][1]

    def last_minute(self, now: int) -> Count:
        """Return the count of the minute that ends at `now`."""
        since = now // SECOND - MINUTE // SECOND
        recent = [count for second, count in self._seconds if second > since]
        return Count(
            sum(count.requests for count in recent),
            sum(count.finished for count in recent),
            sum(count.tokens for count in recent),
        )


class Meter:
    """The counters of one lane.

    Attributes:
        ok: Requests answered.
        failed: Requests given up.
        attempts: HTTP requests sent.
        hedged: Of those, second ones for requests whose first was late.
        in_flight: Of those, the ones that have not ended.
        refused: Attempts refused for a rate limit.
        retried: Attempts that failed otherwise and were tried again, or left to their rival.
        cached: Requests whose answer came from the cache; they count as answered, too.
        duplicates: Requests that got the outcome of an equal one; they count as answered or given up, too.
        tokens: Tokens used, in the order of `Usage`.
        first_at: When the first attempt started, ns, or None.
        last_at: When the last attempt started, ns.
        latencies: How long attempts took that were answered.
        first_tokens: How long it took until streamed answers began.
        paces: How long a token of a streamed answer took.
        flow: The last minute.
        routes: The counters of each of its routes, by model reference, where it has several.
    """

    __slots__ = (
        "attempts", "cached", "duplicates", "failed", "first_at", "first_tokens", "flow", "hedged", "in_flight", "last_at",
        "latencies", "ok", "paces", "refused", "retried", "routes", "tokens",
    )  # fmt: skip

    def __init__(self, routes: Iterable[str] = ()) -> None:
        self.routes = {model: Meter() for model in routes}
        self.ok = 0
        self.failed = 0
        self.attempts = 0
        self.hedged = 0
        self.in_flight = 0
        self.refused = 0
        self.retried = 0
        self.cached = 0
        self.duplicates = 0
        self.tokens = [0, 0, 0, 0, 0]
        self.first_at: int | None = None
        self.last_at = 0
        self.latencies = Latencies()
        self.first_tokens = Latencies()
        self.paces = Latencies(_FLOOR / 1000)
        self.flow = Flow()

    def started(self, now: int, *, is_hedge: bool = False) -> None:
        """Count an attempt that starts."""
        self.attempts += 1
        self.hedged += is_hedge
        self.in_flight += 1
        self.last_at = now
        if self.first_at is None:
            self.first_at = now
        self.flow.at(now).requests += 1

    def ended(self, now: int, started: int, result: Response | Fault) -> None:
        """Count an attempt that has ended."""
        self.in_flight -= 1
        if isinstance(result, Fault):
            return
        self.latencies.add((now - started) / SECOND)
        if result.time_to_first_token is not None:
            self.first_tokens.add(result.time_to_first_token)
        if result.time_per_output_token is not None:
            self.paces.add(result.time_per_output_token)
        usage = result.usage
        if usage is not None:
            tokens = self.tokens
            tokens[0] += usage.input_tokens
            tokens[1] += usage.output_tokens
            tokens[2] += usage.cached_input_tokens
            tokens[3] += usage.cache_write_tokens
            tokens[4] += usage.reasoning_tokens
            self.flow.at(now).tokens += usage.input_tokens + usage.output_tokens

    @property
    def usage(self) -> Usage:
        """The tokens used."""
        return Usage(*self.tokens)

    def tried_again(self, fault: Fault) -> None:
        """Count an attempt that is tried again after `fault`."""
        if fault.kind is FaultKind.RATE_LIMITED:
            self.refused += 1
        else:
            self.retried += 1

    def finished(self, now: int, *, ok: bool, cached: bool = False) -> None:
        """Count a request that has its outcome."""
        self.cached += cached
        self.flow.at(now).finished += 1
        if ok:
            self.ok += 1
        else:
            self.failed += 1

    def copied(self, now: int, *, ok: bool) -> None:
        """Count a request that has got the outcome of an equal one."""
        self.duplicates += 1
        self.finished(now, ok=ok)
