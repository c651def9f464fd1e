"""Which requests are sent, and which get the answer of an equal one instead."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from brimline.data.plan import Plan
from brimline.engine.options import Retry, RunOptions
from brimline.store.matching import PackedIndex, Standing


class Duplicates:
    """Requests that are not sent, since an equal one is: a chain leads from each original to its duplicates, in order.

    It takes 4 bytes a request: each holds the number of the next one of its chain, plus one.

    Args:
        requests: How many requests there are; 0 if none may have duplicates.
    """

    def __init__(self, requests: int = 0) -> None:
        self._next = array("I", bytes(4 * requests))

    def __bool__(self) -> bool:
        return bool(self._next)

    def link(self, original: int, duplicates: Iterable[int]) -> None:
        """Give `original` its duplicates."""
        last = original
        for duplicate in duplicates:
            self._next[last] = duplicate + 1
            last = duplicate

    def of(self, original: int) -> Iterator[int]:
        """Yield the duplicates of `original`."""
        following = self._next
        while following and (after := following[original]):
            original = after - 1
            yield original


@dataclass(slots=True)
class Choice:
    """What a run has to do.

    Attributes:
        pending: For each lane, the numbers of the requests to send, in order.
        duplicates: What each of them is the original of.
        recorded: Originals whose outcome is on file while some of their duplicates have none.
        samples: For each request, which of equal ones it is, from 0; empty if no two are equal.
    """

    pending: "dict[str, array[int]]"
    duplicates: Duplicates = field(default_factory=Duplicates)
    recorded: "array[int]" = field(default_factory=lambda: array("I"))
    samples: "array[int]" = field(default_factory=lambda: array("I"))

    def copied(self) -> Iterator[tuple[str, int]]:
        """Yield lane and number of each duplicate whose original is sent."""
        for lane, numbers in self.pending.items() if self.duplicates else ():
            for number in numbers:
                yield from ((lane, duplicate) for duplicate in self.duplicates.of(number))

    def owed(self) -> Iterator[int]:
        """Yield the duplicates whose original's outcome is on file."""
        for original in self.recorded:
            yield from self.duplicates.of(original)


def choose(
    plan: Plan,
    standing: bytearray,
    options: RunOptions,
    equals: "Iterable[array[int]]" = (),
    *,
    on_file: bytearray | None = None,
) -> Choice:
    """Choose the requests to send.

    Args:
        plan: The input.
        standing: How each request stands on file; those that only seem answered are left alone.
        options: Which failed ones are sent again, and which part of the input.
        equals: Groups of equal requests of which only one is sent.
        on_file: How they really stand, if not as `standing` says.
    """
    chooser = _Chooser(plan, standing, options, standing if on_file is None else on_file)
    for group in equals:
        chooser.link(group)
    chooser.fill(plan, options.limit)
    return chooser.choice


def equal_requests(keys: "array[int]", repeat: int = 1) -> "Iterator[array[int]]":
    """Yield groups of requests with the same key, each in order; of `repeat` in turn each is in another group."""
    for group in PackedIndex(keys).groups():
        if repeat == 1:
            yield group
        else:
            yield from _apart(group, repeat)


def _apart(group: "array[int]", repeat: int) -> "Iterator[array[int]]":
    """Split requests with the same key by their repeats."""
    for _, same in groupby(_by_repeat(group, repeat), key=lambda number: number % repeat):
        equal = array("I", same)
        if len(equal) > 1:
            yield equal


def sample_numbers(keys: "array[int]", repeat: int = 1) -> "array[int]":
    """Return for each request which of equal ones it is, from 0; empty if no two are equal.

    They are counted repeat by repeat, so that a higher number of them changes nothing for those that there were.
    """
    samples = array("I")
    for group in PackedIndex(keys).groups():
        samples = samples or array("I", bytes(4 * len(keys)))
        for sample, number in enumerate(_by_repeat(group, repeat)):
            samples[number] = sample
    return samples


def _by_repeat(group: "array[int]", repeat: int) -> Iterable[int]:
    """Return requests repeat by repeat; a million of them that are not repeated are in order already."""
    return group if repeat == 1 else sorted(group, key=lambda number: number % repeat)


class _Chooser:
    """Chooses among the requests that the options ask for: the part of the input, failures worth another try."""

    def __init__(self, plan: Plan, standing: bytearray, options: RunOptions, on_file: bytearray) -> None:
        part, parts = options.shard
        per_row = plan.recipe.per_row
        first, last = plan.rows * (part - 1) // parts, plan.rows * part // parts
        self._part = range(first * per_row, last * per_row)
        self._standing = standing
        self._on_file = on_file
        self._copies_failures = options.only is None
        self._wanted = _wanted(options.retry)
        self._is_duplicate = bytearray()
        self.choice = Choice({})

    def link(self, group: "array[int]") -> None:
        """Let one of equal requests be the original: one whose outcome is on file to stay, or the first to send."""
        wanted, standing = self._wanted, self._standing
        asking = array("I", (number for number in group if number in self._part and wanted(standing[number])))
        if not asking:
            return
        original = self._settled(group)
        if original is None:
            original = asking.pop(0)
        else:
            self.choice.recorded.append(original)
        if not self._is_duplicate:
            self._is_duplicate = bytearray(len(standing))
            self.choice.duplicates = Duplicates(len(standing))
        self.choice.duplicates.link(original, asking)
        for number in asking:
            self._is_duplicate[number] = True

    def _settled(self, group: "array[int]") -> int | None:
        """Return the first that is answered, or else the first whose failure is to stay as it is.

        Where some failures are picked out to be sent again, none of them gets another's.
        """
        stands = self._on_file
        answered = next((number for number in group if stands[number] == Standing.OK), None)
        if answered is not None or not self._copies_failures:
            return answered
        return next((number for number in group if stands[number] and not self._wanted(stands[number])), None)

    def fill(self, plan: Plan, limit: int | None) -> None:
        """Choose what is to be sent, at most `limit` requests."""
        pending: list[array[int]] = [array("I") for _ in plan.lanes]
        left = plan.requests if limit is None else limit
        for number in self._part:
            if not left:
                break
            if self._wanted(self._standing[number]) and not (
                self._is_duplicate and self._is_duplicate[number]
            ):
                pending[plan.lane_of[number]].append(number)
                left -= 1
        self.choice.pending = dict(zip(plan.lanes, pending, strict=True))


def _wanted(retry: Retry) -> Callable[[int], bool]:
    """Return whether a request with a certain standing is sent."""
    wanted = {Standing.MISSING}
    if retry is not Retry.NONE:
        wanted.add(Standing.TRANSIENT)
    if retry is Retry.ALL:
        wanted.add(Standing.HOPELESS)
    return wanted.__contains__
