"""Tables of other libraries, told by what they can do; the fakes speak as pandas, polars, pyarrow and datasets do."""

import math
from collections.abc import Sized
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from brimline.data.frames import CHUNK, plain, rows_of
from brimline.data.given import GivenRows
from brimline.errors import InputError, UsageError
from brimline.types import Request

NAN = float("nan")
RECORDS = [
    {"text": "a", "n": 1, "half": 0.5},
    {"text": None, "n": 2, "half": NAN},
    {"text": "c", "n": 3, "half": 1.5},
]
ROWS = [{"text": "a", "n": 1, "half": 0.5}, {"n": 2}, {"text": "c", "n": 3, "half": 1.5}]


class Table:
    """Records, and how many of them were asked for."""

    def __init__(self, records=RECORDS):
        self.records = records
        self.taken = 0

    @property
    def columns(self):
        return [*self.records[0]]

    def _values(self):
        for record in self.records:
            self.taken += 1
            yield tuple(record.values())


class Pandas(Table):
    def __len__(self):
        return len(self.records)

    def __iter__(self):
        return iter(self.columns)  # a trap: a data frame iterates over its columns

    def itertuples(self, index=True, name="Pandas"):
        assert (index, name) == (False, None)
        return self._values()


class Polars(Table):
    def __len__(self):
        return len(self.records)

    def __iter__(self):
        return iter(self.columns)

    def iter_rows(self, *, named=False, buffer_size=512):
        assert not named
        return self._values()


class Batch:
    def __init__(self, table, records):
        self.table, self.records, self.num_rows = table, records, len(records)

    def slice(self, start, length):
        return Batch(self.table, self.records[start : start + length])

    def to_pylist(self):
        self.table.taken += len(self.records)
        return [*self.records]


class Arrow(Table):
    columns = property(
        lambda self: [["a", None, "c"]]
    )  # a trap: of an Arrow table these are the columns' content

    def __len__(self):
        return len(self.records)

    def to_batches(self):
        return [Batch(self, self.records)]


class ArrowDataset(Table):
    """It knows its length only by counting."""

    def to_batches(self):
        return iter([Batch(self, self.records[:1]), Batch(self, self.records[1:])])


class ArrowReader(Table):
    """It gives its batches once."""

    def read_next_batch(self):
        raise NotImplementedError

    def __iter__(self):
        return iter([Batch(self, self.records[:2]), Batch(self, self.records[2:])])


class HuggingFace(Table):
    features = column_names = ("text", "n", "half")

    def __len__(self):
        return len(self.records)

    def __iter__(self):
        for record in self.records:
            self.taken += 1
            yield record


class HuggingFaceStream(Table):
    features = column_names = None

    def __iter__(self):
        for record in self.records:
            self.taken += 1
            yield record


TABLES = [Pandas, Polars, Arrow, ArrowDataset, ArrowReader, HuggingFace, HuggingFaceStream]


@pytest.mark.parametrize("kind", TABLES)
def test_rows_come_without_the_cells_that_hold_nothing(kind):
    assert [*rows_of(kind())] == ROWS


@pytest.mark.parametrize("kind", TABLES)
def test_rows_are_taken_as_they_are_wanted(kind):
    table = kind([{"n": n} for n in range(10_000)])
    rows = iter(rows_of(table))
    assert [next(rows)["n"] for _ in range(5)] == [*range(5)]
    assert table.taken <= CHUNK + 2


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_knows_its_length_if_it_did_before(kind):
    """After a deadline, what is left of something with a length has an outcome, too."""
    rows = rows_of(kind())
    assert isinstance(rows, Sized) == isinstance(kind(), Sized)
    if isinstance(rows, Sized):
        assert len(rows) == 3


def test_what_is_no_table_is_itself():
    async def later():
        yield "a"

    for items in ([1], (n for n in range(3)), later(), {"a"}):
        assert rows_of(items) is items


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("Say hi", "an iterable of requests, not one of them"),
        (b"Say hi", "not one of them"),
        ({"prompt": "Say hi"}, "not one of them"),
        (Request(id=0, model="lab/x", messages=()), "not one of them"),
        (Pandas([{0: "a", "0": "b"}]), "two columns '0'"),
        (
            type("DatasetDict", (dict,), {"column_names": {}})(train=1, test=2),
            "several data sets: train, test",
        ),
        (type("LazyFrame", (), {"collect": 1, "lazy": 1})(), "a lazy frame has no rows yet"),
    ],
)
def test_what_has_no_rows_is_refused(items, words):
    with pytest.raises(UsageError, match=words):
        rows_of(items)


class NAType:
    def __eq__(self, other):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None


class NaTType:
    def isoformat(self):
        return "NaT"


class Scalar:
    """As numpy's."""

    def __init__(self, value):
        self.value = value

    def tolist(self):
        return self.value


class Number(float):
    """As numpy's 64 bits, which are a Python float."""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, True),
        (2**70, 2**70),
        (Number(1.5), 1.5),
        (Scalar(7), 7),
        (Scalar([1, NAN, Scalar("x")]), [1, None, "x"]),
        (("a", ("b",)), ["a", ["b"]]),
        ({"a": Scalar(1), 2: NAN}, {"a": 1, "2": None}),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02T03:04:05+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (timedelta(seconds=1), "0:00:01"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("é".encode(), "é"),
        (b"\xff", "/w=="),
        (math.inf, math.inf),
    ],
)
def test_values_become_those_of_json(value, found):
    assert plain(value) == found
    assert type(plain(value)) is type(found)


@pytest.mark.parametrize("nothing", [None, NAN, Number("nan"), NAType(), NaTType()])
def test_every_kind_of_nothing_is_absent(nothing):
    assert [*rows_of(Polars([{"a": nothing, "b": 1}]))] == [{"b": 1}]
    assert plain([nothing]) == [None]


def test_what_has_no_form_in_json_is_left_as_it_is():
    image = object()
    assert plain(image) is image


# Rows for a run.


def collected(*items):
    rows = GivenRows()
    for item in items:
        rows.add(item)
    return [row.columns for row in rows.table().scan()]


def test_rows_and_prompts_of_every_form_are_collected():
    messages = [{"role": "user", "content": "Hi"}]
    assert collected({"text": "a", 7: Scalar(1), "none": None}, "Hi", ["one", "two"], messages) == [
        {"text": "a", "7": 1, "none": None},
        {"prompt": "Hi"},
        {"prompt": ["one", "two"]},
        {"prompt": messages},
    ]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (5, "row 1 is neither a dict nor a prompt but a int"),
        (None, "but a NoneType"),
        (Request(id=0, model="lab/x", messages=()), "but a Request"),
        (
            {"a": 1, "image": object()},
            "row 1: 'image' holds what is not JSON: Encoding objects of type object",
        ),
        ({"text": "\ud800"}, "row 1: 'text' holds half of a surrogate pair"),
    ],
)
def test_a_row_that_is_none_is_named_before_anything_is_sent(item, words):
    with pytest.raises(InputError, match=words) as refused:
        collected("fine", item)
    assert "nothing was sent" in str(refused.value)


def test_given_rows_are_called_so_in_messages():
    rows = GivenRows()
    rows.add("a")
    assert rows.table().source.where(1) == "the input: row 0"
