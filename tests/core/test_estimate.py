"""Estimates: bytes and a ratio in, what the model has been producing out, and never divided by nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.core.estimate import IMAGE_TOKENS, OUTPUT_TOKENS, Estimator, Size, measure
from brimline.types import Request, Response, Usage


def request(*contents, follow_ups=(), **params):
    messages = tuple({"role": "user", "content": content} for content in contents)
    return Request(id=1, model="lab/x", messages=messages, params=params, follow_ups=follow_ups)


def usage(input_tokens, output_tokens):
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def test_a_size_counts_bytes_and_not_characters():
    assert measure(request("abcd")).text == 16 + 4
    assert measure(request("äöü€")).text == 16 + 9
    assert measure(request("a", "b", None, 7)).text == 4 * 16 + 2


def test_parts_count_by_their_text_and_images_each_by_itself():
    parts = [
        {"type": "text", "text": "abc"},
        {"type": "image_url", "image_url": {"url": "data:" + "x" * 10_000}},
        {"type": "image_url"},
        "loose",
        {"text": [{"text": "in"}]},
    ]
    assert measure(request(parts)) == Size(16 + 3 + 5 + 2, 2, 0)


def test_the_maximum_is_the_users_if_it_is_one():
    assert measure(request("a", max_tokens=50)).most == 50
    assert measure(request("a", max_tokens=50, max_completion_tokens=70)).most == 70
    for nonsense in (0, -5, "50", None, 1.5):
        assert measure(request("a", max_tokens=nonsense)).most == 0


def test_a_conversation_grows_by_its_turns():
    asked = request("one", follow_ups=("two", "three"))
    response = Response(text="answer", finish_reason="stop")
    assert measure(asked).text == 16 + 3
    assert measure(asked, [response]).text == 16 + 3 + 6 + 3
    assert measure(asked, [response, response]).text == 16 + 3 + 12 + 3 + 5


def test_the_weight_compares_requests():
    assert Size(400, 2, 50).weight == 100 + 2 * IMAGE_TOKENS + 50


def test_before_anything_is_known():
    demand = Estimator().demand(Size(4000, 1, 0))
    assert demand.requests == 1
    assert demand.input_tokens == 3 + 1000 + IMAGE_TOKENS
    assert demand.output_tokens == OUTPUT_TOKENS
    assert demand.tokens == demand.input_tokens + demand.output_tokens
    assert demand.charged == demand.input_tokens


@pytest.mark.parametrize(("most", "output"), [(0, OUTPUT_TOKENS), (20, 20), (9000, OUTPUT_TOKENS)])
def test_the_output_is_judged_by_the_maximum_only_if_it_is_small_but_charged_by_it(most, output):
    demand = Estimator().demand(Size(400, 0, most))
    assert demand.output_tokens == output
    assert demand.charged == demand.input_tokens + most


def test_the_output_is_what_the_model_has_been_producing_bounded_by_the_maximum():
    estimator = Estimator()
    estimator.learn(Size(400, 0, 0), usage(100, 800))
    assert estimator.demand(Size(400, 0, 0)).output_tokens == 800
    assert estimator.demand(Size(400, 0, 30)).output_tokens == 30
    for _ in range(200):
        estimator.learn(Size(400, 0, 0), usage(100, 50))
    assert estimator.demand(Size(400, 0, 0)).output_tokens == pytest.approx(50, abs=15)


def test_one_odd_answer_moves_the_estimate_a_little():
    estimator = Estimator()
    for _ in range(20):
        estimator.learn(Size(400, 0, 0), usage(100, 100))
    estimator.learn(Size(400, 0, 0), usage(100, 10_100))
    assert estimator.demand(Size(400, 0, 0)).output_tokens == 300


def test_the_ratio_of_bytes_to_tokens_is_learned():
    estimator = Estimator()
    for _ in range(300):
        estimator.learn(Size(3000, 0, 0), usage(1003, 10))
    assert estimator.demand(Size(3000, 0, 0)).input_tokens == pytest.approx(1003, rel=0.02)


def test_the_ratio_follows_a_change_of_language():
    estimator = Estimator()
    for _ in range(100):
        estimator.learn(Size(4000, 0, 0), usage(1003, 10))
    for _ in range(300):
        estimator.learn(Size(4000, 0, 0), usage(2003, 10))
    assert estimator.demand(Size(4000, 0, 0)).input_tokens == pytest.approx(2003, rel=0.05)


def test_images_are_taken_off_before_a_ratio_is_learned():
    estimator = Estimator()
    for _ in range(300):
        estimator.learn(Size(4000, 1, 0), usage(1003 + IMAGE_TOKENS, 10))
    assert estimator.demand(Size(4000, 0, 0)).input_tokens == pytest.approx(1003, rel=0.02)


@pytest.mark.parametrize("input_tokens", [0, 2, 3, 4, 100_000])
def test_counts_that_make_no_sense_teach_no_ratio(input_tokens):
    """A cache, a template or a broken server: the text has 4,000 bytes."""
    estimator = Estimator()
    for _ in range(100):
        estimator.learn(Size(4000, 0, 0), usage(input_tokens, 10))
    assert estimator.demand(Size(4000, 0, 0)).input_tokens == 1003


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7),
            st.integers(0, 5),
            st.integers(0, 10**6),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
        ),
        max_size=60,
    )
)
def test_whatever_is_learned_an_estimate_stays_a_count(exchanges):
    estimator = Estimator()
    for text, images, most, input_tokens, output_tokens in exchanges:
        size = Size(text, images, most)
        estimator.learn(size, usage(input_tokens, output_tokens))
        demand = estimator.demand(size)
        assert all(isinstance(count, int) and count >= 0 for count in demand)
        assert demand.tokens == demand.input_tokens + demand.output_tokens
        assert demand.input_tokens <= 3 + 2 * text + images * IMAGE_TOKENS + 1
        assert not most or demand.output_tokens <= most
