"""What keeps an endpoint's trouble from being multiplied, and a hopeless model from a million requests."""

import pytest

from brimline.core.health import ALIKE, Health
from brimline.core.retry import EARNED, RESERVE, RetryBudget
from brimline.core.time import SECOND
from brimline.types import Fault, FaultKind

WRONG = Fault(FaultKind.INVALID_REQUEST, "unknown parameter 'temprature'", http_status=400)


def test_a_model_that_refuses_every_request_in_the_same_words_is_hopeless():
    health = Health()
    assert not any(health.refused("lab/a", WRONG) for _ in range(ALIKE - 1))
    hopeless = health.refused("lab/a", WRONG)
    assert hopeless.kind is FaultKind.INVALID_REQUEST
    assert hopeless.detail.startswith(f"{ALIKE} requests in a row failed in the same way")
    assert WRONG.detail in hopeless.detail


@pytest.mark.parametrize(
    "other",
    [
        Fault(FaultKind.INVALID_REQUEST, "it cannot be sent: no such file"),
        Fault(FaultKind.TOO_LONG, WRONG.detail, http_status=400),
        Fault(FaultKind.CONTENT_FILTER, WRONG.detail, http_status=400),
    ],
)
def test_failures_of_a_requests_own_say_nothing_of_the_others(other):
    health = Health()
    assert not any(health.refused("lab/a", other) for _ in range(3 * ALIKE))


def test_other_words_each_time_are_other_reasons():
    health = Health()
    other = Fault(FaultKind.INVALID_REQUEST, "another reason", http_status=400)
    assert not any(health.refused("lab/a", fault) for _ in range(3 * ALIKE) for fault in (WRONG, other))


def test_an_answer_in_between_shows_that_it_was_the_requests():
    health = Health()
    for _ in range(3):
        assert not any(health.refused("lab/a", WRONG) for _ in range(ALIKE - 1))
        health.answered("lab/a")
    assert not any(health.refused(model, WRONG) for _ in range(ALIKE - 1) for model in ("lab/a", "lab/b"))


def test_retries_beyond_the_budget_are_spread_and_earned_back():
    budget = RetryBudget()
    assert [budget.spend(0) for _ in range(int(RESERVE))] == [0] * int(RESERVE)
    assert [budget.spend(0) for _ in range(3)] == [SECOND, 2 * SECOND, 3 * SECOND]
    assert budget.spend(10 * SECOND) == 0, "time earns it back"
    for _ in range(round(100 / EARNED)):
        budget.earn()
    assert [budget.spend(10 * SECOND) for _ in range(int(RESERVE))] == [0] * int(RESERVE)
    assert budget.spend(10 * SECOND) > 0, "and no more than the reserve is kept"
