"""First in, first out, in bounded memory and bounded files."""

import os
from collections import deque

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from brimline.engine.spill import SpillQueue


class Stubborn:
    """Cannot be written down."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        raise TypeError("no")

    def __eq__(self, other):
        return self.number == other.number

    __hash__ = None


@given(st.lists(st.integers(1, 30) | st.integers(-30, -1), max_size=40), st.integers(1, 8), st.booleans())
def test_it_is_a_queue(steps, size, is_stubborn):
    """Push so many, pop so many; the same as a list in memory."""
    queue, model, number = SpillQueue(size), deque(), 0
    for step in steps:
        for _ in range(step):
            number += 1
            item = Stubborn(number) if is_stubborn and number % 3 == 0 else number
            queue.push(item)
            model.append(item)
        for _ in range(min(-step, len(model))):
            assert queue.pop() == model.popleft()
        assert len(queue) == len(model)
        assert len(queue._first) <= size
        event("on disk" if len(queue) > len(queue._first) else "in memory")
    queue.close()


def test_an_empty_queue_says_so():
    queue = SpillQueue(2)
    with pytest.raises(IndexError):
        queue.pop()
    assert not queue


def test_a_queue_that_never_runs_empty_does_not_grow_on_disk():
    queue, biggest = SpillQueue(10), 0
    for number in range(20_000):
        queue.push("x" * 100)
        if number > 100:
            queue.pop()
        files = [file for file in (queue._old, queue._new) if file is not None]
        biggest = max(biggest, sum(os.fstat(file.fileno()).st_size for file in files))
    assert 1000 < biggest < 100_000
    queue.close()


def test_the_files_are_closed_as_soon_as_they_are_empty():
    queue = SpillQueue(2)
    for number in range(100):
        queue.push(number)
    assert [queue.pop() for _ in range(100)] == [*range(100)]
    assert (queue._old, queue._new) == (None, None)


def test_closing_drops_everything():
    queue = SpillQueue(2)
    for number in range(100):
        queue.push(number)
    queue.pop()
    queue.close()
    assert len(queue) == 0
