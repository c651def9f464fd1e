"""What pieces are called, and how it is known that all pieces of a row have come."""

import random
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from brimline.evals.parcel import Fate, Parcel

ROW = Parcel({"id": "r", "doc": 1}, (4,))


def test_pieces_have_names_and_places_of_their_own():
    pieces = ROW.taken_apart([{"id": "r", "x": 0}, {"x": 1}, {"id": "mine"}])
    assert [piece.columns["id"] for piece in pieces] == ["r.0", "r.1", "mine"]
    assert [piece.path for piece in pieces] == [(4, 0), (4, 1), (4, 2)]
    assert {piece.share for piece in pieces} == {Fraction(1, 3)}


def test_of_nothing_there_is_a_lost_piece():
    (piece,) = ROW.taken_apart([])
    assert (piece.fate, piece.source("id")) == (Fate.DROPPED, (ROW, 1))


def test_the_source_is_the_outermost_row_with_the_same_column():
    chunk = ROW.taken_apart([{"doc": 1}, {"doc": 1}])[1]
    claim = chunk.taken_apart([{"doc": 1, "claim": n} for n in range(3)])[2]
    judged = claim.taken_apart([{"doc": 1, "claim": 2}] * 5)[0]
    assert judged.source("id") == (ROW, Fraction(1, 30))
    assert judged.source("doc") == (ROW, Fraction(1, 30))
    assert judged.source("claim") == (claim, Fraction(1, 5))
    assert judged.source("other") == (judged, 1)


@given(st.integers(0, 2**32))
def test_the_shares_of_all_that_is_made_of_a_row_are_one(seed):
    rng = random.Random(seed)
    leaves = [ROW]
    for _ in range(rng.randrange(6)):
        taken = leaves.pop(rng.randrange(len(leaves)))
        leaves += taken.taken_apart([{}] * rng.randrange(5)) if not taken.is_lost else [taken]
    assert sum(leaf.source("id")[1] for leaf in leaves) == 1
    assert len({leaf.path for leaf in leaves}) == len(leaves)
