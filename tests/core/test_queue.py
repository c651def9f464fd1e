"""The queue: priorities, first come first served, and who is small enough to pass; equal to the slow obvious model."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from brimline.core.estimate import Size
from brimline.core.queue import Queue


def ticket(name, priority=0, tokens=None):
    size = None if tokens is None else Size(0, 0, tokens)
    return SimpleNamespace(name=name, request=SimpleNamespace(priority=priority), size=size)


def filled(*tickets):
    queue = Queue()
    for each in tickets:
        queue.push(each)
    return queue


def names(tickets):
    return "".join(each.name for each in tickets)


def test_first_come_first_served_whatever_their_sizes():
    queue = filled(ticket("a", tokens=9), ticket("b", tokens=5000), ticket("c", tokens=1), ticket("d"))
    assert names(queue) == "abcd"
    assert len(queue) == 4
    served = []
    while queue:
        served.append(queue.peek())
        queue.remove(served[-1])
    assert names(served) == "abcd"
    assert len(queue) == 0


def test_a_higher_priority_goes_first():
    queue = filled(ticket("a"), ticket("b", 5), ticket("c", -1), ticket("d", 5))
    assert names(queue) == "bdac"
    assert queue.peek().name == "b"


def test_what_has_waited_already_is_put_before_its_priority_and_no_other():
    queue = filled(ticket("a", 1), ticket("b", 0))
    queue.push_front(ticket("c", 0))
    queue.push_front(ticket("d", 0, tokens=100))
    assert names(queue) == "adcb"


def test_only_what_is_smaller_by_a_power_of_two_may_pass():
    large = ticket("L", tokens=1000)
    queue = filled(
        large,
        ticket("a", tokens=600),
        ticket("b", tokens=500),
        ticket("c", tokens=20),
        ticket("d", tokens=480),
    )
    assert names(queue.smaller(large)) == "bc", "the first of each size, in their order"
    assert queue.smaller(ticket("s", tokens=0)) == []


def test_a_smaller_one_of_a_lower_priority_may_pass_after_those_of_a_higher():
    large = ticket("L", 1, tokens=1000)
    queue = filled(ticket("low", 0, tokens=3), large, ticket("high", 1, tokens=100))
    assert [each.name for each in queue.smaller(large)] == ["high", "low"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["push", "front", "serve", "pass"]), st.integers(0, 2), st.integers(0, 5000)
        ),
        max_size=80,
    )
)
def test_it_equals_a_sorted_list(steps):
    queue, model = Queue(), []  # of places and tickets
    for number, (what, priority, tokens) in enumerate(steps):
        if what in {"push", "front"}:
            new = ticket(str(number), priority, tokens)
            turns = [turn for (_, turn), _ in model] or [0]
            turn = max(turns) + 1 if what == "push" else min(turns) - 1
            model = sorted([*model, ((-priority, turn), new)], key=lambda entry: entry[0])
            (queue.push if what == "push" else queue.push_front)(new)
        elif model:
            first = model[0][1]
            assert queue.peek() is first
            passing = queue.smaller(first)
            assert passing == first_of_each_smaller_size(model)
            gone = passing[-1] if what == "pass" and passing else first
            queue.remove(gone)
            model = [entry for entry in model if entry[1] is not gone]
        assert list(queue) == [each for _, each in model]
        assert (len(queue), bool(queue)) == (len(model), bool(model))


def first_of_each_smaller_size(model):
    limit = model[0][1].size.most.bit_length()
    heads = {}
    for _, each in model:
        size = each.size.most.bit_length()
        if size < limit:
            heads.setdefault((each.request.priority, size), each)
    return list(heads.values())
