"""Retry decisions and the fault table."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.faults import CONSEQUENCES, Reach
from brimline.core.retry import GiveUp, RetryAt, RetryPolicy
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind

POLICY = RetryPolicy()


def test_every_kind_has_its_row():
    assert set(CONSEQUENCES) == set(FaultKind)


def test_kinds_are_those_of_the_results_contract():
    transient = {kind.value for kind, row in CONSEQUENCES.items() if row.transient and not row.stops}
    assert transient == {
        "rate_limited", "overloaded", "server_error", "connection", "timeout", "bad_reply", "internal", "cancelled",
        "invalid_output",
    }  # fmt: skip
    assert {kind.value for kind, row in CONSEQUENCES.items() if row.stops} == {
        "auth",
        "quota_exhausted",
        "not_found",
    }
    own = {kind.value for kind, row in CONSEQUENCES.items() if not row.transient}
    assert own == {"invalid_request", "too_long", "content_filter", "truncated"}


@given(st.integers(1, 100), st.integers(0, 10**18), st.integers())
def test_backoff_grows_with_full_jitter_and_is_capped(tries, now, seed):
    wait = POLICY.backoff(tries, random.Random(seed))
    assert 0 <= wait <= min(MINUTE, SECOND // 2 * 2 ** (tries - 1))


@given(st.integers(0, 10**12))
def test_the_servers_own_wait_is_taken_exactly(wait):
    fault = Fault(FaultKind.OVERLOADED, retry_after=wait)
    assert POLICY.decide(7, fault, tries=1, alike=1, rng=random.Random(0)) == RetryAt(7 + wait)


@pytest.mark.parametrize(
    "kind", [kind for kind, row in CONSEQUENCES.items() if row.reach in {Reach.REQUEST, Reach.ENDPOINT}]
)
def test_no_kind_is_tried_for_ever(kind):
    allowed = CONSEQUENCES[kind].tries or POLICY.max_tries
    decisions = [POLICY.decide(0, Fault(kind), tries=n, alike=n, rng=random.Random(n)) for n in range(1, 9)]
    assert [isinstance(decision, RetryAt) for decision in decisions] == [n < allowed for n in range(1, 9)]


def test_a_timeout_is_sent_once_more_since_it_may_have_been_billed():
    decide = POLICY.decide
    fault = Fault(FaultKind.TIMEOUT)
    assert isinstance(decide(0, fault, tries=1, alike=1, rng=random.Random(0)), RetryAt)
    assert decide(0, fault, tries=2, alike=2, rng=random.Random(0)) == GiveUp()
    assert isinstance(decide(0, fault, tries=3, alike=1, rng=random.Random(0)), RetryAt)
