"""Which line answers which request: equal to a slow obvious model, in few bytes a row."""

import json
import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.store.lines import Recorded
from brimline.store.matching import Identities, PackedIndex, Standing, match, name_digest, standing_of
from brimline.types import FaultKind
from tests.store.outcomes import key_of
from tests.thorough import examples

MODELS = ("lab/x", "lab/y")
STANDINGS = {"ok": Standing.OK, "timeout": Standing.TRANSIENT, "too_long": Standing.HOPELESS}

ids = st.none() | st.integers(0, 4) | st.sampled_from(["a", "b", "0", "", True, False, 0.0, 1.0])
texts = st.sampled_from("pqr")
rows = st.lists(st.tuples(ids, texts), max_size=7)
lines = st.lists(
    st.tuples(
        ids | st.integers(5, 8),
        st.sampled_from(MODELS),
        texts,
        st.sampled_from([*STANDINGS]),
        st.sampled_from([None, 0, 1, 2]),
    ),
    max_size=12,
)


def recorded(id_, model, text, came="ok", repeat=None):
    error = None if came == "ok" else {"kind": came}
    return Recorded(key_of((model, text)), "ok" if came == "ok" else "failed", id_, model, error, repeat)


def identities(rows, models, repeat=1):
    made = Identities(len(models) * repeat, repeat=repeat, with_keys=True)
    for id_, text in rows:
        for model in models:
            for number in range(repeat):
                made.add(key_of((model, text)), model, id_, number if repeat > 1 else None)
    return made


def matched(rows, lines, models=MODELS[:1], repeat=1):
    places = {model: place for place, model in enumerate(models)}
    made = identities(rows, models, repeat)
    return match(made, enumerate((recorded(*line) for line in lines), 1), places)


def said(id_, model, text, repeat):
    """A name for a request; to Python `0 == 0.0 == False`, to JSON they are three values."""
    return json.dumps(id_), model, text, repeat or 0


def obvious(rows, lines, models, repeat):
    """Return, for each request, its line's number and standing, and the numbers of strays: with dicts and loops.

    A failure counts only if no line of its request follows. In each round every line that is left takes the first
    request that it can have: the one called like it, the one in its row, one that has no line, and, if it is an
    answer, one that has a failure. An answer stays where it is.
    """
    requests = [
        (id_, model, text, row, which)
        for row, (id_, text) in enumerate(rows)
        for model in models
        for which in range(repeat)
    ]
    last = {said(*line[:3], line[4]): number for number, line in enumerate(lines, 1)}
    left = [n for n, line in enumerate(lines, 1) if line[3] == "ok" or last[said(*line[:3], line[4])] == n]
    found, strays = {}, []

    def is_which(line, place):
        return (line[4] or 0) == requests[place][4]

    def came(place):
        return lines[found[place] - 1][3] if place in found else None

    for can_have in (
        lambda line, place: (
            came(place) != "ok"
            and json.dumps(line[0]) == json.dumps(requests[place][0]) != "null"
            and is_which(line, place)
        ),
        lambda line, place: (
            came(place) != "ok"
            and type(line[0]) is int
            and requests[place][:4:3] == (None, line[0])
            and is_which(line, place)
        ),
        lambda line, place: line[3] == "ok" and requests[place][0] is came(place) is None,
        lambda line, place: line[3] == "ok" and requests[place][0] is None and came(place) != "ok",
        lambda line, place: requests[place][0] is came(place) is None,
    ):
        for number in [*left]:
            line = lines[number - 1]
            same = [place for place, request in enumerate(requests) if request[1:3] == line[1:3]]
            place = next((place for place in same if can_have(line, place)), None)
            if place is not None:
                strays += [found[place]] if place in found else []
                found[place] = number
                left.remove(number)
    places = range(len(requests))
    line_of = [found.get(place, 0) for place in places]
    return line_of, [STANDINGS.get(came(place), Standing.MISSING) for place in places], sorted(left + strays)


@st.composite
def distinct(draw, rows):
    """Rows of which no two give the same id; that is an error of the input."""
    drawn, seen = [], set()
    for id_, text in draw(rows):
        if id_ is None or json.dumps(id_) not in seen:
            drawn.append((id_, text))
            seen.add(json.dumps(id_))
    return drawn


@examples(1000)
@given(
    distinct(rows), lines, st.sampled_from([MODELS[:1], MODELS, MODELS[::-1]]), st.sampled_from([1, 1, 2, 3])
)
def test_equal_to_the_slow_obvious_model(rows, lines, models, repeat):
    result = matched(rows, lines, models, repeat)
    assert ([*result.line_of], [*result.standing], [*result.strays]) == obvious(rows, lines, models, repeat)
    for request, line in enumerate(result.line_of):
        which = request % repeat if repeat > 1 else None
        if line and lines[line - 1][4] != which:
            assert result.moved[request], "it has to get its number, or to lose it"


