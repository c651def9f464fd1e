"""Lines written for a row that has moved or changed since: they get the id and the columns that it has now."""

from array import array

from brimline.data.plan import Plan
from brimline.data.recipe import Origin
from brimline.store.lines import moved_line
from brimline.types import Request

AHEAD = 256
"""So many rows are read at once: opening the file for each would cost more than reading it."""


class Rebase:
    """Patches lines in the order of their requests; what came of a request stays as it is.

    Args:
        plan: The input.
        moved: For each request, whether its line was written for another row; empty if none was.
        is_stale: Whether any line may repeat columns that its row does not have any more.
    """

    def __init__(self, plan: Plan, moved: bytearray, *, is_stale: bool) -> None:
        self._plan = plan
        self._moved = moved
        self._is_stale = is_stale
        self._read: dict[int, Request] = {}

    @property
    def is_needed(self) -> bool:
        """Whether any line has to be patched."""
        return self._is_stale or bool(self._moved)

    def __call__(self, number: int, line: bytes) -> bytes:
        """Return the line that request `number` should have.

        Raises:
            InputError: The file was changed since it was checked.
        """
        if not self._concerns(number):
            return line
        if number not in self._read:
            last = min(number + AHEAD, self._plan.requests)
            numbers = array("I", filter(self._concerns, range(number, last)))
            self._read = dict(zip(numbers, self._plan.read(numbers), strict=True))
        asked = self._read[number]
        assert isinstance(asked.origin, Origin)
        return moved_line(line, asked.origin.columns, asked)

    def _concerns(self, number: int) -> bool:
        return self._is_stale or self._moved[number] == 1
