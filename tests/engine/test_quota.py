"""Never over, end to end: whatever the latencies and faults, every window of what left fits its quota."""

import random
from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from brimline.config import LimitRule
from brimline.core.quota import Dimension
from brimline.core.time import SECOND
from brimline.testing import strategies
from brimline.testing.scripted import Reply, ScriptedEndpoint, echo
from brimline.testing.virtual import run_virtual
from brimline.types import Fault, FaultKind, Usage
from tests.engine.bench import CONFIG, engine_over, most_in_any_window, now, refused, requests, whole_run
from tests.thorough import examples

FAULTS = [Fault(FaultKind.SERVER_ERROR, http_status=500), Fault(FaultKind.BAD_REPLY), refused()]


async def test_ten_thousand_requests_keep_every_window_of_every_quota_and_use_it_up(lab):
    rng = random.Random(1)

    def script(exchange):
        """Latencies of all kinds, connections that take longer than a window, and a fault now and then."""
        fault = rng.choice(FAULTS) if rng.random() < 0.005 else None
        return Reply(fault, latency=rng.expovariate(1.0), connect=rng.choice([0.0] * 8 + [0.05, 2.5]))

    lab.script = script
    async with engine_over(lab, limits={"lab/a": "600/min, 40k/h, 15/s"}, concurrency=200) as engine:
        run = await whole_run(engine, requests(10_000))
    assert all(outcome.ok for outcome in run.sink.kept.values())
    times = lab.departures
    assert most_in_any_window(times, 60) == 600
    assert most_in_any_window(times, 1) == 15
    assert most_in_any_window(times, 3600) <= 40_000
    assert now() < 1.05 * len(times) / 10, "and the limit is filled"


@examples(60)
@given(
    quotas=st.lists(
        strategies.quotas(), min_size=1, max_size=3, unique_by=lambda quota: (quota.dimension, quota.window)
    ),
    seed=st.integers(0, 999),
)
def test_any_quotas_are_kept_in_any_window(quotas, seed):
    """Token quotas too, by the estimates while an answer is out and by its real usage from then on."""
    rng = random.Random(seed)
    usages = {}

    def reply(exchange):
        usage = Usage(rng.choice([1, 5]), rng.choice([0, 1, 6]))
        usages[exchange] = usage
        return Reply(
            echo(exchange, usage), latency=rng.choice([0.0, 0.3, 3.0]), connect=rng.choice([0.0, 0.0, 2.0])
        )

    async def main():
        lab = ScriptedEndpoint(reply)
        rules = (LimitRule(pattern="lab/a", quotas=tuple(quotas), concurrency=8),)
        async with engine_over(lab, config=replace(CONFIG, rules=rules)) as engine:
            run = await whole_run(engine, requests(30, params={"max_tokens": 6}))
        for quota in quotas:
            check(lab.exchanges, usages, quota)
        event("all sent" if len(lab.departures) == len(run.sink.kept) else "some never fit")

    run_virtual(main())


COUNTS = {
    Dimension.REQUESTS: lambda usage: 1,
    Dimension.TOKENS: lambda usage: usage.input_tokens + usage.output_tokens,
    Dimension.INPUT_TOKENS: lambda usage: usage.input_tokens,
    Dimension.OUTPUT_TOKENS: lambda usage: usage.output_tokens,
}


def check(exchanges, usages, quota):
    """What left fits the window; of tokens, what was known to be used leaves room whenever one more begins."""
    count, window = COUNTS[quota.dimension], quota.window // SECOND
    if quota.dimension is Dimension.REQUESTS:
        assert most_in_any_window([exchange.left_at for exchange in exchanges], window) <= quota.amount
        return
    for exchange in exchanges:
        ended = [other for other in exchanges if other.ended_at < exchange.began_at]
        known = sum(count(usages[other]) for other in ended if other.left_at > exchange.began_at - window)
        assert known <= quota.amount
