"""Servers that never refuse and only become slower. Counted at the simulator."""

from statistics import median

import pytest

from tests.policy.arena import Arena

SILENT = "headers = false\n"


@pytest.mark.parametrize(("base", "latency"), [(0.4, "400ms"), (1.0, "1s"), (1.0, "lognormal(920ms, 0.4)")])
def test_a_crowd_settles_where_more_would_only_wait(base, latency):
    """Up to 48 are answered side by side; each one more slows all of them down as much as it adds."""
    step = round(base / 48 * 1000, 3)
    arena = Arena(
        f'[models."*"]\nlatency = "{latency}"\nknee = 48\nlatency_per_inflight = "{step}ms"\n{SILENT}'
    )
    arena.lane(requests=arena.prompts(round(110 * 48 / base)))
    tally = arena.run(until=100).tally
    spans = [latency / 1e9 for ended, latency in tally.latencies if 60e9 <= ended < 100e9]
    assert tally.rate(60, 95) >= 0.95 * 48 / base
    assert median(spans) <= 1.5 * base
    assert tally.peak_between(60, 95) <= 72


def test_the_length_of_answers_is_no_strain():
    """From 10 to 400 tokens at 100 tokens/s: a long answer takes long on an idle server, too."""
    arena = Arena(
        f'[models."*"]\nlatency = "200ms"\nreply = "lorem"\noutput_tokens = "uniform(10,400)"\ntokens_per_s = 100\n{SILENT}'
    )
    arena.lane(requests=arena.prompts(9_000))
    tally = arena.run(until=30).tally
    assert tally.peak >= 256


@pytest.mark.parametrize("slots", [1, 4, 8])
def test_a_server_with_few_slots_is_kept_busy_and_not_buried(slots):
    arena = Arena(
        f'[models."*"]\nlatency = "lognormal(1s, 0.2)"\nconcurrency = {{ limit = {slots}, over = "queue" }}\n{SILENT}'
    )
    arena.lane(requests=arena.prompts(200 * slots))
    tally = arena.run(until=150).tally
    assert tally.rate(10, 140) >= 0.95 * slots / 1.02
    assert tally.peak_between(60, 140) <= 32
