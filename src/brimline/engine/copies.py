"""What duplicates get: the line of their original, with their own row, and nothing billed."""

import asyncio
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from brimline.data.plan import Plan
from brimline.data.recipe import Origin
from brimline.engine.choose import Duplicates
from brimline.engine.run import Run
from brimline.errors import InputError
from brimline.store.lines import copied_line, read_line

if TYPE_CHECKING:
    from brimline.engine.files import FileSink

BATCH = 256
"""So many duplicates are read and written at a time; one original may have a million."""


class Copier:
    """Makes the lines of duplicates.

    Args:
        plan: The input.
        duplicates: Who gets whose answer.
    """

    def __init__(self, plan: Plan, duplicates: Duplicates) -> None:
        self._plan = plan
        self._duplicates = duplicates

    def copies(self, original: int, line: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield numbers and lines of the duplicates of `original`, whose own line is `line`.

        Raises:
            InputError: The input was changed since it was checked.
        """
        numbers = self._duplicates.of(original)
        while batch := array("I", islice(numbers, BATCH)):
            recorded = read_line(line)
            for number, request in zip(batch, self._plan.read(batch), strict=True):
                assert isinstance(request.origin, Origin)
                if recorded is None or request.key != recorded.key:
                    raise InputError(
                        f"{self._plan.table.source.name} was changed while it was being run",
                        hint="Run it again.",
                    )
                yield number, copied_line(line, request.origin.columns, request)


async def pay_out(
    lines: Iterator[tuple[int, bytes]],
    copier: Copier,
    sink: "FileSink",
    run: Run,
    note: Callable[[int, int], None],
) -> None:
    """Give duplicates the outcome of an original that is on file: a crash came between the two, or they are new.

    Args:
        lines: Originals with their lines; a long file to look through, so this is done in a thread.
        copier: Makes the duplicates' lines.
        sink: Where they go.
        run: Whose they are; nothing more is done once it is closed.
        note: Called with an original and its duplicate once that is durable.
    """
    while batch := await asyncio.to_thread(lambda: [*islice(lines, BATCH)]):
        owed = ((original, *copy) for original, line in batch for copy in copier.copies(original, line))
        while copies := [*islice(owed, BATCH)]:
            if run.closed is not None:
                return
            await sink.add([(number, line) for _, number, line in copies])
            for original, number, _ in copies:
                note(original, number)
