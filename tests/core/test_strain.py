"""The strain: a server that only gets slower is noticed, and one that answers at length or by chance is not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.permit import Demand, Permit
from brimline.core.strain import COMPLETE, SAMPLE, STALE, Strain, _compare, _Fit
from brimline.core.time import SECOND
from tests.thorough import examples


class Server:
    """Answers after a time to begin and a time per token, both longer by what `load` says of the crowd."""

    def __init__(self, begin=0.2, per_token=0.01, load=lambda crowd: 1.0, noise=0.0, seed=1):
        self.begin, self.per_token, self.load, self.noise = begin, per_token, load, noise
        self.rng = random.Random(seed)

    def seconds(self, crowd, tokens):
        factor = self.load(crowd) * self.rng.lognormvariate(0, self.noise)
        return (self.begin + self.per_token * tokens) * factor


class Client:
    """Always as many in flight as the strain says, answered one after another."""

    def __init__(self, server, *, size=8.0, tokens=lambda number: 50 + number % 7 * 20):
        self.strain, self.server, self.size, self.tokens = Strain(), server, size, tokens
        self.sent, self.now = 0, 0
        self.sizes = []

    def answers(self, number):
        for _ in range(number):
            self.sent += 1
            tokens = self.tokens(self.sent)
            took = round(self.server.seconds(self.size, tokens) * SECOND)
            self.now += round(took / self.size)
            permit = Permit(Demand(), self.now - took, int(self.size), Demand(self.sent))
            size = self.strain.note(self.now, permit, self.sent, tokens, self.size)
            if size is not None:
                self.size = max(2.0, size)
                self.sizes.append(self.size)
        return self


def fit(points):
    made = _Fit()
    for x, y in points:
        made.add(x, y)
    return made


def test_a_line_is_fitted():
    start, slope = fit([(x, 0.5 + 0.02 * x) for x in range(10, 100, 7)]).line
    assert (start, slope) == pytest.approx((0.5, 0.02))
    assert fit([(x, 0.5 + 0.02 * x) for x in range(10, 100, 7)]).error((0.5, 0.02)) == pytest.approx(
        0, abs=1e-6
    )


def test_answers_of_one_length_tell_of_no_slope():
    assert fit([(40, 1.0), (40, 2.0)]).line == (1.5, 0.0)
    assert fit([(0, 1.0), (0, 2.0)]).line == (1.5, 0.0)


def test_neither_part_of_a_line_is_below_nothing():
    falling = fit([(10, 3.0), (20, 2.0), (30, 1.0)]).line
    assert falling == (2.0, 0.0)
    steep = fit([(10, 0.1), (20, 1.1), (30, 2.1)]).line
    assert steep == pytest.approx((0.0, 1.1 / 20))


def test_two_fits_merged_are_as_one_of_both():
    points = [(x, 0.3 + 0.01 * x + (x % 3) / 10) for x in range(1, 40)]
    one, other, both = fit(points[:11]), fit(points[11:]), fit(points)
    one.merge(other)
    assert one.count == both.count
    assert one.line == pytest.approx(both.line)
    assert one.error((0.1, 0.1)) == pytest.approx(both.error((0.1, 0.1)))


def test_the_error_is_the_standard_error_of_the_mean():
    made = fit([(10, 1.0), (10, 3.0)] * 8)
    assert made.error((2.0, 0.0)) == pytest.approx(1.0 / 4)


def test_longer_answers_are_no_strain():
    base, seen = (
        fit([(x, 0.2 + 0.01 * x) for x in range(10, 40)]),
        fit([(x, 0.2 + 0.01 * x) for x in range(400, 440)]),
    )
    assert _compare(base, seen) < 0


def test_slower_answers_are():
    base = fit([(x, 0.2 + 0.01 * x) for x in range(10, 90)])
    seen = fit([(x, 1.5 * (0.2 + 0.01 * x)) for x in range(10, 90)])
    assert _compare(base, seen) == pytest.approx(0.45, abs=0.05)  # chance and 20 ms are taken off


def test_a_few_milliseconds_are_none():
    assert _compare(fit([(1, 0.005)] * 30), fit([(1, 0.015)] * 30)) < 0


def test_a_difference_within_chance_is_none():
    rng = random.Random(7)
    base = fit([(1, rng.lognormvariate(0, 1)) for _ in range(10)])
    seen = fit([(1, 1.3 * rng.lognormvariate(0, 1)) for _ in range(10)])
    assert _compare(base, seen) < 0.05


def test_a_server_that_keeps_its_time_is_never_held_back():
    client = Client(Server(noise=0.3))
    for _ in range(40):
        client.answers(50)
        client.size = min(client.size * 2, client.strain.most)
    assert client.sizes == []
    assert client.size > 200
    assert not client.strain.is_felt


def test_the_crowd_may_be_twice_what_was_proven():
    strain = Strain()
    assert strain.most == 2 * strain.proven == 16
    client = Client(Server())
    client.answers(200)
    client.size = 16.0
    client.answers(200)
    assert client.strain.proven == 16
    assert client.strain.most == 32


def test_a_crowd_that_makes_answers_slow_shrinks_and_does_not_grow():
    client = Client(Server(load=lambda crowd: max(1.0, crowd / 20), noise=0.05))
    client.answers(300)
    assert client.sizes == []
    client.size = 80.0
    client.answers(500)
    assert client.strain.is_felt
    assert 15 <= client.size <= 26


def test_a_little_strain_keeps_it_from_growing_but_does_not_shrink_it():
    client = Client(Server(load=lambda crowd: 1.0 if crowd <= 8 else 1.13))
    client.answers(300)
    client.size = 16.0
    client.answers(300)
    assert client.sizes == []
    assert client.strain.most == 0.0
    assert not client.strain.is_felt


def test_a_round_of_few_answers_is_no_proof_and_shrinks_nothing():
    client = Client(Server(load=lambda crowd: max(1.0, crowd / 8)))
    client.answers(300)
    client.size = 16.0
    client.answers(300)
    assert client.sizes == []
    assert client.strain.most == 0.0


def test_after_a_strain_the_base_is_looked_at_again_by_half_for_a_round():
    """The server has become slower by itself: that is noticed, and the crowd gets its size back."""
    server = Server(load=lambda crowd: max(1.0, crowd / 20))
    client = Client(server).answers(300)
    client.size = 80.0
    client.answers(800)
    assert client.strain.is_felt
    client.sizes.clear()
    size = client.size
    client.now += STALE
    client.answers(200)
    assert client.sizes == [size / 2, size]


def test_a_round_that_is_never_answered_does_not_last_for_ever():
    """All were refused or failed but a few: the next round begins, and judges."""
    strain = Strain()
    for number in (1, 2):
        assert strain.note(SECOND, _permit(number), 8, 10, 8.0) is None
    assert strain._base is None
    strain.note(SECOND, _permit(3), 400, 10, 8.0)
    first = strain._first
    assert first == 401
    for number in range(first, first + SAMPLE):
        strain.note(2 * SECOND, _permit(number), number, 10, 8.0)
    assert strain._base is not None


def test_a_round_is_judged_when_nearly_all_of_it_is_answered():
    strain = Strain()
    needed = int(COMPLETE * 8)
    for number in range(1, needed):
        strain.note(SECOND, _permit(number), 8, 10, 8.0)
    assert strain._base is None
    strain.note(SECOND, _permit(needed), 8, 10, 8.0)
    assert strain._base is not None


def test_answers_to_attempts_outside_a_round_do_not_count():
    strain = Strain()
    for number in range(9, 30):
        strain.note(SECOND, _permit(number), 30, 10, 8.0)
    assert strain._base is None


@examples(60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**6), st.integers(0, 10**13)), max_size=100),
    st.floats(1.0, 1024.0),
)
def test_whatever_the_answers_nothing_is_divided_by_nothing(answers, size):
    """No tokens, no time, the same again and again, a million tokens in no time at all."""
    strain = Strain()
    for sent, (kind, tokens, took) in enumerate(answers * 3, 1):
        now = (0 if kind == 0 else took) + sent
        permit = Permit(Demand(), sent, 1, Demand(sent))
        wanted = strain.note(now, permit, sent, 0 if kind == 1 else tokens, size)
        if wanted is not None:
            assert 0.25 * size <= wanted <= size
            size = max(1.0, wanted)


def _permit(number):
    return Permit(Demand(), 0, 1, Demand(number))
