"""Permits: given once, settled once, released once; what they are given for is in the order of dimensions."""

import pytest

from brimline.core.limits import PLACES
from brimline.core.permit import CHARGED, NOTHING, Demand, NotUntil, Permit, Reason
from brimline.core.quota import Dimension


def permit():
    return Permit(Demand(), 5, 1, Demand())


def test_a_demand_is_in_the_order_of_dimensions():
    demand = Demand(requests=1, tokens=2, input_tokens=3, output_tokens=4, charged=5)
    assert [demand[dimension] for dimension in Dimension] == [1, 2, 3, 4]
    assert demand[CHARGED] == 5
    assert [demand[PLACES[name]] for name in ("requests", "tokens", "input_tokens", "output_tokens")] == [
        1,
        5,
        3,
        4,
    ]
    assert sum(NOTHING) == 0
    assert sum(Demand()) == Demand().requests == 1


def test_it_is_settled_exactly_once_and_released_exactly_once():
    one = permit()
    one.settle()
    one.release()
    with pytest.raises(RuntimeError, match="settled exactly once"):
        one.settle()
    with pytest.raises(RuntimeError, match="released exactly once"):
        one.release()


def test_permits_that_are_alike_are_not_the_same():
    """Each is the key of what it booked."""
    assert permit() != permit()
    assert len({permit(), permit()}) == 2


def test_a_refusal_says_no_more_than_it_is_told():
    refusal = NotUntil(5, Reason("closed"))
    assert (refusal.is_size, refusal.is_slot, refusal.by.words) == (False, False, "closed")
