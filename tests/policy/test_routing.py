"""A pool against the simulator's world: as fast as all its members' limits together, whatever becomes of one."""

from collections import Counter

from brimline.core.time import SECOND
from brimline.types import Fault, FaultKind
from tests.policy.arena import Arena

LIMITED = '[models."*"]\nlatency = "500ms"\nrequests = { rate = "300/min", bucket = 5 }\n'
DOUBLE = '[models."*"]\nlatency = "500ms"\nrequests = { rate = "600/min", bucket = 10 }\n'


def members(*names, quota="300/min"):
    return {f"{name}/x": quota for name in names}


def test_two_of_300_a_minute_are_one_of_600():
    pool = Arena(LIMITED)
    pool.pool(members("a", "b"), requests=pool.prompts(600, "team/x"))
    pool.run()
    one = Arena(DOUBLE)
    one.lane("lab/x", quota="600/min", requests=one.prompts(600))
    one.run()
    sent = {model: len(tally.sent) for model, tally in pool.tallies.items()}
    assert abs(sent["a/x"] - 300) <= 6
    assert sum(tally.answered for tally in pool.tallies.values()) == 600
    assert not any(tally.refused for tally in pool.tallies.values())
    last = max(tally.seconds for tally in pool.tallies.values())
    assert abs(last / one.tally.seconds - 1) < 0.02


def test_limits_that_nobody_declares_are_found_for_each_member():
    pool = Arena(LIMITED)
    pool.pool(members("a", "b", quota=""), requests=pool.prompts(900, "team/x"))
    pool.run()
    assert sum(tally.answered for tally in pool.tallies.values()) == 900
    last = max(tally.seconds for tally in pool.tallies.values())
    assert last < 1.15 * 90


def test_one_of_three_goes_and_the_others_keep_their_limits():
    arena = Arena(LIMITED)
    arena.pool(members("a", "b", "c"), requests=arena.prompts(900, "team/x"))
    gone = Fault(FaultKind.AUTH, "the key was revoked", http_status=401)
    arena.faults["b/x"] = lambda: gone if arena.now > 30 * SECOND else None
    arena.run()
    ended = Counter(outcome.request.id for _, outcome in arena.ended)
    assert sorted(ended) == [*range(900)], "nothing is lost"
    assert set(ended.values()) == {1}
    assert all(outcome.ok for _, outcome in arena.ended)
    for model in ("a/x", "c/x"):
        sent = arena.tallies[model].sent
        assert not arena.tallies[model].refused
        for start in range(0, 120, 7):
            window = [at for at in sent if start * SECOND <= at < (start + 60) * SECOND]
            assert len(window) <= 300
    assert max(at for at in arena.tallies["b/x"].sent) < 32 * SECOND
