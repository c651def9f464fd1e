"""What is sent and what is not since it is equal: the same as a slow obvious model says."""

import tracemalloc
from array import array
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from hypothesis import event, given
from hypothesis import strategies as st

from brimline.data.plan import Plan
from brimline.engine.choose import Duplicates, choose, equal_requests, sample_numbers
from brimline.engine.options import Retry, RunOptions
from brimline.store.matching import Standing
from brimline.types import FaultKind
from tests.store.outcomes import key_of
from tests.thorough import examples

WANTED = {
    Retry.NONE: {Standing.MISSING},
    Retry.TRANSIENT: {Standing.MISSING, Standing.TRANSIENT},
    Retry.ALL: {Standing.MISSING, Standing.TRANSIENT, Standing.HOPELESS},
}


def planned(rows, models):
    """A plan of `rows` rows that each go to `models` models, without a file."""
    plan = Plan(
        None, SimpleNamespace(per_row=models), lanes={f"lab/{n}": (f"lab/{n}", "") for n in range(models)}
    )
    plan.offsets = array("Q", range(rows))
    plan.lane_of = array("H", [*range(models)] * rows)
    return plan


def options(retry=Retry.TRANSIENT, shard=(1, 1), limit=None):
    return RunOptions(input=Path("in.jsonl"), retry=retry, shard=shard, limit=limit)


def keys_of(texts, models):
    return array("Q", (int(key_of((model, text))[:16], 16) for text in texts for model in range(models)))


def test_repeats_are_never_merged_with_each_other():
    """Rows `p`, `q`, `p` with three repeats of each."""
    keys = array("Q", [7] * 3 + [8] * 3 + [7] * 3)
    assert sorted(map(list, equal_requests(keys, 3))) == [[0, 6], [1, 7], [2, 8]]


def chosen(texts, models, standing, asked, *, dedupe=True):
    plan, keys = planned(len(texts), models), keys_of(texts, models)
    choice = choose(plan, bytearray(standing), asked, equal_requests(keys) if dedupe else ())
    sent = sorted(number for numbers in choice.pending.values() for number in numbers)
    owed = {number: original for original in choice.recorded for number in choice.duplicates.of(original)}
    copied = {number: original for original in sent for number in choice.duplicates.of(original)}
    return sent, copied, owed


def obvious(texts, models, standing, asked):
    """Look at every pair of requests."""
    names = [(text, model) for text in texts for model in range(models)]
    part, parts = asked.shard
    rows = range(len(texts) * (part - 1) // parts, len(texts) * part // parts)
    wants = [n for n in range(len(names)) if n // models in rows and standing[n] in WANTED[asked.retry]]
    sent, copied, owed = [], {}, {}
    for n in wants:
        same = [other for other in range(len(names)) if names[other] == names[n]]
        answered = [other for other in same if standing[other] == Standing.OK]
        settled = [other for other in same if standing[other] and standing[other] not in WANTED[asked.retry]]
        first = next(other for other in same if other in wants)
        if answered or settled:
            owed[n] = (answered or settled)[0]
        elif first == n:
            sent.append(n)
        else:
            copied[n] = first
    sent = sent[: asked.limit]
    return sent, {n: first for n, first in copied.items() if first in sent}, owed


inputs = st.tuples(st.lists(st.sampled_from("pqr"), min_size=1, max_size=9), st.integers(1, 2)).flatmap(
    lambda shape: st.tuples(
        st.just(shape[0]),
        st.just(shape[1]),
        st.lists(
            st.sampled_from(Standing), min_size=len(shape[0]) * shape[1], max_size=len(shape[0]) * shape[1]
        ),
    )
)
asked = st.builds(
    options, st.sampled_from(Retry), st.sampled_from([(1, 1), (1, 2), (2, 2)]), st.none() | st.integers(0, 3)
)


@examples(1500)
@given(inputs, asked)
def test_equal_to_the_slow_obvious_model(input_, asked):
    found = chosen(*input_, asked)
    event(f"copies {bool(found[1])}, owed {bool(found[2])}")
    assert found == obvious(*input_, asked)


@examples(300)
@given(inputs, asked)
def test_without_dedupe_every_request_that_is_wanted_is_sent(input_, asked):
    texts, models, standing = input_
    sent, copied, owed = chosen(texts, models, standing, asked, dedupe=False)
    part, parts = asked.shard
    rows = range(len(texts) * (part - 1) // parts, len(texts) * part // parts)
    wants = [n for n, stands in enumerate(standing) if n // models in rows and stands in WANTED[asked.retry]]
    assert (sent, copied, owed) == (wants[: asked.limit], {}, {})


@given(st.lists(st.sampled_from("pqr"), max_size=8), st.integers(1, 3), st.integers(0, 3))
def test_equal_requests_are_counted_and_more_repeats_change_nothing(texts, repeat, more):
    def numbers(repeat):
        keys = array("Q", (int(key_of(text)[:16], 16) for text in texts for _ in range(repeat)))
        samples = sample_numbers(keys, repeat) or array("I", bytes(4 * len(keys)))
        for key in {*keys}:
            counted = [samples[place] for place in range(len(keys)) if keys[place] == key]
            assert sorted(counted) == [*range(len(counted))]
        return {divmod(place, repeat): samples[place] for place in range(len(keys))}

    before, after = numbers(repeat), numbers(repeat + more)
    assert before.items() <= after.items()


def test_an_original_may_come_after_its_duplicates():
    """The last row was answered by an earlier run; the first one is number 0, which is a number like any other."""
    sent, copied, owed = chosen("pqp", 1, [Standing.MISSING, Standing.MISSING, Standing.OK], options())
    assert (sent, copied, owed) == ([1], {}, {0: 2})


COUNT = 100_000


def test_duplicates_take_4_bytes_a_request():
    tracemalloc.start()
    kept = Duplicates(COUNT)
    for number in range(0, COUNT, 10):
        kept.link(number, range(number + 1, number + 10))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / COUNT < 4.5, "and an array's room to grow"
    assert [*kept.of(50)] == [*range(51, 60)]
    assert [*kept.of(59)] == []


def test_a_hundred_thousand_equal_rows_are_linked_at_once():
    """What is quadratic here takes hours; the suite's time limit is the judge."""
    keys = array("Q", [7]) * COUNT
    choice = choose(planned(COUNT, 1), bytearray(COUNT), options(), equal_requests(keys))
    assert [*choice.pending["lab/0"]] == [0]
    assert sum(1 for _ in choice.duplicates.of(0)) == COUNT - 1


def test_failures_picked_out_are_sent_even_if_an_equal_one_is_left_alone():
    """Row 0 failed for a reason that was not picked; row 1 is not to get it, and row 2 is row 1's duplicate."""
    keys, seems = array("Q", [7] * 3), bytearray([Standing.OK, Standing.MISSING, Standing.MISSING])
    really = bytearray([Standing.HOPELESS, Standing.TRANSIENT, Standing.TRANSIENT])
    picked = replace(options(), only=frozenset({FaultKind.TIMEOUT}))
    choice = choose(planned(3, 1), seems, picked, equal_requests(keys), on_file=really)
    assert [*choice.pending["lab/0"]] == [1]
    assert [*choice.duplicates.of(1)] == [2]
    assert [*choice.recorded] == []
