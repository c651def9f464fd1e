"""Which recorded line answers which request: what makes a rerun send only what is missing or changed.

A request whose row gives an id is answered by a line with the same id and key; a request whose row gives none by
any line with its key, each line once, in order (rows may be inserted or moved), and rather by an answer than by a
failure. A later line for a request replaces a failure, also where its row has moved, and never an answer: a row
that is called 4 and row number 4 may ask the same. Everything is packed: a million requests are matched in 24
bytes each.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from hashlib import blake2b
from itertools import groupby, pairwise
from typing import Any

import msgspec

from brimline.core.faults import CONSEQUENCES
from brimline.store.lines import Recorded
from brimline.types import FaultKind

_encode = msgspec.json.Encoder().encode
_KINDS = {kind.value for kind in FaultKind}


class Standing(IntEnum):
    """How a request stands in the results file."""

    MISSING = 0
    OK = 1
    TRANSIENT = 2
    """Failed for a passing reason."""
    HOPELESS = 3
    """Failed for a reason of its own."""


class Identities:
    """Who the requests of a run are, in at most 16 bytes each: the key, and explicit id with model.

    Requests are numbered as they are added: all models of the first row, each with its repeats, then the second row.

    Args:
        per_row: Requests for each row.
        repeat: How many of them are for the same model.
        with_keys: Whether there is anything to match them to; without, only ids are kept.
    """

    def __init__(self, per_row: int, *, repeat: int = 1, with_keys: bool) -> None:
        self.per_row = per_row
        self.repeat = repeat
        self.keys = array("Q")
        self.names = array("Q")
        self.count = 0
        self._with_keys = with_keys

    @property
    def has_names(self) -> bool:
        """Whether any row gives an id; without, `names` stays empty."""
        return bool(self.names)

    def is_named(self, request: int) -> bool:
        """Whether the row of a request gives an id."""
        return bool(self.names) and self.names[request] != 0

    def add(self, key: str, model: str, explicit_id: Any, repeat: int | None = None) -> None:
        """Add the next request; `explicit_id` is None where its row gives none."""
        if self._with_keys:
            self.keys.append(int(key[:16], 16))
        if explicit_id is not None and not self.names:
            self.names = array("Q", bytes(8 * self.count))
        if explicit_id is not None or self.names:
            self.names.append(0 if explicit_id is None else name_digest(explicit_id, model, repeat))
        self.count += 1


def name_digest(id_: Any, model: str, repeat: int | None = None) -> int:
    """Return 64 bits for an explicit id at a model, never 0; the first repeat is called like the only one."""
    name = (id_, model, repeat) if repeat else (id_, model)
    return int.from_bytes(blake2b(_encode(name), digest_size=8).digest()) or 1


def request_digest(recorded: Recorded) -> int:
    """Return 64 bits for the request that a line belongs to, never 0: lines with the same are its tries in turn."""
    return name_digest(recorded.id, recorded.model, recorded.sample) ^ int(recorded.key[:16], 16) or 1


class PackedIndex:
    """Where numbers stand in an array, in 4 bytes each: positions sorted by their number, found by bisection."""

    def __init__(self, numbers: "array[int]") -> None:
        self._numbers = numbers
        self._shift = 64 - max(1, len(numbers) >> 15).bit_length()
        buckets = [array("I") for _ in range(1 << (64 - self._shift))]
        for position, number in enumerate(numbers):
            if number:
                buckets[number >> self._shift].append(position)
        for bucket in buckets:
            if any(
                numbers[one] > numbers[other] for one, other in pairwise(bucket)
            ):  # a million equal ones are not
                bucket[:] = array("I", sorted(bucket, key=numbers.__getitem__))
        self._buckets = buckets

    def find(self, number: int) -> "array[int]":
        """Return the positions at which `number` stands, in order."""
        bucket = self._buckets[number >> self._shift]
        first = last = bisect_left(bucket, number, key=self._numbers.__getitem__)
        while last < len(bucket) and self._numbers[bucket[last]] == number:
            last += 1
        return bucket[first:last]

    def groups(self) -> "Iterator[array[int]]":
        """Yield the positions, in order, of each number that stands more than once."""
        for bucket in self._buckets:
            for _, same in groupby(bucket, key=self._numbers.__getitem__):
                group = array("I", same)
                if len(group) > 1:
                    yield group

    def twins(self) -> Iterator[tuple[int, int]]:
        """Yield positions at which the same number stands, two by two."""
        for group in self.groups():
            yield from pairwise(group)


class Match:
    """How the lines of a results file and the requests of a run belong together.

    Attributes:
        line_of: For each request, the number of its line from 1, or 0.
        standing: For each request, a `Standing`.
        moved: For each request, whether its line was written for another row or repeat; empty if none was.
        strays: Numbers of lines whose request left the input or was changed.
    """

    def __init__(self, requests: int) -> None:
        self.line_of = array("I", bytes(4 * requests))
        self.standing = bytearray(requests)
        self.moved = bytearray()
        self.strays = array("I")

    def note(self, request: int, line: int, standing: Standing) -> None:
        """Let `line` be the last word on `request`."""
        self.line_of[request] = line
        self.standing[request] = standing

    def move(self, request: int) -> None:
        """Note that the line of `request` was written for another one."""
        self.moved = self.moved or bytearray(len(self.standing))
        self.moved[request] = 1


def standing_of(recorded: Recorded) -> Standing:
    """Return how a request with this line stands."""
    if recorded.is_ok:
        return Standing.OK
    kind = recorded.kind
    if kind in _KINDS and not CONSEQUENCES[FaultKind(kind)].transient:
        return Standing.HOPELESS
    return Standing.TRANSIENT


def match(identities: Identities, lines: Iterable[tuple[int, Recorded]], models: dict[str, int]) -> Match:
    """Match recorded lines to requests.

    Args:
        identities: Who the requests are.
        lines: Number, from 1, and content of each readable line.
        models: Place of each model among the requests of a row.
    """
    matching = _Matching(identities, models)
    for line, recorded in lines:
        matching.place(line, recorded)
    matching.place_rest()
    return matching.result


class _Matching:
    """Matches in two passes: by id or row number first, then what is left by key alone."""

    def __init__(self, identities: Identities, models: dict[str, int]) -> None:
        self.result = Match(identities.count)
        self._identities = identities
        self._models = models
        self._by_name = PackedIndex(identities.names) if identities.has_names else None
        self._expected = 0
        self._rest = array("I")
        self._rest_keys = array("Q")
        self._rest_names = array("Q")
        self._rest_standing = bytearray()

    def place(self, line: int, recorded: Recorded) -> None:
        """Match a line by its id and key, or keep it for the second pass."""
        key = int(recorded.key[:16], 16)
        request = self._unanswered(self._with_name(recorded, key))
        if request is None:
            request = self._unanswered(self._in_row(recorded, key))
        if request is None:
            self._rest.append(line)
            self._rest_keys.append(key)
            self._rest_names.append(request_digest(recorded))
            self._rest_standing.append(standing_of(recorded))
        else:
            self.result.note(request, line, standing_of(recorded))
            if (recorded.repeat is None) == (self._identities.repeat > 1):
                self.result.move(request)  # the first one has a number if it is not the only one
            self._expected = request + 1

    def _unanswered(self, request: int | None) -> int | None:
        return None if request is None or self.result.standing[request] == Standing.OK else request

    def place_rest(self) -> None:
        """Match what is left by key alone, each request once; an answer goes before a failure."""
        if not self._rest:
            return
        result = self.result
        free = array("Q", self._identities.keys)
        for request, standing in enumerate(result.standing):
            if standing == Standing.OK or self._identities.is_named(request):
                free[request] = 0
        index = PackedIndex(free)
        answers, failures = self._left()
        answers = self._hand_out(answers, index, lambda request: not result.line_of[request])
        answers = self._hand_out(answers, index, lambda request: result.standing[request] != Standing.OK)
        failures = self._hand_out(failures, index, lambda request: not result.line_of[request])
        result.strays.extend(self._rest[place] for place in (*answers, *failures))
        result.strays = array("I", sorted(result.strays))

    def _left(self) -> "tuple[array[int], array[int]]":
        """Return answers and failures that are left, without failures that a later line of their request replaces."""
        replaced = bytearray(len(self._rest))
        for earlier, _ in PackedIndex(self._rest_names).twins():
            replaced[earlier] = 1
        answers, failures = array("I"), array("I")
        for place, standing in enumerate(self._rest_standing):
            if standing == Standing.OK:
                answers.append(place)
            elif not replaced[place]:
                failures.append(place)
        return answers, failures

    def _hand_out(
        self, places: "array[int]", index: "PackedIndex", is_free: Callable[[int], bool]
    ) -> "array[int]":
        """Give lines to requests with their key, in order, and return those that nobody wants."""
        left = array("I")
        groups: dict[int, Iterator[int]] = {}
        for place in places:
            key = self._rest_keys[place]
            group = groups.get(key)
            if group is None:
                requests = index.find(key)
                group = iter(requests)
                if len(requests) > 1:
                    groups[key] = group
            request = next(filter(is_free, group), None)
            if request is None:
                left.append(place)
            else:
                self._give(request, place)
        return left

    def _give(self, request: int, place: int) -> None:
        result = self.result
        if result.line_of[request]:
            result.strays.append(result.line_of[request])
        result.note(request, self._rest[place], Standing(self._rest_standing[place]))
        result.move(request)

    def _with_name(self, recorded: Recorded, key: int) -> int | None:
        """Return the request whose row gives this id, if it is the same. Lines in input order need no search."""
        if self._by_name is None:
            return None
        name = name_digest(recorded.id, recorded.model, recorded.sample)
        names = self._identities.names
        if self._expected < len(names) and names[self._expected] == name:
            request = self._expected
        elif found := self._by_name.find(name):
            request = found[0]
        else:
            return None
        return request if self._identities.keys[request] == key else None

    def _in_row(self, recorded: Recorded, key: int) -> int | None:
        """Return the request without an id that stands where the line's row number says, if it is the same."""
        place, repeat = self._models.get(recorded.model), self._identities.repeat
        if type(recorded.id) is not int or recorded.id < 0 or place is None or recorded.sample >= repeat:
            return None
        request = recorded.id * self._identities.per_row + place * repeat + recorded.sample
        if request >= self._identities.count or self._identities.is_named(request):
            return None
        return request if self._identities.keys[request] == key else None
