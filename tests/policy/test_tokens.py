"""A limit of tokens, and requests of very different size. Counted at the simulator."""

import math
import random

import pytest

from brimline.types import Request
from tests.policy.arena import Arena

LIMIT = 10_000  # tokens a second
MODEL = '[models."*"]\nlatency = "1s"\nheaders = {headers}\ntokens = {{ rate = "600000/min", bucket = {bucket} }}\n'


def sizes(number, seed):
    """Tokens from 50 to 20,000; as many of 50 to 100 as of 10,000 to 20,000."""
    rng = random.Random(seed)
    return [int(math.exp(rng.uniform(math.log(50), math.log(20_000)))) for _ in range(number)]


def request(number, tokens):
    """So many tokens, a fifth of them asked for as output."""
    text = "w" * (4 * (tokens - tokens // 5))
    message = {"role": "user", "content": text}
    return Request(id=number, model="lab/x", messages=(message,), params={"max_tokens": max(1, tokens // 5)})


@pytest.mark.parametrize("quota", ["", "600k tokens/min burst {bucket}"])
@pytest.mark.parametrize("bucket", [100_000, 20_000])
def test_small_requests_do_not_wait_behind_large_ones(quota, bucket):
    """They come openly, at 70% of the limit."""
    rng = random.Random(5)
    arena = Arena(MODEL.format(headers="true", bucket=bucket))
    lane = arena.lane(quota=quota.format(bucket=bucket))
    tokens = sizes(2000, seed=5)
    mean, now = sum(tokens) / len(tokens), 0.0
    for number, size in enumerate(tokens):
        now += rng.expovariate(0.7 * LIMIT / mean)
        arena.arrive(now, lane, request(number, size))
    tally = arena.run().tally
    waits = [(size, (tally.waits[n] - arena.offered[n]) / 1e9) for n, size in enumerate(tokens)]
    small = sorted(wait for size, wait in waits if size < 2000)
    assert small[int(0.95 * len(small))] <= 2.0
    assert max(wait for _, wait in waits) <= 60, "no large one starves"
    assert tally.answered == 2000


@pytest.mark.parametrize("quota", ["", "600k tokens/min burst {bucket}"])
@pytest.mark.parametrize("bucket", [100_000, 20_000])
def test_a_backlog_fills_the_limit(quota, bucket):
    tokens = sizes(2000, seed=6)
    arena = Arena(MODEL.format(headers="true", bucket=bucket))
    arena.lane(quota=quota.format(bucket=bucket), requests=[request(*each) for each in enumerate(tokens)])
    tally = arena.run().tally
    assert tally.answered == 2000
    assert (sum(tokens) - bucket) / (tally.sent[-1] / 1e9) >= 0.96 * LIMIT
    assert len(tally.refused) <= 0.01 * 2000


def test_a_large_request_has_its_turn_though_small_ones_never_cease():
    """Small ones take all that flows in; after twice the time that it would have waited without them it is due."""
    arena = Arena(MODEL.format(headers="true", bucket=20_000))
    lane = arena.lane(quota="600k tokens/min burst 20000")
    for number in range(3000):
        arena.arrive(number / 60, lane, request(number, 200))
    arena.arrive(5.0, lane, request(9999, 18_000))
    tally = arena.run().tally
    assert (tally.waits[9999] - arena.offered[9999]) / 1e9 <= 10
    assert tally.answered == 3001
