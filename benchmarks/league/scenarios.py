"""What is run: each scenario with its servers, what the clients are told, and the fastest that is possible."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.league.ideal import bucket_time, slots_time, window_time
from benchmarks.league.places import Dead, Instant, Place, Simulated, Slowapi

GRACE = 90.0
"""Seconds above the ideal after which a client is stopped at the latest."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of the limits: nothing, requests in so many seconds, or requests in flight."""

    requests: int | None = None
    seconds: int = 60
    in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One race.

    Attributes:
        title: What it is called in the table.
        about: What the servers do and what the clients are told, for people.
        places: The endpoints by name. Each gets `rows` rows, in turn; the first is the one that is timed.
        rows: Rows for each endpoint.
        ideal: Seconds from the first request to the last reply at the first endpoint that no client can undercut;
            None where time is not the question.
        told: What the clients are told.
        rounds: How often it is run; the table shows medians.
        limit: Seconds after which a client is stopped; None: four times the ideal, and at most 90 s above it.
        shows_load: Whether the table shows the latency that the client made, and its requests in flight.
    """

    title: str
    about: str
    places: Mapping[str, Place]
    rows: int
    ideal: float | None = None
    told: Told = field(default_factory=Told)
    rounds: int = 1
    limit: float | None = None
    shows_load: bool = False

    @property
    def patience(self) -> float:
        """Seconds after which a client is stopped."""
        if self.limit is not None:
            return self.limit
        assert self.ideal is not None, "a scenario has a limit or an ideal"
        return min(4 * self.ideal, self.ideal + GRACE)


def _simulated(model: str, more: str = "") -> Simulated:
    """Return a simulator with these lines for every model, and these after them."""
    return Simulated(f'[models."*"]\n{model}\n{more}')


def _limited(per_minute: int, bucket: int) -> str:
    return f'requests = {{ rate = "{per_minute}/min", bucket = {bucket} }}\n'


def _draws(count: int) -> list[int]:
    """Return the latencies that the slowapi server draws, in the order of the requests that it lets in."""
    rng = random.Random(SEED)
    return [rng.randint(2, 5) for _ in range(count)]


_STRAY = "".join(f'[[models."*".faults]]\nkind = "{kind}"\nshare = 0.01\n' for kind in ("429", "503"))
_OUTAGE = '[[outages]]\nfrom = "10s"\nto = "30s"\nkind = "gone"\n'
_REFUSING = '[[models."*".faults]]\nkind = "429"\nto = "20s"\n'
_NORMAL = 'latency = "50ms"\n' + _limited(600, 10)

SCENARIOS: Mapping[str, Scenario] = {
    "declared": Scenario(
        title="declared limit",
        about="600 requests a minute, a bucket of 10, answers after 50 ms; rate headers and retry-after. Clients are "
        "told the limit.",
        places={"main": _simulated(_NORMAL)},
        rows=200,
        ideal=bucket_time(200, 600, 10, 0.05),
        told=Told(600),
    ),
    "hidden": Scenario(
        title="hidden limit",
        about="900 requests a minute, a bucket of 15, answers after 150 ms; no headers, and a 429 says neither what "
        "the limit is nor when to come again. Clients are told nothing.",
        places={"main": Simulated(f'[models."*"]\nlatency = "150ms"\n{_limited(900, 15)}', is_silent=True)},
        rows=1200,
        ideal=bucket_time(1200, 900, 15, 0.15),
    ),
    "advertised": Scenario(
        title="advertised limit",
        about="900 requests a minute, a bucket of 15, answers after 150 ms; every answer has rate headers, a 429 has "
        "retry-after and retry-after-ms. Clients are told nothing.",
        places={"main": _simulated('latency = "150ms"\n' + _limited(900, 15))},
        rows=900,
        ideal=bucket_time(900, 900, 15, 0.15),
    ),
    "outage": Scenario(
        title="outage of 20 s",
        about="600 requests a minute, a bucket of 10, answers after 50 ms. From second 10 to 30 nothing listens; open "
        "connections are reset. Clients are told the limit.",
        places={"main": _simulated(_NORMAL, _OUTAGE)},
        rows=300,
        ideal=bucket_time(300, 600, 10, 0.05, away=(10, 30)),
        told=Told(600),
    ),
    "faults": Scenario(
        title="2% stray refusals",
        about="32 slots, answers after 500 ms, whatever comes above them stands in line. 1% of the requests get a 429 "
        "and 1% a 503, without a wait, while headers show most of the allowance left. Clients are told to keep 32 in "
        "flight.",
        places={
            "main": _simulated(
                'latency = "500ms"\nconcurrency = { limit = 32, over = "queue" }\nretry_after = "none"\n'
                + _limited(6000, 6000),
                _STRAY,
            )
        },
        rows=1200,
        ideal=slots_time(1200, 32, 0.5),
        told=Told(in_flight=32),
    ),
    "window": Scenario(
        title="slowapi, declared",
        about="FastAPI with slowapi: 2 requests a second in fixed windows, answers in randint(2, 5) s. Clients are told "
        "the limit.",
        places={"main": Slowapi(SEED)},
        rows=20,
        ideal=window_time(_draws(20), 2, 1),
        told=Told(2, seconds=1),
    ),
    "window-hidden": Scenario(
        title="slowapi, hidden",
        about="The same server and twice the rows. Clients are told nothing.",
        places={"main": Slowapi(SEED)},
        rows=40,
        ideal=window_time(_draws(40), 2, 1),
    ),
    "knee": Scenario(
        title="knee at 48",
        about="A server like vLLM: it never refuses. Answers take uniform(0.8, 1.2) s with up to 48 requests in flight, "
        "and 25 ms more for each one above. Clients are told nothing. The ideal keeps 48 in flight.",
        places={
            "main": _simulated(
                'latency = "uniform(0.8s, 1.2s)"\nlatency_per_inflight = "25ms"\nknee = 48\nheaders = false'
            )
        },
        rows=2400,
        ideal=slots_time(2400, 48, 1.0),
        shows_load=True,
    ),
    "three": Scenario(
        title="three endpoints",
        about="600 requests a minute each, answers after 50 ms, 200 rows each: one is healthy, one refuses everything "
        "for 20 s (429), at one nobody listens. The healthy one is timed; rows of the dead one are not counted as lost. "
        "Clients are told the limits.",
        places={"healthy": _simulated(_NORMAL), "refusing": _simulated(_NORMAL, _REFUSING), "dead": Dead()},
        rows=200,
        ideal=bucket_time(200, 600, 10, 0.05),
        told=Told(600),
        limit=60.0,
    ),
    "start": Scenario(
        title="start-up",
        about="One row, a server that answers at once: what a client costs before it does anything.",
        places={"main": Instant()},
        rows=1,
        told=Told(in_flight=32),
        rounds=3,
        limit=60.0,
    ),
    "cpu": Scenario(
        title="CPU",
        about="2,000 rows, a server that answers at once from the other core. Clients are told to keep 32 in flight.",
        places={"main": Instant()},
        rows=2000,
        told=Told(in_flight=32),
        rounds=3,
        limit=300.0,
    ),
}
"""In the order of the table."""
