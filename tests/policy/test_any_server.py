"""Whatever a server allows and however little it says: after a while nearly all of it is used, and little is refused."""

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.policy.arena import Arena

SAYS = {
    "nothing": ("false", "none"),
    "seconds": ("false", "s"),
    "milliseconds": ("false", "ms"),
    "its limits": ("true", "none"),
    "everything": ("true", "ms"),
    "everything, as Anthropic does": ('"anthropic"', "s"),
}
"""What a server says about its limits, in its headers and when it refuses."""


@st.composite
def servers(draw, fastest):
    """A server's limits, its latency in seconds, and what it says; `fastest` is the power of ten of its rate.

    Not smaller than four requests at once and eight in flight: below that a single refusal is a large share.
    """
    rate = 10 ** draw(st.floats(0, fastest))
    latency = 10 ** draw(st.floats(-1.3, 1.3))
    latency = max(0.05, min(latency, 150 / rate))  # so that what it takes to fill it is simulated in seconds
    worth = draw(st.floats(1.0, 10.0))  # seconds of the rate that its bucket holds
    slots = draw(st.one_of(st.none(), st.floats(0.3, 2.0)))  # of what the rate needs in flight
    limit = None if slots is None else max(8, round(slots * rate * latency))
    return rate, latency, max(4, round(rate * worth)), limit, draw(st.sampled_from(sorted(SAYS)))


def scenario(server):
    rate, latency, bucket, limit, says = server
    headers, retry_after = SAYS[says]
    slots = f"concurrency = {{ limit = {limit} }}\n" if limit else ""
    return (
        f'[models."*"]\nlatency = "lognormal({latency * 1000:.0f}ms,0.3)"\nheaders = {headers}\n'
        f'retry_after = "{retry_after}"\n{slots}requests = {{ rate = "{round(rate * 60)}/min", bucket = {bucket} }}\n'
    )


def watch(server, seed=1):
    """Return which share of what is allowed is accepted in the end, and which share of what is sent refused."""
    rate, latency, _, limit, says = server
    allowed = min(rate, (limit or 1024) / (1.046 * latency))
    start = max(
        60, 20 * latency + 100 / allowed
    )  # so many round trips, and so many attempts, it takes to learn
    end = start + 5 + 100 / allowed
    arena = Arena(scenario(server), seed=seed, is_mute=says == "nothing")
    arena.lane(requests=arena.prompts(10**7))
    tally = arena.run(end).tally
    sent = sum(start * 1e9 <= at < end * 1e9 for at in tally.sent)
    assert not tally.failed
    return tally.rate(start, end) / allowed, tally.refusals(start, end) / max(1, sent)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(servers(fastest=2.3), st.integers(0, 1000))
def test_any_server_is_used_to_the_brim(server, seed):
    got, refused = watch(server, seed)
    event(f"says {server[-1]}")
    assert got >= 0.85
    assert refused <= 0.08


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=100, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(servers(fastest=3), st.integers(0, 1000))
def test_many_servers_are_used_to_the_brim(server, seed):
    got, refused = watch(server, seed)
    assert got >= 0.85
    assert refused <= 0.08
