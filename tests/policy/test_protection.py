"""One endpoint's trouble is its own."""

import pytest

from tests.policy.arena import Arena


def test_a_healthy_endpoint_runs_at_its_full_rate_beside_a_dead_one_and_one_that_refuses():
    arena = Arena(
        '[models.good]\nlatency = "300ms"\nrequests = { rate = "600/min", bucket = 10 }\n'
        '[models.dead]\n[[models.dead.faults]]\nkind = "reset"\n'
        '[models.busy]\nlatency = "100ms"\n[[models.busy.faults]]\nkind = "429"\nto = "60s"\n'
    )
    for name in ("good", "dead", "busy"):
        arena.lane(f"{name}/{name}", requests=arena.prompts(900, model=f"{name}/{name}"))
    arena.run(until=88)
    good, dead, busy = (arena.tallies[f"{name}/{name}"] for name in ("good", "dead", "busy"))
    for start in range(5, 85, 10):
        assert good.rate(start, start + 10) == pytest.approx(10, rel=0.03)
    assert not good.refused
    assert len(dead.sent) <= 80, "its breaker is open"
    assert len(busy.refused) <= 60, "it is asked now and then"
    assert busy.answered == 900, "and used as soon as it is back"
