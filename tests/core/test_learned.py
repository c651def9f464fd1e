"""What is learned: a refusal is laid at the door of the crowd or of the pace, and the other is cleared."""

import pytest

from brimline.core.crowd import FIRST, LEAST, LOOK, PROBE
from brimline.core.learned import CROWDED, MOST, Learned
from brimline.core.permit import Demand, Permit
from brimline.core.time import MINUTE, SECOND


class Client:
    """Counts as a `LimitSet` does."""

    def __init__(self, **options):
        self.learned = Learned(**options)
        self.sent = 0
        self.now = 0

    def send(self, in_flight, tokens=0):
        self.sent += 1
        demand = Demand(1, tokens, charged=tokens)
        permit = Permit(demand, self.now, in_flight, Demand(self.sent, charged=self.sent * tokens))
        self.learned.take(self.now, permit)
        return permit

    def refuse(self, in_flight, *, wait=SECOND, is_named=False, place=0, tokens=0):
        self.now += wait
        permit = self.send(in_flight, tokens)
        self.now += 1
        return self.learned.refuse(self.now, permit, place, is_named=is_named)

    def accept(self, in_flight, times=1, gap=0, tokens=0):
        for _ in range(times):
            permit = self.send(in_flight, tokens)
            self.now += gap
            self.learned.accept(self.now, permit, 10)

    @property
    def crowd(self):
        return self.learned.crowd

    @property
    def pace(self):
        return self.learned.paces[0]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, FIRST),
        ({"concurrency": 3}, 3),
        ({"concurrency": 5000}, 5000),
        ({"is_paced": True}, MOST),
        ({"concurrency": 20, "is_paced": True}, 20),
    ],
)
def test_it_begins_with_a_few_only_where_nothing_is_declared(options, size):
    assert Learned(**options).crowd.size == size


def test_the_first_refusal_counts_for_both():
    client = Client()
    client.accept(8, times=20, gap=SECOND // 10)
    assert client.refuse(9) is True, "the pace knows when something may go again"
    assert client.pace.found is not None
    assert client.crowd.ceiling == 8


def test_a_first_refusal_with_a_wait_sets_neither():
    client = Client()
    client.accept(8, times=20, gap=SECOND // 10)
    assert client.refuse(9, is_named=True) is False
    assert client.pace.found is None
    assert client.crowd.ceiling is None


def test_a_refusal_of_a_crowd_larger_than_any_accepted_is_its_ceiling():
    client = Client()
    client.refuse(9, is_named=True)
    client.accept(10, times=5, gap=SECOND // 10)
    assert client.refuse(16, is_named=True) is False
    assert (client.crowd.size, client.crowd.ceiling) == (15, 15)
    assert client.crowd.earliest(client.now, 15) is not None, "and one more is tried after a while"
    assert client.pace.found is None


def test_a_refusal_of_a_crowd_that_was_accepted_is_a_matter_of_pace():
    client = Client()
    client.refuse(9)
    assert client.crowd.ceiling == 8
    client.accept(8, times=20, gap=SECOND // 10)
    client.refuse(6)
    assert client.crowd.ceiling is None, "and the crowd is cleared"
    assert client.pace.found is not None


def test_a_crowd_that_cannot_shrink_is_not_to_blame():
    """A bucket of one asked by two at once, again and again: the rate is learned, although one alone was accepted."""
    client = Client()
    for _ in range(12):
        client.accept(1, gap=1)
        client.refuse(2, is_named=True, wait=SECOND)
    assert client.pace.found == pytest.approx(1.0, rel=0.01)
    assert client.crowd.size >= LEAST


def test_a_server_that_accepts_nothing_teaches_no_pace():
    """When the first refusal came, the others of its burst still looked as if they had been let through."""
    client = Client()
    permits = [client.send(in_flight) for in_flight in range(1, 9)]
    client.now = 1
    for permit in permits:
        client.learned.refuse(1, permit, 0, is_named=False)
    assert client.pace.found is not None
    for _ in range(CROWDED):
        known = client.refuse(1)
    assert known is False, "so that the wait grows"
    assert client.pace.found is None


def test_those_of_a_burst_are_one_refusal():
    client = Client()
    client.accept(8, times=20, gap=SECOND // 10)
    permits = [client.send(in_flight) for in_flight in (9, 10, 11, 12)]
    client.now += 1
    for permit in permits:
        client.learned.refuse(client.now, permit, 0, is_named=True)
    assert len(client.pace._refusals) == 1
    assert client.pace._refused == 4
    assert list(client.learned._crowded) == [True]


def test_bursts_that_speak_of_the_crowd_alone_clear_the_pace():
    client = Client()
    client.accept(8, times=20, gap=SECOND // 10)
    client.refuse(9)
    for number in range(1, CROWDED):
        assert client.pace.found is not None
        client.now += PROBE
        client.refuse(9 + 50 * number)
    assert client.pace.found is None


def test_tokens_have_a_pace_of_their_own():
    client = Client()
    client.accept(8, times=5, tokens=100, gap=SECOND // 10)
    client.refuse(3, place=4, tokens=100)
    assert sorted(client.learned.paces) == [0, 4]
    client.accept(3, times=20, tokens=100, gap=SECOND // 10)
    client.refuse(3, place=4, tokens=100)
    assert client.learned.paces[4].found == pytest.approx(2000 / 3, rel=0.2)
    assert client.pace.found is None
    assert client.crowd.ceiling is None, "tokens are no matter of the crowd"


def test_a_server_that_only_gets_slower_cuts_the_crowd_unless_it_is_declared():
    def slow(**options):
        client = Client(**options)
        for _ in range(2000):
            size = int(client.crowd.size)
            permit = client.send(size)
            permit.started -= SECOND * max(1, size // 16)
            client.now += SECOND // size
            client.learned.accept(client.now, permit, 10)
        return client.crowd

    assert slow().size < 64
    assert slow(concurrency=100).size == 100


def test_a_wait_that_is_named_holds_every_pace():
    client = Client()
    client.refuse(3, place=4, tokens=100, is_named=True)
    client.learned.hold(MINUTE)
    assert {pace._taken_at for pace in client.learned.paces.values()} == {MINUTE}


def test_beyond_is_what_was_refused_before_and_not_accepted_since():
    client = Client()
    client.accept(8, times=20, gap=SECOND // 10)
    assert not client.learned.is_beyond(client.send(20)), "nothing was refused yet"
    client.refuse(9)
    assert client.learned.is_beyond(client.send(9))
    assert not client.learned.is_beyond(client.send(8))


def test_a_small_bucket_asked_by_many_at_once_does_not_keep_the_crowd_small_for_ever():
    """Two of eight are accepted, and answered a long time after: one more is tried meanwhile, and then one more."""
    client = Client()
    client.send(1), client.send(2)
    permits = [client.send(in_flight) for in_flight in range(3, 9)]
    client.now = 1
    for permit in permits:
        client.learned.refuse(1, permit, 0, is_named=False)
    assert client.crowd.size == LEAST
    sizes = []
    for seconds in range(1, 15):
        now = 1 + seconds * LOOK
        assert client.crowd.earliest(now, int(client.crowd.size)) == now
        sizes.append(client.crowd.size)
    assert sizes[-1] == LEAST + 14
