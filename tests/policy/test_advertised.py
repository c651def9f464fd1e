"""Limits that replies advertise: followed exactly, in both directions. Counted at the simulator."""

import pytest

from tests.policy.arena import Arena
from tests.policy.test_hidden import HALVES


@pytest.mark.parametrize(
    ("latency", "longest"), [("150ms", 1.03 * 59.15), ("lognormal(1s, 0.5)", 1.03 * 59.15 + 4)]
)
def test_a_rate_that_is_advertised_is_filled(latency, longest):
    """900/min with a bucket of 15 and 900 prompts; nothing declared. What starts late ends late."""
    arena = Arena(f'[models."*"]\nlatency = "{latency}"\nrequests = {{ rate = "900/min", bucket = 15 }}')
    arena.lane(requests=arena.prompts(900))
    tally = arena.run().tally
    assert tally.answered == 900
    assert tally.seconds <= longest
    assert len(tally.refused) <= 3


def test_a_bucket_that_holds_a_minute_is_used():
    """As OpenAI's: 900 at once, and 900 in the minute after."""
    arena = Arena('[models."*"]\nlatency = "150ms"\nrequests = { rate = "900/min", bucket = 900 }')
    arena.lane(requests=arena.prompts(1800))
    tally = arena.run().tally
    assert tally.seconds <= 61
    assert not tally.refused


@pytest.mark.parametrize(("latency", "rate"), [("4s", 500), ("1300ms", 500), ("500ms", 120)])
def test_a_declared_flow_goes_on_when_the_first_reply_tells_of_the_same_limit(latency, rate):
    """With a bucket of one second's worth; what was sent meanwhile flowed evenly, so the bucket has filled meanwhile."""
    arena = Arena(f'[models."*"]\nlatency = "{latency}"\nrequests = {{ rate = "{rate}/min" }}')
    arena.lane(quota=f"{rate}/min", requests=arena.prompts(100))
    tally = arena.run().tally
    seconds = (
        float(latency.removesuffix("ms")) / 1000
        if latency.endswith("ms")
        else float(latency.removesuffix("s"))
    )
    assert tally.seconds <= 1.02 * (99 * 60 / rate + seconds)
    assert not tally.refused


def test_a_prompt_that_is_always_refused_holds_nobody_up():
    poison = '[models."*"]\nlatency = "300ms"\n[[models."*".faults]]\nkind = "429"\nwhen = "prompt 7 "\n'
    arena = Arena(poison)
    arena.lane(requests=arena.prompts(500, text="prompt {n} "))
    tally = arena.run(until=60).tally
    assert tally.answered == 499


@pytest.mark.parametrize("quota", ["", "1200/min"])
@pytest.mark.parametrize("latency", ["300ms", "lognormal(1s, 0.5)"])
def test_a_limit_that_halves_and_comes_back_is_followed(quota, latency):
    """What is declared is a ceiling: when less is advertised, less is used."""
    arena = Arena(
        f'[models."*"]\nlatency = "{latency}"\nrequests = {{ rate = "1200/min", bucket = 20 }}\n{HALVES}'
    )
    arena.lane(quota=quota, requests=arena.prompts(2400))
    tally = arena.run(until=120).tally
    assert tally.rate(35, 60) == pytest.approx(10, rel=0.03)
    assert tally.rate(65, 100) == pytest.approx(20, rel=0.03)
    assert len(tally.refused) <= 0.01 * len(tally.sent)


@pytest.mark.parametrize("row", [3, 2000])
def test_one_refusal_costs_what_it_names(row):
    free = '[models."*"]\nlatency = "300ms"\n'
    once = f'[[models."*".faults]]\nkind = "429"\nwhen = "prompt {row} "\ntimes = 1\nretry_after = "1s"\n'
    spans = []
    for scenario in (free, free + once):
        arena = Arena(scenario)
        arena.lane(requests=arena.prompts(5000, text="prompt {n} "))
        spans.append(arena.run().tally.seconds)
    assert spans[1] - spans[0] <= 1.2


@pytest.mark.parametrize("kind", ["429", "503"])
def test_refusals_in_spite_of_plenty_concern_their_requests_only(kind):
    """One in fifty, without a named wait."""
    model = '[models."*"]\nlatency = "300ms"\nrequests = { rate = "60000/min", bucket = 60000 }\n'
    spans = []
    for scenario in (model, model + f'[[models."*".faults]]\nkind = "{kind}"\nshare = 0.02\n'):
        arena = Arena(scenario)
        arena.lane(requests=arena.prompts(3000), concurrency=32)
        tally = arena.run().tally
        assert tally.answered == 3000
        spans.append(tally.seconds)
    assert spans[1] <= 1.05 * spans[0]


@pytest.mark.parametrize("headers", ['"anthropic"', "false"])
@pytest.mark.parametrize("quota", ["", "4000/min, 400k input tokens/min, 80k output tokens/min"])
def test_input_and_output_are_limited_apart(quota, headers):
    """Answers of 200 to 1,800 tokens at 80 tokens/s: output binds, and is counted only when it has come."""
    arena = Arena(
        '[models."*"]\nlatency = "1s"\nreply = "lorem"\noutput_tokens = "uniform(200,1800)"\ntokens_per_s = 80\n'
        f'headers = {headers}\ninput = {{ rate = "400000/min" }}\noutput = {{ rate = "80000/min" }}\n'
    )
    arena.lane(quota=quota, requests=arena.prompts(1200, text="word " * 200 + "{n}", max_tokens=2000))
    tally = arena.run().tally
    output = [(ended / 1e9, outcome.responses[0].usage.output_tokens) for ended, outcome in arena.ended]
    steady = sum(tokens for ended, tokens in output if 60 <= ended < tally.seconds - 60)
    assert tally.answered == 1200
    assert steady / (tally.seconds - 120) >= 0.96 * 80_000 / 60
    assert len(tally.refused) <= 0.02 * 1200
