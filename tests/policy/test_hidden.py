"""Limits that nobody names: found within seconds, kept with hardly a refusal. Counted at the simulator."""

import pytest

from tests.policy.arena import Arena

HIDDEN = 'headers = false\nretry_after = "none"\n'


def hidden(text, **options):
    """A server that says nothing but no."""
    return Arena(f'[models."*"]\n{HIDDEN}{text}', is_mute=True, **options)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("latency", "most"), [("150ms", 1.12), ("lognormal(1s, 0.5)", 1.12), ("50ms", 1.12)])
def test_a_hidden_rate_is_found(latency, most, seed):
    """900/min with a bucket of 15 and 1,200 prompts: ideally 79 s."""
    arena = hidden(f'latency = "{latency}"\nrequests = {{ rate = "900/min", bucket = 15 }}', seed=seed)
    arena.lane(requests=arena.prompts(1200))
    tally = arena.run().tally
    assert tally.answered == 1200
    assert tally.seconds <= most * 79
    assert len(tally.refused) <= 0.02 * 1200


HALVES = """
[[changes]]
at = "30s"
requests = { rate = "600/min", bucket = 10 }
[[changes]]
at = "60s"
requests = { rate = "1200/min", bucket = 20 }
"""


@pytest.mark.parametrize("quota", ["", "1200/min"])
@pytest.mark.parametrize("latency", ["300ms", "lognormal(1s, 0.5)"])
def test_a_hidden_rate_that_halves_and_comes_back_is_followed(quota, latency):
    arena = hidden(f'latency = "{latency}"\nrequests = {{ rate = "1200/min", bucket = 20 }}\n{HALVES}')
    arena.lane(quota=quota, requests=arena.prompts(3000))
    tally = arena.run(until=120).tally
    assert tally.rate(45, 60) == pytest.approx(10, rel=0.1)
    assert tally.rate(100, 120) >= 0.9 * 20
    assert len(tally.refused) <= 0.025 * len(tally.sent)


def test_a_hidden_concurrency_is_found():
    arena = hidden('latency = "lognormal(500ms, 0.4)"\nconcurrency = { limit = 20 }')
    arena.lane(requests=arena.prompts(3000))
    tally = arena.run().tally
    best = 20 / 0.542  # the mean of that latency
    assert tally.answered == 3000
    assert tally.rate(5, 70) >= 0.95 * best
    assert len(tally.refused) <= 0.01 * 3000


def test_a_server_without_limits_is_not_held_up():
    """Doubling from eight: 5,000 answers of 300 ms take little more than the crowd of 1,024 would need."""
    arena = Arena(f'[models."*"]\nlatency = "300ms"\n{HIDDEN}')
    arena.lane(requests=arena.prompts(5000))
    assert arena.run().tally.seconds <= 6


def test_answers_that_take_long_do_not_hold_the_start_up():
    """Half a minute each: nobody waits for the first answers to see whether eight are accepted."""
    arena = Arena(f'[models."*"]\nlatency = "30s"\n{HIDDEN}')
    arena.lane(requests=arena.prompts(100))
    assert arena.run(until=5).tally.in_flight == 32


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_limit_in_the_words_of_a_refusal_is_kept(seed, monkeypatch):
    """slowapi, 2/second, answers in 2 to 5 s: `Rate limit exceeded: 2 per 1 second` is all that it says."""
    words = b'{"error":"Rate limit exceeded: 2 per 1 second"}'
    scenario = f'seed = {seed}\n[models."*"]\nlatency = "randint(2,5)"\n{HIDDEN}window = {{ limit = 2, seconds = 1 }}'
    arena = Arena(scenario, seed=seed, is_mute=True, refusal=words)
    arena.lane(requests=arena.prompts(200))
    tally = arena.run().tally
    last = tally.seconds - 5
    assert tally.rate(10, last) >= 0.85 * 2
    assert tally.refusals(10, last) <= (last - 10) * 2 / 20


def test_a_pace_is_forgotten_that_is_too_slow_in_the_end():
    """A rate that was found in the first seconds of a run is not believed for ever."""
    arena = hidden(
        'latency = "200ms"\nrequests = { rate = "300/min", bucket = 5 }\n'
        '[[changes]]\nat = "20s"\nrequests = { rate = "3000/min", bucket = 50 }\n'
    )
    arena.lane(requests=arena.prompts(10_000))
    tally = arena.run(until=200).tally
    assert tally.rate(160, 200) >= 0.85 * 50
