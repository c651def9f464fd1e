"""Embeddings: made of the text alone, of length 1, the same in every form."""

import base64
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sim.vectors import base64_vector, json_vector, vector


@given(st.text(), st.integers(1, 200))
def test_all_forms_agree_on_a_unit_vector(text, dimensions):
    plain = vector(text, dimensions)
    assert len(plain) == dimensions
    assert sum(x * x for x in plain) == pytest.approx(1)
    assert msgspec.json.decode(json_vector(text, dimensions)) == plain
    packed = base64.b64decode(base64_vector(text, dimensions))
    assert list(struct.unpack(f"<{dimensions}f", packed)) == plain


def test_each_text_has_its_own_and_strangers_are_far_apart():
    vectors = [vector(f"text {i}") for i in range(100)]
    assert len({tuple(each) for each in vectors}) == 100
    products = [sum(map(float.__mul__, vectors[0], other)) for other in vectors[1:]]
    assert max(map(abs, products)) < 0.6
    assert vector("text 0") == vectors[0]