@pytest.mark.parametrize("ids", [(None, None), ("a", "b")])
def test_more_repeats_leave_only_the_new_ones_to_send_and_fewer_leave_lines_over(ids):
    rows = [(id_, "p") for id_ in ids]
    name = [row if id_ is None else id_ for row, id_ in enumerate(ids)]
    written = [(id_, MODELS[0], "p", "ok", which) for id_ in name for which in range(3)]
    more = matched(rows, written, repeat=5)
    assert [*more.line_of] == [1, 2, 3, 0, 0, 4, 5, 6, 0, 0]
    assert (more.moved, [*more.strays]) == (b"", [])
    fewer = matched(rows, written, repeat=2)
    assert ([*fewer.line_of], [*fewer.strays]) == ([1, 2, 4, 5], [3, 6])


@pytest.mark.parametrize("id_", [None, "a"])
def test_a_lone_answer_is_the_first_of_several_and_the_first_of_several_stays(id_):
    lone = matched([(id_, "p")], [(id_ or 0, MODELS[0], "p")], repeat=2)
    assert ([*lone.line_of], lone.moved) == ([1, 0], b"\1\0")
    several = [(id_ or 0, MODELS[0], "p", "ok", which) for which in (1, 0)]
    first = matched([(id_, "p")], several)
    assert ([*first.line_of], [*first.strays], first.moved) == ([2], [1], b"\1")


@examples(300)
@given(
    st.lists(texts, max_size=8),
    st.lists(texts, max_size=8),
    st.lists(st.sampled_from([*STANDINGS]), min_size=8, max_size=8),
    st.randoms(use_true_random=False),
)
def test_of_rows_without_ids_only_what_is_new_is_sent(before, after, first, rng):
    """Whatever is inserted, removed, moved, edited or repeated: an answer is used once, and used if it can be."""
    written = [
        (number, MODELS[0], text, came)
        for number, (text, came) in enumerate(zip(before, first, strict=False))
    ]
    again = [(number, model, text, "ok") for number, model, text, came in written if came == "timeout"]
    rng.shuffle(written)
    result = matched([(None, text) for text in after], written + again)
    for text in "pqr":
        has = before.count(text)
        wanted = [place for place, other in enumerate(after) if other == text]
        assert sum(result.standing[place] == Standing.MISSING for place in wanted) == max(
            0, len(wanted) - has
        )
        answered = sum(t == text and c != "too_long" for t, c in zip(before, first, strict=False))
        assert sum(result.standing[place] == Standing.OK for place in wanted) == min(len(wanted), answered)
    used = [line for line in result.line_of if line]
    assert len(set(used)) == len(used)


def test_inserting_a_row_without_ids_leaves_one_to_send():
    before = [(number, MODELS[0], text) for number, text in enumerate("pqrpqr")]
    result = matched([(None, text) for text in "ppqrpqr"], before)
    assert [*result.standing].count(Standing.MISSING) == 1


def test_the_last_line_for_a_request_wins_also_where_its_row_has_moved():
    written = [(0, MODELS[0], "p", "too_long"), (1, MODELS[0], "q"), (0, MODELS[0], "p", "timeout")]
    for rows in ("pq", "rpq", "qp"):
        result = matched([(None, text) for text in rows], written)
        assert result.line_of[rows.index("p")] == 3, rows
        assert [*result.strays] == []


def test_a_line_says_that_its_row_has_moved():
    written = [(0, MODELS[0], "p"), (1, MODELS[0], "q")]
    assert matched([(None, "p"), (None, "q")], written).moved == b""
    assert matched([(None, "r"), (None, "p"), (None, "q")], written).moved == b"\0\1\1"


def test_an_edited_row_is_sent_again_and_its_old_answer_kept_aside():
    result = matched([("a", "q"), ("b", "p")], [("a", MODELS[0], "p"), ("b", MODELS[0], "p")])
    assert ([*result.line_of], [*result.strays]) == ([0, 2], [1])


def test_an_id_equal_to_another_rows_number_takes_nothing_from_it():
    """Row 1 has no id and row 0 is called 1: the line of the one must not be judged by the other's key."""
    result = matched([(1, "p"), (None, "q")], [(1, MODELS[0], "q"), (1, MODELS[0], "p")])
    assert ([*result.line_of], [*result.strays]) == ([2, 1], [])


def test_an_answer_serves_rows_that_lost_their_ids_but_not_rows_that_got_others():
    assert [*matched([(None, "p")], [("a", MODELS[0], "p")]).line_of] == [1]
    assert [*matched([("b", "p")], [("a", MODELS[0], "p")]).line_of] == [0]
    assert [*matched([("0", "p")], [(0, MODELS[0], "p")]).line_of] == [0]


