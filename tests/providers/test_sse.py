"""Server-sent events: what comes out never depends on where the bytes were cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brimline.providers.sse import Event, EventParser

LINES = st.lists(
    st.one_of(
        st.sampled_from(["", "", "data", "data:", "data: ", "data:x", "data: x", "data:  x", ": ping", ":", "id: 7", "event: e",
                         "event:e", "event", "retry: 3", "data: äöü 🙂 \u2028 \x85", "nonsense", " data: x", "\ufeffdata: x"]),
        st.text(max_size=8).filter(lambda text: not set(text) & set("\r\n")),
    ),
    max_size=12,
)  # fmt: skip
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def streams(draw):
    """A stream with all ends of lines mixed, whole or cut off."""
    text = draw(st.sampled_from(["", "\ufeff"])) + "".join(line + draw(ENDS) for line in draw(LINES))
    data = text.encode("utf-8", "surrogatepass")
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


def parsed(*pieces):
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


def by_the_book(data):
    """The standard's own words, over the whole stream at once."""
    events, name, lines = [], "", []
    for line in re.split(rb"\r\n|\n|\r", data.removeprefix(b"\xef\xbb\xbf") + b"\n\n"):
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            if lines:
                events.append(Event(name, b"\n".join(lines)))
            name, lines = "", []
        elif field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return events


@given(streams())
@example(b"data: a\r\n\r\ndata: b\r\r\ndata: c\n\r")
@example(b"\xef\xbb\xbfdata: x\n\n")
@example(b"\n\xef\xbb\xbfdata: x\n\n")
def test_every_cut_gives_the_same_events(data):
    events = by_the_book(data)
    assert parsed(data) == events
    assert parsed(*(data[n : n + 1] for n in range(len(data)))) == events
    for cut in range(len(data) + 1):
        assert parsed(data[:cut], data[cut:]) == events


@given(streams(), st.lists(st.integers(0, 60)))
def test_any_cuts_give_the_same_events(data, cuts):
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert parsed(*pieces, b"") == by_the_book(data)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n"])
def test_an_event_is_there_with_its_blank_line_and_not_later(end):
    parser = EventParser()
    assert parser.feed(b"data: a" + end) == [Event("", b"a")]
    assert parser.feed(b"event: e\ndata: b" + end) == [Event("e", b"b")]
    assert parser.end() == []


def test_comments_keep_alive_and_say_nothing():
    parser = EventParser()
    assert [parser.feed(b": keep-alive\n\n") for _ in range(3)] == [[], [], []]
    assert parser.feed(b"data: a\n: in between\ndata: b\n\n") == [Event("", b"a\nb")]


def test_a_large_event_is_read_in_no_more_time_than_its_bytes_need():
    """What is cut into many pieces is put together once; else this would copy 4 GB."""
    piece = b"x" * 64
    parser = EventParser()
    parser.feed(b"data: ")
    for _ in range(16_000):
        assert parser.feed(piece) == []
    ((_, data),) = parser.feed(b"\n\n")
    assert len(data) == 16_000 * 64


@pytest.mark.parametrize("piece", [b"x", b"data: x\n", b": x\n", b"\xff", b"event: x\n"])
def test_an_event_without_end_is_given_up(piece):
    parser = EventParser(largest=1000)
    for _ in range(1001):
        assert parser.feed(piece) == []
    assert parser.is_overrun
    assert parser.feed(b"\n\ndata: x\n\n") == []
    assert parser.end() == []


def test_many_events_are_no_large_one():
    parser = EventParser(largest=1000)
    for _ in range(500):
        assert len(parser.feed(b"data: x\n\n")) == 1
    assert not parser.is_overrun
