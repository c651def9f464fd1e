"""What came of one run of one client, from the server's log, the client's answers and the kernel's count."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, dropwhile
from typing import Any, Self

from benchmarks.league.places import KNOWN_BY, Arrival


@dataclass(frozen=True, slots=True)
class Ended:
    """A client's process that is over.

    Attributes:
        code: Its exit code; None if it was stopped.
        wall: Seconds from its start to its end.
        cpu: Seconds of user and system time.
        peak_mb: The most memory it held at once, MiB.
        load: How many processes wanted a processor in the minute before it ended, its own among them.
    """

    code: int | None
    wall: float
    cpu: float
    peak_mb: float
    load: float


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run; those counted at a server that keeps no log are None.

    Attributes:
        wall_s: Seconds of the whole process.
        cpu_s: Seconds of CPU of the whole process.
        peak_mb: The most memory it held at once, MiB.
        load: How many processes wanted a processor in the minute before it ended, its own among them.
        exit_code: None if the client was stopped for taking too long.
        rows: Rows that can be answered at all.
        answered: Rows with the right answer: in the client's results, or at the server where it was stopped.
        requests: Requests at the servers.
        refused: Those that got a 429.
        failed: Those that got no answer for another reason.
        twice: Answers given for rows that had one already: paid twice.
        span_s: Seconds from the first request, which was let in or refused for a limit, to the last answer at the
            endpoint that is timed.
        latency_s: Median time of an answer there.
        in_flight: Most requests there at once.
        per_second: How many were answered, and how many not, of those that came in each second there.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    load: float
    exit_code: int | None
    rows: int
    answered: int
    requests: int | None = None
    refused: int | None = None
    failed: int | None = None
    twice: int | None = None
    span_s: float | None = None
    latency_s: float | None = None
    in_flight: int | None = None
    per_second: Mapping[str, str] | None = None

    @property
    def was_stopped(self) -> bool:
        """Whether it took too long."""
        return self.exit_code is None

    @property
    def lost(self) -> int:
        """Rows without an answer at the end."""
        return self.rows - self.answered

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(**record)


def score(
    ended: Ended,
    prompts: Mapping[str, str],
    right: Iterable[str],
    timed: Sequence[Arrival],
    others: Sequence[Arrival] = (),
) -> Run:
    """Return the figures of a run.

    Args:
        ended: The client's process.
        prompts: The rows that can be answered, prompts by id.
        right: The ids of the rows with a right answer in the client's results.
        timed: The requests at the endpoint that is timed, in order of arrival.
        others: Those at the other endpoints.
    """
    figures = {
        "wall_s": ended.wall,
        "cpu_s": ended.cpu,
        "peak_mb": ended.peak_mb,
        "load": ended.load,
        "exit_code": ended.code,
    }
    seen = [*timed, *others]
    in_results = len(set(right) & set(prompts))
    if not seen:
        return Run(**figures, rows=len(prompts), answered=in_results)
    answers = Counter(arrival.prompt for arrival in seen if arrival.is_answer)
    distinct = answers.keys() & {prompt[:KNOWN_BY] for prompt in prompts.values()}
    given = sum(answers.values())
    is_anonymous = set(answers) == {""}
    at_server = min(given, len(prompts)) if is_anonymous else len(distinct)
    answered = at_server if ended.code is None else in_results
    return Run(
        **figures,
        rows=len(prompts),
        answered=answered,
        requests=len(seen),
        refused=sum(arrival.status == 429 for arrival in seen),
        failed=sum(not arrival.is_answer and arrival.status != 429 for arrival in seen),
        twice=max(0, given - answered) if is_anonymous else sum(answers[key] - 1 for key in distinct),
        **_timing(timed),
    )


def _timing(arrivals: Sequence[Arrival]) -> dict[str, Any]:
    """Return what can be said of time at one endpoint, from the first request that was let in or refused."""
    seen = list(dropwhile(lambda arrival: not (arrival.is_answer or arrival.status == 429), arrivals))
    answers = [arrival for arrival in seen if arrival.is_answer]
    if not answers:
        return {}
    return {
        "span_s": max(arrival.done for arrival in answers) - seen[0].at,
        "latency_s": statistics.median(arrival.done - arrival.at for arrival in answers),
        "in_flight": _most_at_once(seen),
        "per_second": _per_second(seen),
    }


def _most_at_once(arrivals: Sequence[Arrival]) -> int:
    moves = [(arrival.at, 1) for arrival in arrivals] + [(arrival.done, -1) for arrival in arrivals]
    return max(accumulate(change for _, change in sorted(moves)))


def _per_second(arrivals: Sequence[Arrival]) -> dict[str, str]:
    first, last = arrivals[0].at, arrivals[-1].at
    counts = {is_answer: [0] * (math.floor(last - first) + 1) for is_answer in (True, False)}
    for arrival in arrivals:
        counts[arrival.is_answer][math.floor(arrival.at - first)] += 1
    return {"answered": " ".join(map(str, counts[True])), "not": " ".join(map(str, counts[False]))}