def test_a_row_called_4_and_row_4_may_ask_the_same():
    rows = [(4, "p"), (None, "q"), (None, "q"), (None, "q"), (None, "p")]
    written = [(4, MODELS[0], "p"), *((n, MODELS[0], "q") for n in (1, 2, 3)), (4, MODELS[0], "p")]
    for lines in (written, written[::-1]):
        result = matched(rows, lines)
        assert sorted(result.line_of) == [1, 2, 3, 4, 5], "each answer is used, none is sent again"
        assert [*result.strays] == []
    assert [*matched(rows[:1], written).strays] == [2, 3, 4, 5], "and none goes silently away"


def test_each_model_of_a_row_has_its_own_line():
    written = [(0, MODELS[1], "p"), (0, MODELS[0], "p"), (1, MODELS[1], "q")]
    assert [*matched([(None, "p"), (None, "q")], written, MODELS).line_of] == [2, 1, 0, 3]
    assert [*matched([("0", "p"), ("1", "q")], [("1", MODELS[1], "q")], MODELS).line_of] == [0, 0, 0, 1]


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_of_fault_has_a_standing(kind):
    hopeless = {"invalid_request", "too_long", "content_filter", "truncated"}
    assert standing_of(recorded(0, "lab/x", "p", kind)) is (
        Standing.HOPELESS if kind in hopeless else Standing.TRANSIENT
    )


@pytest.mark.parametrize("error", [None, {"kind": "of another version"}, {}, "text"])
def test_a_failure_of_an_unknown_kind_is_sent_again(error):
    assert standing_of(Recorded(key_of("k"), "failed", error=error)) is Standing.TRANSIENT


# What it is made of.


@examples(200)
@given(st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 1), max_size=40))
def test_a_packed_index_is_a_dict_of_positions(numbers):
    index = PackedIndex(array("Q", numbers))
    for number in {*numbers, 7, 2**63} - {0}:
        assert [*index.find(number)] == [place for place, other in enumerate(numbers) if other == number]
    twins = {number for number in numbers if number and numbers.count(number) > 1}
    pairs = [*index.twins()]
    assert {numbers[one] for one, _ in pairs} == twins
    assert len(pairs) == sum(numbers.count(number) - 1 for number in twins)
    assert all(numbers[one] == numbers[other] and one < other for one, other in pairs)


def test_a_large_index_is_cut_into_buckets_and_still_finds_everything():
    numbers = array("Q", (int(key_of(n % 150_000)[:16], 16) for n in range(200_000)))
    index = PackedIndex(numbers)
    assert len(index._buckets) > 2
    for place in range(0, 200_000, 997):
        first = place % 150_000
        assert [*index.find(numbers[place])] == [first, first + 150_000][: 1 + (first < 50_000)]
    assert sum(1 for _ in index.twins()) == 50_000


def test_a_name_is_id_and_model_as_json():
    names = {name_digest(id_, model) for id_ in (0, 0.0, False, "0", "", None, "a") for model in MODELS}
    assert len(names) == 14


COUNT = 100_000
KEYS = [key_of((MODELS[0], number)) for number in range(COUNT + 1)]


def packed(numbers, ids):
    made = Identities(1, with_keys=True)
    for number, id_ in zip(numbers, ids, strict=True):
        made.add(KEYS[number], MODELS[0], id_)
    return made


@pytest.mark.parametrize(("ids", "most"), [([None] * COUNT, 8.6), (range(COUNT), 17.2)])
def test_who_the_requests_are_takes_at_most_16_bytes_each(ids, most):
    """The eighth of a byte that is more is an array's room to grow."""
    tracemalloc.start()
    kept = packed(range(COUNT), ids)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.count == COUNT
    assert size / COUNT < most


SAME = [0] * COUNT
CASES = {
    "as it was": (range(COUNT), None, range(COUNT)),
    "named": (range(COUNT), range(COUNT), range(COUNT)),
    "named, in no order": (range(COUNT), range(COUNT), sorted(range(COUNT), key=KEYS.__getitem__)),
    "shifted by one": ([COUNT, *range(COUNT - 1)], None, range(COUNT)),
    "samples": (SAME, None, SAME),
    "samples, one row more": ([1, *SAME[1:]], None, SAME),
    "samples, all but one removed": (SAME[:1], None, SAME),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hundred_thousand_rows_match_at_once(case):
    """What is quadratic here takes hours; the suite's time limit is the judge."""
    rows, ids, written = CASES[case]
    made = packed(rows, ids or [None] * len(rows))
    lines = [Recorded(KEYS[number], "ok", place, MODELS[0]) for place, number in enumerate(written)]
    if ids:
        lines = [Recorded(KEYS[number], "ok", number, MODELS[0]) for number in written]
    result = match(made, enumerate(lines, 1), {MODELS[0]: 0})
    missing = {"shifted by one": 1, "samples, one row more": 1}.get(case, 0)
    assert [*result.standing].count(Standing.MISSING) == missing
    assert len(result.strays) == len(lines) - (len(rows) - missing)
